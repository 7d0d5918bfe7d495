"""The tables of a comparison of studies: as frames, as a paper prints them, and in the terminal."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.wording import shown
from supernet.harness.statistics.printed import bounds, number, p_decimals, with_interval
from supernet.harness.study.across import Across, Change

SUMMARY = "summary"
"""Stands in the column of studies for the summary over them."""
WIDEST = 40
"""Characters of a name or value that a terminal shows."""


def changes(a: Across) -> pd.DataFrame:
    """A row for each change in each study that has it, and one for its summary.

    A summary has `se` empty: its interval is one of Student's t with one degree of freedom less than studies.
    """
    lines: list[dict[str, object]] = []
    for change in a.changes:
        for study, e in zip(a.studies, change.effects, strict=True):
            if e is not None:
                lines.append(
                    {
                        "change": change.label, "study": study.name, "effect": e.value, "low": e.low, "high": e.high,
                        "se": e.se, "verdict": e.verdict,
                    }
                )  # fmt: skip
        lines.append({"change": change.label, "study": SUMMARY, "verdict": change.verdict} | _summary(change))
    return pd.DataFrame(lines)


def _summary(change: Change) -> dict[str, object]:
    s = change.summary
    if s is None:
        return {"problem": change.problem}
    return {
        "effect": s.value, "low": s.low, "high": s.high, "predicted_low": s.predicted_low,
        "predicted_high": s.predicted_high, "p": s.p, "p_holm": change.p_holm, "studies": s.studies,
        "between_sd": s.between_sd, "i_squared": s.i_squared, "q_p": s.q_p,
    }  # fmt: skip


def bases(a: Across) -> pd.DataFrame:
    """A row per study: tau of its base, of the parameter count, and what a perfect ranker could reach."""
    return pd.DataFrame(
        [
            {
                "study": s.name, "space": s.space, "truth": s.truth, "measure": s.measure,
                "base": s.base and s.base.value, "base_low": s.base and s.base.low, "base_high": s.base and s.base.high,
                "params": s.params_tau, "attainable": s.attainable, "architectures": s.architectures,
                "base_seeds": s.base_seeds, "seeds": s.seeds, "most_seeds": s.most_seeds,
            }
            for s in a.studies
        ]
    )  # fmt: skip


def protocols(a: Across) -> pd.DataFrame:
    """What differs between the studies: a row for each key, a column per study."""
    names = [study.name for study in a.studies]
    return pd.DataFrame(
        [{"key": key} | dict(zip(names, values, strict=True)) for key, values in a.protocols.items()],
        columns=["key", *names],
    )


def printed_changes(a: Across) -> pd.DataFrame:
    """A row per change as a paper prints it: a column per study, then the summary, the prediction and I squared."""
    lines = []
    for change in a.changes:
        line = {"change": change.label}
        for study, e in zip(a.studies, change.effects, strict=True):
            line[study.name] = with_interval(e, "+.2f") if e else ""
        lines.append(line | dict(zip(HEADS, summary_cells(change), strict=True)))
    return pd.DataFrame(lines)


HEADS = ("Summary [95 %]", "Prediction", "I²", "p (Holm)")
"""Columns of a summary."""


def summary_cells(change: Change) -> list[str]:
    """A summary as text, a cell for each of HEADS."""
    s = change.summary
    if s is None or change.p_holm is None:
        return ["", "", "", ""]
    predicted = bounds(s.predicted_low, s.predicted_high, "+.2f").strip()
    return [with_interval(s, "+.2f"), predicted, f"{100 * s.i_squared:.0f} %", p_decimals(change.p_holm)]


def printed_bases(a: Across) -> pd.DataFrame:
    """A row per study as a paper prints it."""
    return pd.DataFrame([dict(zip(BASE_HEADS, cells, strict=True)) for cells in base_cells(a)])


BASE_HEADS = ("study", "space", "ground truth", "base, τ", "parameter count, τ", "attainable τ", "architectures")


def base_cells(a: Across) -> list[list[str]]:
    """The bases as text, a row per study, a cell for each of BASE_HEADS."""
    return [
        [
            s.name,
            s.space,
            f"{s.truth}: {s.measure}",
            with_interval(s.base, ".2f"),
            number(s.params_tau, ".2f"),
            number(s.attainable, ".2f"),
            f"{s.architectures:,}",
        ]
        for s in a.studies
    ]


FRAMES: dict[str, Callable[[Across], pd.DataFrame]] = {"changes": changes, "bases": bases, "protocols": protocols}
"""Name -> the table."""
PRINTED: dict[str, Callable[[Across], pd.DataFrame]] = {"changes": printed_changes, "bases": printed_bases}
"""Name -> the table as LaTeX has it, where that is shorter."""


# ---- the terminal ----------------------------------------------------------------------------------------------------


def terminal(a: Across) -> RenderableType:
    """Every change under a line of its own, with its studies and its summary; then bases, protocols, words."""
    parts: list[RenderableType] = [_changes(a), _table("The bases", BASE_HEADS, base_cells(a))]
    if a.protocols:
        heads = ("what differs", *(study.name for study in a.studies))
        parts.append(_table("Protocols", heads, [[key, *values] for key, values in a.protocols.items()]))
    parts += [Text(shown(text, 2000)) for text in a.findings]
    parts += [Text(f"Note: {shown(note, 2000)}", style="yellow") for note in a.notes]
    return Group(*parts)


def _changes(a: Across) -> Table:
    table = _table("Every change that two or more studies have", ("change, study", "effect on τ", "verdict"), [])
    for heading in ("prediction", "I²", "p (Holm)"):
        table.add_column(heading, justify="right", no_wrap=True)
    for change in a.changes:
        table.add_row(Text(shown(change.label, WIDEST), style="bold"))
        for study, e in zip(a.studies, change.effects, strict=True):
            if e is not None:
                name = Text(f"  {shown(study.name, WIDEST)}")
                table.add_row(name, Text(with_interval(e, "+.2f")), Text(e.verdict))
        value, predicted, share, p = summary_cells(change)
        verdict = Text(change.verdict, style="bold")
        table.add_row(Text("  summary"), Text(value, style="bold"), verdict, predicted, share, p)
    return table


def _table(title: str, heads: tuple[str, ...], rows: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=Text(title), title_justify="left")
    for head in heads:
        table.add_column(Text(shown(head, WIDEST)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell, 2 * WIDEST)) for cell in row))
    return table
