"""All pairs of algorithms as a matrix of differences."""

from __future__ import annotations

from dataclasses import replace

from supernet.harness.report.html.markup import Html, el
from supernet.harness.search.analysis import Outcome
from supernet.harness.search.contrasts import Contrast
from supernet.harness.search.findings import difference
from supernet.harness.statistics.printed import number, p_relation


def matrix(outcome: Outcome) -> Html:
    """The matrix as a table: accuracy of the row less that of the column; empty for fewer than three algorithms."""
    between = {(c.first, c.second): c for c in outcome.pairs}
    between |= {(c.second, c.first): turned(c) for c in outcome.pairs}
    entries = [entry for entry in outcome.best_first if any(entry.name in pair for pair in between)]
    if len(entries) < 3:
        return Html("")
    heads = [el("th", el("span", entry.title), scope="col") for entry in entries]
    rows = []
    for row in entries:
        cells = [_cell(between.get((row.name, column.name)), row.title, column.title) for column in entries]
        rows.append(el("tr", el("th", row.title, scope="row"), *cells))
    corner = el("td", "row − column, points", class_="corner")
    return el("table", el("thead", el("tr", corner, *heads)), el("tbody", *rows), id="matrix")


def turned(c: Contrast) -> Contrast:
    """Return the same contrast, seen from the second algorithm."""
    return replace(
        c, first=c.second, second=c.first, first_seeds=c.second_seeds, second_seeds=c.first_seeds,
        difference=-c.difference, low=-c.high, high=-c.low, better=1 - c.better,
    )  # fmt: skip


def _cell(c: Contrast | None, row: str, column: str) -> Html:
    if c is None:
        return el("td", class_="same")
    q = "not tested" if c.adjusted is None else f"q {p_relation(c.adjusted)}"
    said = f"{row} − {column}: {difference(c)}; better in {100 * c.better:.0f} % of pairs of searches; {q}"
    size = abs(c.difference)
    shown = number(c.difference, "+.2f" if size < 1 else "+.1f" if size < 10 else "+.0f")
    if not c.clear:
        return el("td", shown, title=said)
    up = c.difference > 0
    return el("td", ("▲" if up else "▼") + shown, title=said, class_="gain" if up else "loss")
