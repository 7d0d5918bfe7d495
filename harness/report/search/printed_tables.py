"""The tables of a comparison of searches as a paper prints them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from supernet.harness.report.latex import latex
from supernet.harness.report.search.final_table import states
from supernet.harness.report.search.tables import tables
from supernet.harness.search.analysis import Outcome
from supernet.harness.search.findings import difference, short
from supernet.harness.search.verdict import known_finals
from supernet.harness.statistics.printed import bounds, p_decimals, plus_minus


@dataclass(frozen=True)
class Printed:
    """A table with what stands above and below it."""

    frame: pd.DataFrame
    caption: str
    note: str = ""


def printed_tables(outcome: Outcome) -> dict[str, str]:
    """Name -> LaTeX of each table that is short enough for a paper and has rows."""
    c = outcome.comparison
    found = {"final": _final(outcome), "versus": _versus(outcome), "reached": _reached(outcome)}
    found["picks"] = Printed(tables(outcome)["picks"], f"Architectures that searches picked on {c.space}, {c.dataset}.")
    return {
        name: latex(table.frame, table.caption, f"tab:{c.name}-{name}", table.note)
        for name, table in found.items()
        if len(table.frame)
    }


_STAR = "* Clearly different from random search: p < 0.05 (Mann and Whitney, Holm's correction for {})."


def _star(outcome: Outcome) -> str:
    if not any(c.clear for c in outcome.versus):
        return ""
    tested = sum(c.p is not None for c in outcome.versus)
    return _STAR.format(f"{tested} comparisons" if tested > 1 else "one comparison")


def _final(outcome: Outcome) -> Printed:
    clear = {c.first for c in outcome.versus if c.clear}
    lines = []
    for entry in outcome.best_first:
        line: dict[str, object] = {"Algorithm": entry.title, "Seeds": states(entry)}
        for k, measure in enumerate(outcome.measures):
            if k and measure.split != "test":
                continue
            mean, deviation = entry.summary(measure)
            star = "*" if k == 0 and entry.name in clear else ""
            line[short(measure)] = plus_minus(mean, deviation) + star if mean is not None else ""
        known = known_finals(outcome, entry)
        line["Regret"] = f"{outcome.best - known.mean():.2f}" if len(known) else ""
        if any(e.rank for e in outcome.entries):
            line["Rank [95 %]"] = f"{entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.2f')}" if entry.rank else ""
        lines.append(line)
    c = outcome.comparison
    caption = (
        f"Searches on {c.space}, {c.dataset}, with a budget of {c.budget}: final accuracy, mean ± standard deviation "
        f"over seeds, percent; regret in points below the best known accuracy ({outcome.best:.2f} %)."
    )
    return Printed(pd.DataFrame(lines), caption, _star(outcome))


def _versus(outcome: Outcome) -> Printed:
    titles = {entry.name: entry.title for entry in outcome.entries}
    tested = any(c.p is not None for c in outcome.versus)
    lines = []
    for c in sorted(outcome.versus, key=lambda c: -c.difference):
        line = {
            "Algorithm": titles[c.first],
            "Difference [95 %]": difference(c) + "*" * c.clear,
            "Better, %": f"{100 * c.better:.0f}",
        }
        if tested:
            line |= {"p": _p(c.p), "p (Holm)": _p(c.adjusted)}
        lines.append(line)
    caption = (
        "Mean final accuracy minus that of random search, points, with its 95 % interval (Welch), and the share of "
        "pairs of searches in which the algorithm is better."
    )
    return Printed(pd.DataFrame(lines), caption, _star(outcome))


def _reached(outcome: Outcome) -> Printed:
    frame = tables(outcome)["reached"]
    titles = {entry.name: entry.title for entry in outcome.entries}
    if len(frame):
        frame = frame.assign(algorithm=frame["algorithm"].map(titles))
    caption = (
        "What was spent until the pick of a search was first within a distance of the best known accuracy, points."
    )
    return Printed(frame, caption)


def _p(value: float | None) -> str:
    return "" if value is None else p_decimals(value)
