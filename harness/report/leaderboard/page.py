"""The leaderboard as one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from supernet.harness.leaderboard.board import BASELINE, Board, Ground, Row
from supernet.harness.leaderboard.sources import NO, Entry, Repository, ScoreFile
from supernet.harness.report.html.frame import document, scripts
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.html.sortable import cell, head
from supernet.harness.report.leaderboard.columns import COLUMNS, findings
from supernet.harness.statistics.printed import number

TEMPLATE = Path(__file__).with_name("page.html")
LIMITS = (
    "Rankings that cover different architectures are not compared by τ: compare each with the parameter count on its "
    "own architectures.",
    "Each interval holds by itself; none is corrected for the number of rows. The best of many rows looks better than "
    "it is.",
    "Intervals over architectures speak of these scores. They do not say how another seed, batch or super-net of the "
    "same method would rank.",
    "Scores from the ground truth's own test images share its noise, which can make their τ too high.",
    "Every score column of each file is listed, in the direction that its authors give it, whatever its figures are. "
    "Whether the authors chose a form or a setting with this ground truth in view is stated where it is known; "
    "for most it is not, and most of these proxies were published with results on this benchmark. The parameter count "
    "of live edges and free-1 are baselines that this project chose knowing the ground truth.",
)

TEXTS = {
    "Method": "Whose scores they are; the name leads to the protocol.",
    "Kind": "What gave the scores.",
    "Test images": "Whether the scores come from the ground truth's own test images.",
}
"""Columns of text, and what they mean."""


def page(board: Board, figures: Mapping[str, str]) -> str:
    """The whole page; equal boards give equal text.

    Args:
        figures: name of a ground truth -> SVG of its rankings.
    """
    entries = {row.entry: f"method-{k}" for k, row in enumerate(board.rows, 1) if row.entry}
    published = len(entries)
    what = (
        f"{published} published rankings of architectures, and free baselines · {board.resamples:,} bootstrap resamples"
    )
    notes = [*LIMITS, *(f"Left out: {problem}" for problem in board.problems)]
    if board.missing:
        notes.append(f"Rankings of the registry that were not at hand: {len(board.missing)}.")
    meanings = TEXTS | {column.title: column.meaning for column in COLUMNS}
    parts = {
        "tables": join(
            _section(ground, board.rows, entries, figures.get(ground.name, ""), k)
            for k, ground in enumerate(board.grounds, 1)
        ),
        "glossary": join(el("dt", title) + el("dd", meaning) for title, meaning in meanings.items()),
        "limits": join(el("li", note) for note in notes),
        "protocols": join(_protocol(entry, name) for entry, name in entries.items()),
        "files": _files(list(entries)),
    }
    return document(
        Html("Published rankings by one yardstick"), escaped(what), TEMPLATE, parts, scripts("markup", "sort")
    )


def _section(ground: Ground, rows: list[Row], names: dict[Entry, str], svg: str, number: int) -> Html:
    """The table of one ground truth, with what it says and how far anything can agree."""
    own = [row for row in rows if row.ground == ground.name]
    title = f"{ground.space}: {ground.measure}"
    return join(
        [
            el("h3", title),
            el("p", f"Ground truth {ground.table} ({ground.family}). ", _ceiling(ground)),
            el("p", " ".join(findings(own))),
            figure(f"Kendall's tau of every ranking, {title}", svg, number) if svg else Html(""),
            el("div", _table(own, names), class_="scroll", tabindex=0, role="region", aria_label=title),
        ]
    )


def _ceiling(ground: Ground) -> str:
    c = ground.ceiling
    if c is None:
        return "This ground truth keeps no repeats apart, so that the attainable τ is unknown."
    return (
        f"Attainable by a perfect ranker: τ {number(c.attainable)}, within the truly best tenth "
        f"{number(c.attainable_top10)}; repeats of the ground truth ({c.source}) agree at {number(c.tau)}."
    )


def _table(rows: list[Row], names: dict[Entry, str]) -> Html:
    heads = [head(title, meaning, "ascending", "text") for title, meaning in TEXTS.items()]
    heads += [head(column.title, column.meaning, column.first, "number") for column in COLUMNS]
    lines = []
    for row in rows:
        name: object = el("a", row.method, href=f"#{names[row.entry]}") if row.entry else row.method
        overlap = row.entry.overlap if row.entry else NO
        cells = [cell((name, row.method), "text", head=True)]
        cells += [cell((text, text), "text") for text in (row.kind, overlap)]
        cells += [cell((column.shown(row), column.key(row)), "number") for column in COLUMNS]
        lines.append(el("tr", *cells, class_="base" if row.kind == BASELINE else None))
    return el("table", el("thead", el("tr", *heads)), el("tbody", *lines))


def _protocol(entry: Entry, name: str) -> Html:
    said = [
        entry.protocol,
        f"Images: {entry.images}",
        f"Covers {entry.covers}.",
        f"Chosen with the ground truth in view: {entry.chosen}.",
        f"Paper: {entry.paper}.",
    ]
    title = f"{entry.method} · {entry.space} {entry.measure}"
    return el("dt", title, id=name) + el("dd", " ".join(said))


def _files(entries: list[Entry]) -> Html:
    """The files of each repository, with their digests."""
    wanted: dict[Repository, dict[ScoreFile, None]] = {}
    for entry in entries:
        wanted.setdefault(entry.repository, {}).update(dict.fromkeys(entry.files))
    parts = []
    for repository, files in wanted.items():
        listing = join(el("dt", file.path) + el("dd", el("code", file.sha256)) for file in files)
        count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
        title = f"{repository.name}, commit {repository.commit[:12]}, licence: {repository.licence}, {count}"
        link = el("p", el("a", repository.address, href=repository.address))
        parts.append(el("details", el("summary", title), link, el("dl", listing, class_="pairs")))
    return join(parts)
