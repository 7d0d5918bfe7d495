"""The page of a comparison of studies: one HTML file that needs no other, and no script."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supernet.harness.report.across.tables import BASE_HEADS, HEADS, base_cells, summary_cells
from supernet.harness.report.html.axis import Axis, Mark, class_of, interval_cell, marked_axis, tick_cell
from supernet.harness.report.html.frame import document
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.statistics.printed import ABSENT, with_interval
from supernet.harness.study.across import Across, Change
from supernet.harness.study.kept import Effect, Kept

TEMPLATE = Path(__file__).with_name("page.html")


def page(a: Across, files: Sequence[str] = ()) -> str:
    """The whole page; equal input gives equal text.

    Args:
        files: what lies beside the page, as paths relative to it.
    """
    headline, *rest = a.findings
    names = [study.name for study in a.studies]
    parts = {
        "headline": el("span", headline.replace(" tau", " τ")),
        "certainty": join(el("p", text, class_="certainty") for text in rest),
        "forest": _forest(a),
        "marks": join(el("h4", study.name) + marked_axis(_marks(study)) for study in a.studies),
        "summaries": _table(["Change", *names, *HEADS], [_cells(change) for change in a.changes]),
        "bases": _table([head.capitalize() for head in BASE_HEADS], base_cells(a)),
        "protocols": _table(["What differs", *names], [[key, *values] for key, values in a.protocols.items()]),
        "notes": join(el("li", note) for note in a.notes),
        "files": join(el("li", el("a", file, href=file, download="")) for file in files),
    }
    title = f"{len(a.studies)} studies beside each other"
    return document(escaped(title), escaped(" · ".join(names)), TEMPLATE, parts)


def _forest(a: Across) -> Html:
    """Every change under a heading of its own: its effect in each study, its summary, what a further study may find."""
    axis = Axis([0.0, *(end for change in a.changes for end in _ends(change))])
    rows: list[Html] = []
    for change in a.changes:
        rows.append(el("tr", el("th", change.label, scope="rowgroup", colspan=3), class_="group"))
        for study, e in zip(a.studies, change.effects, strict=True):
            if e is not None:
                rows.append(_effect(axis, study.name, e))
        rows += _summary(axis, change)
    ticks = el("tr", el("td"), tick_cell(axis, "+"), el("td"), class_="ticks", aria_hidden="true")
    heads = [el("th", head, scope="col") for head in ("Study", "Effect on τ", "Verdict")]
    caption = el("caption", "Effect of every change in every study", class_="hidden")
    body = el("tbody", *rows, ticks)
    return el("table", caption, el("thead", el("tr", *heads)), body, class_="forest across", id="forest")


def _ends(change: Change) -> list[float]:
    effects = [end for e in change.effects if e for end in (e.value, e.low, e.high)]
    s = change.summary
    # Summaries of two studies can be far wider than all effects; their intervals are cut off at the axis's ends.
    return [end for end in [*effects, *((s.value,) if s else ())] if end is not None]


def _line(axis: Axis, name: str, value: float | None, ends: tuple[float | None, float | None], **cells: str) -> Html:
    """A line of the figure.

    Args:
        cells: `text` where the line is pointed at, its `word` at the right, and its class, `kind`.
    """
    return el(
        "tr",
        el("th", name, scope="row"),
        interval_cell(axis, value, *ends, cells["text"]),
        el("td", cells["word"].replace(" tau", " τ"), class_="word"),
        class_=cells["kind"],
    )


def _effect(axis: Axis, name: str, e: Effect) -> Html:
    kind, text = class_of(e.clear, e.value), with_interval(e, "+.2f")
    return _line(axis, name, e.value, (e.low, e.high), text=text, word=e.verdict, kind=kind)


def _summary(axis: Axis, change: Change) -> list[Html]:
    s = change.summary
    if s is None:
        word, text = "no summary", change.problem
        return [_line(axis, "Summary", None, (None, None), text=text, word=word, kind="open summary")]
    text, predicted, share, _ = summary_cells(change)
    kind = f"{class_of(change.clear, s.value)} summary"
    word = f"{change.verdict}; I² {share}"
    lines = [_line(axis, "Summary", s.value, (s.low, s.high), text=text, word=word, kind=kind)]
    if s.predicted_low is not None:
        ends = s.predicted_low, s.predicted_high
        lines.append(
            _line(axis, "A further study", s.value, ends, text=predicted, word=predicted, kind="open predicted")
        )
    return lines


def _marks(study: Kept) -> list[Mark]:
    found = [Mark("parameter count", study.params_tau, shape="diamond")]
    if study.base:
        found.insert(0, Mark("base", study.base.value, study.base.low, study.base.high, "disc"))
    if study.attainable is not None:
        found.append(Mark("attainable", study.attainable, shape="bar"))
    return found


def _cells(change: Change) -> list[str]:
    effects = [with_interval(e, "+.2f") for e in change.effects]
    return [change.label, *effects, *(cell or ABSENT for cell in summary_cells(change))]


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    top = el("thead", el("tr", *(el("th", head, scope="col") for head in heads)))
    body = [el("tr", el("th", row[0], scope="row"), *(el("td", cell) for cell in row[1:])) for row in rows]
    return el("table", top, el("tbody", *body))
