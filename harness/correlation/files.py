"""Scores from other programs: a file with an architecture column and score columns, joined to ground truth.

Nothing is dropped or guessed silently: every malformed, unknown or repeated architecture and every score that is not a
number is collected with its line, and all of them are reported at once. Columns that are left out are named in the
notes of the table.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.wording import listed, quoted, shown
from supernet.harness.correlation.architectures import (
    ARCH_COLUMNS,
    GRAPH_COLUMNS,
    architecture_columns,
    compare,
    other_architecture_columns,
    required,
    resolver,
    written_in,
)
from supernet.harness.correlation.formats import RawTable, number, read_table, text
from supernet.harness.correlation.problems import Problems
from supernet.harness.statistics.fusion import with_last

INFINITE = ("worst", "leave-out")
"""How infinite scores can be treated instead of being refused."""


@dataclass(frozen=True)
class ScoreTable:
    """Scores of n architectures, joined to the rows of a ground-truth table."""

    space: str
    rows: NDArray[np.int64]
    """Ground-truth row of each architecture: (n,)."""
    scores: dict[str, NDArray[np.float64]]
    """Score column -> values, higher is better: (n,)."""
    groups: pd.DataFrame
    """The columns that the scores are grouped by: n rows, possibly no columns."""
    merged: int = 0
    """Lines that were averaged into another line of the same architecture."""
    notes: tuple[str, ...] = ()
    """What a report should say about how the file was read: columns that were left out, and why."""
    negated: frozenset[str] = frozenset()
    """Score columns whose values were negated because lower is better."""
    directed: bool = False
    """Whether the direction of the scores is known, as that of accuracies is; else it is what the user said."""

    def take(self, where: NDArray[np.bool_]) -> ScoreTable:
        """The table of the marked architectures only.

        Args:
            where: marks the architectures to keep: (n,).
        """
        kept = {name: values[where] for name, values in self.scores.items()}
        groups = self.groups[where].reset_index(drop=True)
        return replace(self, rows=self.rows[where], scores=kept, groups=groups)


def read_scores(
    path: Path,
    space_name: str,
    truth: GroundTruth,
    *,
    arch_column: str | None = None,
    score_columns: Sequence[str] = (),
    group_columns: Sequence[str] = (),
    lower_is_better: bool | Collection[str] = (),
    average_repeats: bool = False,
    infinite: Literal["worst", "leave-out"] | None = None,
    unmeasured: Literal["leave-out"] | None = None,
) -> ScoreTable:
    """Read a CSV, JSON or Parquet file of scores.

    Args:
        path: CSV with a header; JSON as records, rows, a table of columns, {architecture: score} or {architecture:
            {column: score}}; Parquet.
        space_name: a search space, or a benchmark whose official files can be imported.
        arch_column: the column with official strings, indices or graph hashes; by default the first of
            ARCH_COLUMNS that is there, else the columns `matrix` and `ops`.
        score_columns: by default every other column in which at least half of the non-empty cells are numbers.
        group_columns: architectures may repeat between groups, but not within one. The cells of these columns are
            names, never numbers.
        lower_is_better: the score columns to negate, such as losses, or True for all of them.
        average_repeats: average the scores of an architecture that repeats instead of refusing it.
        infinite: `worst` ranks scores of minus infinity (after negation) below all others; `leave-out` leaves out
            architectures with an infinite score. By default they are refused.
        unmeasured: `leave-out` leaves out lines whose architecture is one of the space, but has no row in the table;
            a note says how many. By default they are refused.

    Raises:
        UserError: the file or a column cannot be read, or some lines cannot be used; lists them.
    """
    return join_scores(
        read_table(path, (*ARCH_COLUMNS, *GRAPH_COLUMNS)),
        path,
        space_name,
        truth,
        arch_column=arch_column,
        score_columns=score_columns,
        group_columns=group_columns,
        lower_is_better=lower_is_better,
        average_repeats=average_repeats,
        infinite=infinite,
        unmeasured=unmeasured,
    )


def join_scores(
    raw: RawTable,
    path: Path | str,
    space_name: str,
    truth: GroundTruth,
    *,
    arch_column: str | None = None,
    score_columns: Sequence[str] = (),
    group_columns: Sequence[str] = (),
    lower_is_better: bool | Collection[str] = (),
    average_repeats: bool = False,
    infinite: Literal["worst", "leave-out"] | None = None,
    unmeasured: Literal["leave-out"] | None = None,
) -> ScoreTable:
    """Join scores that have been read to ground truth.

    Args:
        raw: the scores, as they are written.
        path: what messages call the source of the scores; for the other arguments see `read_scores`.

    Raises:
        UserError: a column cannot be read, or some lines cannot be used; lists them.
    """
    if infinite not in (None, "worst", "leave-out"):
        raise UserError(f"`infinite` is {quoted(infinite)}, but must be worst or leave-out.")
    problems = Problems(path, raw)
    notes = list(raw.notes)
    used = [required(path, raw, name) for name in dict.fromkeys(group_columns)]
    spelled = architecture_columns(path, raw, arch_column)
    asked = [required(path, raw, name) for name in dict.fromkeys(score_columns)]
    if not raw.lines:
        problems.report()
    others = other_architecture_columns(raw, {*spelled, *used, *asked})
    names = asked or columns_of_numbers(path, raw, [*spelled, *used], others, notes)
    negated = _negated(path, raw, names, lower_is_better)
    resolve = resolver(space_name, truth)
    rows = resolve(written_in(raw, spelled), problems)
    if arch_column is None:
        compare(raw, rows, spelled, others, resolve, problems)
    elif others:
        notes.append(f"Columns not compared with {shown(arch_column)}: {listed(shown(' + '.join(o)) for o in others)}.")
    if unmeasured:  # before the scores are read, which such lines often lack
        before = len(rows)
        raw, kept = problems.leave_out_absent(raw)
        rows = rows[kept]
        if len(rows) < before:
            told = f"{before - len(rows):,} of {before:,} {raw.unit}s"
            notes.append(f"{told} name architectures that are not in {truth.path.name}: left out.")
    scores = {name: numbers_in(raw.columns[name], name, problems, allowed=_allowed(infinite, name in negated))
              for name in names}  # fmt: skip
    cells = {name: pd.Series(map(text, raw.columns[name]), dtype=object) for name in used}
    groups = pd.DataFrame(cells, index=range(len(rows)))
    merging = _merging(groups, rows)
    if merging is not None and not average_repeats:
        first: dict[int, int] = {}
        for position, group in enumerate(merging.tolist()):
            if first.setdefault(group, position) != position and rows[position] >= 0:
                problems.repeat(position, first[group])
    problems.report()
    scores = {name: -values if name in negated else values for name, values in scores.items()}
    merged = 0
    if merging is not None:
        firsts = np.unique(merging, return_index=True)[1]
        scores = {name: _means(values, merging) for name, values in scores.items()}
        merged = len(rows) - len(firsts)
        rows, groups = rows[firsts], groups.iloc[firsts].reset_index(drop=True)
    table = ScoreTable(space_name, rows, scores, groups, merged, tuple(notes), negated)
    return _without_infinities(table, infinite)


# ---- columns ---------------------------------------------------------------------------------------------------


def columns_of_numbers(
    path: Path | str, raw: RawTable, taken: list[str], others: list[list[str]], notes: list[str]
) -> list[str]:
    """The columns of numbers, which are the scores. A note says why other columns are left out.

    Raises:
        UserError: there is no column of numbers.
    """
    names, left_out = [], []
    not_scores = {*taken, *(name for column in others for name in column)}
    for name, cells in raw.columns.items():
        if name in not_scores:
            continue
        values = [number(cell) for cell in cells]
        numbers = sum(value is not None and not math.isnan(value) for value in values)
        words = [position for position, value in enumerate(values) if value is None]
        if numbers and numbers >= len(words):
            names.append(name)
        elif not words:
            left_out.append(f"{shown(name)} (no cell has a value)")
        else:
            first = f"{raw.unit} {raw.lines[words[0]]}: {quoted(cells[words[0]], 30)}"
            share = f"{len(words):,} of {len(cells):,} cells are text" if numbers else "text"
            left_out.append(f"{shown(name)} ({share}; {first})")
    if left_out:
        notes.append(f"Columns left out, because they are not scores: {listed(left_out)}.")
    if not names:
        why = f" {notes[-1]}" if left_out else ""
        raise UserError(f"{path} has no numeric score column beside {listed(map(shown, taken))}.{why}")
    return names


def _negated(
    path: Path | str, raw: RawTable, names: list[str], lower_is_better: bool | Collection[str]
) -> frozenset[str]:
    """The score columns whose lower values are better.

    Raises:
        UserError: a column that was given is not a score column.
    """
    if isinstance(lower_is_better, bool):
        return frozenset(names if lower_is_better else ())
    for name in lower_is_better:
        required(path, raw, name)
        if name not in names:
            raise UserError(
                f"--lower-is-better (`lower_is_better`) {quoted(name)}: this column of {path} is not among the "
                f"scores, which are {listed(map(shown, names))}."
            )
    return frozenset(lower_is_better)


def _allowed(infinite: str | None, negated: bool) -> tuple[float, ...]:
    """The infinities that a column may hold."""
    if infinite == "leave-out":
        return (math.inf, -math.inf)
    if infinite == "worst":
        return (math.inf if negated else -math.inf,)
    return ()


def numbers_in(cells: list[Any], name: str, problems: Problems, *, allowed: tuple[float, ...]) -> NDArray[np.float64]:
    """The values of a score column; a problem is added for every other cell, whose value is NaN: (lines,)."""
    values = np.full(len(cells), np.nan)
    for position, cell in enumerate(cells):
        value = number(cell)
        if value is not None and (math.isfinite(value) or value in allowed):
            values[position] = value
            continue
        missing = cell is None or (isinstance(cell, str) and not cell.strip())
        what = "nan (the cell is empty)" if missing else shown(cell) if isinstance(cell, str | float) else quoted(cell)
        if value is not None and math.isinf(value):
            how = (
                "which is the best possible value, not the worst"
                if allowed
                else "not a finite number (--infinite worst or leave-out (`infinite`) says what infinite scores mean)"
            )
        else:
            how = "not a finite number"
        problems.add(position, f"{shown(name)} is {what}, {how}")
    return values


# ---- repeats and infinities ------------------------------------------------------------------------------------


def _merging(groups: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """A number for each line, the same for lines of one architecture in one group: (lines,). None without repeats."""
    seen: dict[tuple[Any, ...], int] = {}
    numbers = np.empty(len(rows), dtype=np.int64)
    columns = [groups[name].tolist() for name in groups]
    for position, key in enumerate(zip(rows.tolist(), *columns, strict=True)):
        # Unknown architectures do not count as repeats.
        numbers[position] = seen.setdefault(key if key[0] >= 0 else (position, None, None), len(seen))
    return numbers if len(seen) < len(rows) else None


def _means(values: NDArray[np.float64], merging: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the values that share a number in `merging`; large values are scaled down, as their sum may overflow."""
    large = np.abs(values[np.isfinite(values)]).max(initial=0.0) > 1e300
    scale = 2.0**512 if large else 1.0
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = np.bincount(merging, values / scale) / np.bincount(merging) * scale
    return means


def _without_infinities(table: ScoreTable, infinite: str | None) -> ScoreTable:
    """The table with infinite scores ranked worst, or without their architectures; a note says how many there were."""
    bad = {name: int((~np.isfinite(values)).sum()) for name, values in table.scores.items()}
    bad = {name: count for name, count in bad.items() if count}
    if not bad:
        return table
    told = listed(f"{count:,} of {shown(name)}" for name, count in bad.items())
    if infinite == "leave-out":
        keep = np.all([np.isfinite(values) for values in table.scores.values()], axis=0)
        if not keep.any():
            raise UserError("Every architecture has an infinite score: nothing is left to rank.")
        note = f"Left out because of an infinite score: {(~keep).sum():,} of {len(keep):,} architectures ({told})."
        table = table.take(keep)
        scores = table.scores
    else:
        scores = {name: _worst(name, values) for name, values in table.scores.items()}
        note = f"Infinite scores rank below all others, tied with each other ({told})."
    return replace(table, scores=scores, notes=(*table.notes, note))


def _worst(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores, with a number just below the lowest one for minus infinity, so that Pearson's r is defined."""
    if not np.isfinite(values).any():
        raise UserError(f"Every score of {shown(name)} is infinite: there is nothing to rank.")
    return with_last(values)
