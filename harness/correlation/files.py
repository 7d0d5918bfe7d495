"""Scores from elsewhere: a file with an architecture column and score columns, joined to ground truth.

Nothing is dropped or guessed in silence: every malformed, unknown or repeated architecture and every score that
is not a number is collected with its line, and all of them are reported at once. Columns that are left out are named
in the notes of the table.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.spaces.nb1shot1 import NB1Shot1
from supernet.benchmarks.spaces.nb101 import OPS, Cells, is_hash
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.wording import listed, quoted, shown
from supernet.harness.correlation.formats import RawTable, number, read_table, text

ARCH_COLUMNS = (
    "arch", "architecture", "arch_str", "genotype", "hash", "module_hash", "arch_hash", "index", "arch_index",
)  # fmt: skip
"""Columns taken for the architecture when none is named, in this order; upper and lower case do not matter."""
GRAPH_COLUMNS = ("matrix", "ops")
INFINITE = ("worst", "leave-out")
"""What can be done with infinite scores instead of refusing them."""
LONG = 300
"""Characters of a message about one line."""
LONGEST = 4000
"""Characters of a cell that may spell an architecture."""


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
    """What a report should say of how the file was read: columns that were left out, and why."""
    negated: frozenset[str] = frozenset()
    """Score columns whose values were negated because lower is better."""

    def take(self, where: NDArray[np.bool_]) -> ScoreTable:
        """The marked architectures alone."""
        kept = {name: values[where] for name, values in self.scores.items()}
        groups = self.groups[where].reset_index(drop=True)
        return ScoreTable(self.space, self.rows[where], kept, groups, self.merged, self.notes, self.negated)


class _Problems:
    """What is wrong, by kind, with the lines it concerns."""

    def __init__(self, path: Path | str, table: RawTable) -> None:
        self.path, self.unit, self.lines = path, table.unit, table.lines
        self._lines: dict[str, list[int]] = defaultdict(list)
        self._repeats: list[str] = []
        for line, what in table.problems:
            self._lines[what].append(line)

    def add(self, position: int, what: str) -> None:
        self._lines[what].append(self.lines[position])

    def repeat(self, position: int, original: int) -> None:
        self._repeats.append(f"{self.lines[position]} (as {self.lines[original]})")

    def report(self) -> None:
        if not self._lines and not self._repeats:
            return
        count = len({line for lines in self._lines.values() for line in lines}) + len(self._repeats)
        kinds = list(self._lines.items())
        details = [f"  {self.unit} {_ranges(lines)}: {what}" for what, lines in kinds[:KINDS]]
        if len(kinds) > KINDS:
            rest = {line for _, lines in kinds[KINDS:] for line in lines}
            details.append(f"  {self.unit} {_ranges(rest)}: {len(kinds) - KINDS:,} more problems")
        if self._repeats:
            details.append(
                f"  {len(self._repeats):,} repeat an architecture of an earlier {self.unit}, which --average-repeats "
                f"would average: {listed(self._repeats)}"
            )
        raise UserError(f"{self.path}: {count:,} {self.unit}(s) cannot be used as they stand.\n" + "\n".join(details))


KINDS = 12
"""Problems that a message describes one by one."""


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
) -> ScoreTable:
    """Read a CSV, JSON or Parquet file of scores.

    Args:
        path: CSV with a header; JSON as records, rows, a table of columns, {architecture: score} or {architecture:
            {column: score}}; Parquet.
        space_name: nb201, nb101 or nb1shot1-1, -2, -3.
        arch_column: the column with official strings, indices or graph hashes; by default the first of
            ARCH_COLUMNS that is there, else the columns `matrix` and `ops`.
        score_columns: by default every other column in which at least half of the cells that say something are
            numbers.
        group_columns: architectures may repeat between groups, not within one. Their cells are names, never numbers.
        lower_is_better: the score columns to negate (losses, say), or True for all of them.
        average_repeats: average the scores of an architecture that repeats instead of refusing it.
        infinite: `worst` ranks scores of minus infinity (after negation) below all others; `leave-out` leaves out
            architectures with an infinite score. By default they are refused.

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
) -> ScoreTable:
    """Scores that are read already, joined to ground truth.

    Args:
        path: what messages call the source of the scores; for the other arguments see `read_scores`.

    Raises:
        UserError: a column cannot be read, or some lines cannot be used; lists them.
    """
    problems = _Problems(path, raw)
    notes = list(raw.notes)
    used = [_required(path, raw, name) for name in dict.fromkeys(group_columns)]
    spelled = _architecture_columns(path, raw, arch_column)
    asked = [_required(path, raw, name) for name in dict.fromkeys(score_columns)]
    if not raw.lines:
        problems.report()
    others = _other_architecture_columns(raw, {*spelled, *used, *asked})
    names = asked or _score_columns(path, raw, [*spelled, *used], others, notes)
    negated = _negated(path, raw, names, lower_is_better)
    resolve = _resolver(space_name, truth)
    rows = resolve(_written(raw, spelled), problems)
    if arch_column is None:
        _compare(raw, rows, spelled, others, resolve, problems)
    elif others:
        notes.append(f"Columns not compared with {shown(arch_column)}: {listed(shown(' + '.join(o)) for o in others)}.")
    scores = {name: _numbers(raw.columns[name], name, problems, allowed=_allowed(infinite, name in negated))
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


def written_architectures(path: Path, within: SearchSpace) -> NDArray[np.int64]:
    """Indices of the architectures that a file lists, by string or index: (n,).

    Raises:
        UserError: some lines name no architecture of the space; lists them.
    """
    raw = read_table(path, (*ARCH_COLUMNS, *GRAPH_COLUMNS))
    problems = _Problems(path, raw)
    written = _written(raw, _architecture_columns(path, raw, None))
    indices = _space_indices(written, problems, within)
    problems.report()
    return np.unique(indices)


# ---- columns ---------------------------------------------------------------------------------------------------


def _required(path: Path | str, raw: RawTable, name: str) -> str:
    if name not in raw.columns:
        raise UserError(f"{path} has no column {quoted(name)}; it has {listed(map(quoted, raw.columns))}.")
    return name


def _architecture_columns(path: Path | str, raw: RawTable, named: str | None) -> list[str]:
    """The column that spells each line's architecture, or the two columns that do together."""
    if named:
        return [_required(path, raw, named)]
    lower = {name.strip().lower(): name for name in reversed(list(raw.columns))}
    for known in ARCH_COLUMNS:
        if known in lower:
            return [lower[known]]
    if all(known in lower for known in GRAPH_COLUMNS):
        return [lower[known] for known in GRAPH_COLUMNS]
    raise UserError(
        f"{path} has no architecture column: name one with --arch-column, or call it {', '.join(ARCH_COLUMNS)}, or "
        f"give the columns matrix and ops. It has {listed(map(quoted, raw.columns))}."
    )


def _other_architecture_columns(raw: RawTable, taken: set[str]) -> list[list[str]]:
    """Further columns that name architectures, the two of a graph together."""
    left = {name.strip().lower(): name for name in raw.columns if name not in taken}
    found = [[name] for known, name in left.items() if known in ARCH_COLUMNS]
    graph = [left[known] for known in GRAPH_COLUMNS if known in left]
    return [*found, graph] if len(graph) == len(GRAPH_COLUMNS) else found


def _written(raw: RawTable, names: list[str]) -> list[Any]:
    """What each line says in the column, or in the columns together as a tuple."""
    if len(names) == 1:
        return raw.columns[names[0]]
    return list(zip(*(raw.columns[name] for name in names), strict=True))


def _compare(
    raw: RawTable,
    rows: NDArray[np.int64],
    spelled: list[str],
    others: list[list[str]],
    resolve: Resolver,
    problems: _Problems,
) -> None:
    """Collect the lines on which another column names another architecture."""
    for names in others:
        written = _written(raw, names)
        said = resolve(written, _Problems(problems.path, raw))
        for position in np.flatnonzero((said != rows) & (rows >= 0)).tolist():
            if written[position] is not None and str(written[position]).strip():
                problems.add(
                    position,
                    f"{shown(' + '.join(names))} names another architecture than {shown(' + '.join(spelled))}, or "
                    "none; if it is something else, rename it, or name the right column with --arch-column",
                )


def _score_columns(
    path: Path | str, raw: RawTable, taken: list[str], others: list[list[str]], notes: list[str]
) -> list[str]:
    """The columns of numbers, which are the scores; why the others are left out is noted."""
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
    if isinstance(lower_is_better, bool):
        return frozenset(names if lower_is_better else ())
    for name in lower_is_better:
        _required(path, raw, name)
        if name not in names:
            raise UserError(
                f"--lower-is-better {quoted(name)}: this column of {path} is not among the scores, which are "
                f"{listed(map(shown, names))}."
            )
    return frozenset(lower_is_better)


def _allowed(infinite: str | None, negated: bool) -> tuple[float, ...]:
    """The infinities that a column may hold."""
    if infinite == "leave-out":
        return (math.inf, -math.inf)
    if infinite == "worst":
        return (math.inf if negated else -math.inf,)
    return ()


def _numbers(cells: list[Any], name: str, problems: _Problems, *, allowed: tuple[float, ...]) -> NDArray[np.float64]:
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
                else "not a finite number (--infinite worst or --infinite leave-out says what infinite scores mean)"
            )
        else:
            how = "not a finite number"
        problems.add(position, f"{shown(name)} is {what}, {how}")
    return values


# ---- repeats and infinities ------------------------------------------------------------------------------------


def _merging(groups: pd.DataFrame, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """A number per line, equal for lines of one architecture in one group; None where nothing repeats: (n,)."""
    seen: dict[tuple[Any, ...], int] = {}
    numbers = np.empty(len(rows), dtype=np.int64)
    columns = [groups[name].tolist() for name in groups]
    for position, key in enumerate(zip(rows.tolist(), *columns, strict=True)):
        # An unknown architecture repeats no other.
        numbers[position] = seen.setdefault(key if key[0] >= 0 else (position, None, None), len(seen))
    return numbers if len(seen) < len(rows) else None


def _means(values: NDArray[np.float64], merging: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the values of each number; values whose sum would overflow are added up on a smaller scale."""
    large = np.abs(values[np.isfinite(values)]).max(initial=0.0) > 1e300
    scale = 2.0**512 if large else 1.0
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = np.bincount(merging, values / scale) / np.bincount(merging) * scale
    return means


def _without_infinities(table: ScoreTable, infinite: str | None) -> ScoreTable:
    """The table with its infinite scores ranked worst, or without their architectures; says how many there were."""
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
        note = f"Infinite scores rank below all others, level with each other ({told})."
    return ScoreTable(table.space, table.rows, scores, table.groups, table.merged, (*table.notes, note), table.negated)


def _worst(name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus infinity replaced by the next number below the least finite score, so that Pearson's r is defined."""
    finite = np.isfinite(values)
    if not finite.any():
        raise UserError(f"Every score of {shown(name)} is infinite: there is nothing to rank.")
    return np.where(finite, values, np.nextafter(values[finite].min(), -np.inf))


def _ranges(lines: Iterable[int]) -> str:
    """1, 2, 3, 7 as 1-3, 7; the first few, and how many more."""
    spans: list[list[int]] = []
    for line in sorted(set(lines)):
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return listed(str(a) if a == b else f"{a}-{b}" for a, b in spans)


# ---- architectures -> ground-truth rows ------------------------------------------------------------------------

Resolver = Callable[[list[Any], _Problems], NDArray[np.int64]]


def _resolver(name: str, truth: GroundTruth) -> Resolver:
    if name == "nb101":
        return lambda written, problems: _nb101_rows(written, problems, truth)
    return lambda written, problems: _space_rows(written, problems, space(name), truth)


def _nb101_rows(written: list[Any], problems: _Problems, truth: GroundTruth) -> NDArray[np.int64]:
    """Rows of NAS-Bench-101 cells given as hash, row index, spelling, or matrix and operations."""
    rows = np.full(len(written), -1, dtype=np.int64)
    hashes = {}
    for position, value in enumerate(written):
        try:
            index = _as_index(_checked(value))
            if index is None:
                hashes[position] = value.strip() if _is_hash(value) else _cell_hash(value)
            elif 0 <= index < len(truth):
                rows[position] = index
            else:
                problems.add(position, f"index {index} is outside 0 … {len(truth) - 1}")
        except BadArchitecture as error:
            problems.add(position, shown(error, LONG))
    found = truth.rows(list(hashes.values()))
    for position, row in zip(hashes, found.tolist(), strict=True):
        rows[position] = row
        if row < 0:
            problems.add(position, f"{hashes[position]} is not in {truth.path.name}")
    return rows


def _space_rows(written: list[Any], problems: _Problems, within: SearchSpace, truth: GroundTruth) -> NDArray[np.int64]:
    """Rows of architectures of a search space given as string, index, or (1Shot1) as a NAS-Bench-101 cell."""
    indices = _space_indices(written, problems, within)
    rows = np.full(len(written), -1, dtype=np.int64)
    known = indices >= 0
    if known.any():
        rows[known] = truth_rows(within, indices[known], truth)
    for position in np.flatnonzero(known & (rows < 0)).tolist():
        problems.add(position, f"architecture {indices[position]} is not in {truth.path.name}")
    return rows


def _space_indices(written: list[Any], problems: _Problems, within: SearchSpace) -> NDArray[np.int64]:
    """Index of each architecture, -1 where there is a problem."""
    indices = np.full(len(written), -1, dtype=np.int64)
    cells = {}
    spelled: dict[str, int] = {}
    for position, value in enumerate(written):
        try:
            index = _as_index(_checked(value))
            if index is not None:
                indices[position] = within.checked_indices(index)[0]
            elif isinstance(within, NB1Shot1) and (isinstance(value, tuple) or _is_hash(value)):
                cells[position] = value.strip() if isinstance(value, str) else _cell_hash(value)
            else:
                spelling = _spelling(value)
                if spelling not in spelled:
                    spelled[spelling] = within.index(within.parse(spelling))
                indices[position] = spelled[spelling]
        except BadArchitecture as error:
            problems.add(position, shown(error, LONG))
    if cells and isinstance(within, NB1Shot1):
        members = within.subset("unique-cell")
        index_of = dict(zip(within.hashes(members).tolist(), members.tolist(), strict=True))
        for position, cell in cells.items():
            indices[position] = index_of.get(cell, -1)
            if cell not in index_of:
                problems.add(position, f"the cell {cell} is not in {within.name}")
    return indices


def truth_rows(within: SearchSpace, indices: NDArray[np.int64], truth: GroundTruth) -> NDArray[np.int64]:
    """Ground-truth row of each architecture of a space, -1 where the table has none: (n,)."""
    if truth.key_column == "hash" and isinstance(within, NB1Shot1):
        return truth.rows(within.hashes(indices))
    return truth.rows([within.string(arch) for arch in within.archs(indices).tolist()])


_WRAPPED = re.compile(r"\w+\([^|]*(\|.*\|)\s*\)", re.DOTALL)
"""The `repr` of an architecture object, such as Structure(4 nodes with |…|)."""


def _checked(value: Any) -> Any:
    """The value, if it may name an architecture."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        raise BadArchitecture("the architecture is missing")
    if isinstance(value, str) and len(value) > LONGEST:
        raise BadArchitecture(f"{quoted(value)} is too long to name an architecture")
    if not isinstance(value, str | int | float | tuple) or isinstance(value, bool):
        raise BadArchitecture(f"{quoted(value)} names no architecture")
    return value


def _as_index(value: Any) -> int | None:
    """The whole number that the value is or spells, None if it is something else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        if abs(value) >= 1 << 62:
            raise BadArchitecture(f"index {quoted(value)} is too large")
        return value
    if not isinstance(value, str) or not (found := re.fullmatch(r"\s*([0-9]{1,9})(?:\.0*)?\s*", value)):
        return None
    if len(found[1]) > 1 and found[1][0] == "0":
        raise BadArchitecture(
            f"{value.strip()!r} begins with a zero, as no index does; operation numbers are not read, official "
            "strings are"
        )
    return int(found[1])


def _spelling(value: Any) -> str:
    """The official string that a value holds, without the name of the class that printed it."""
    spelling = str(value).strip()
    wrapped = _WRAPPED.fullmatch(spelling)
    return wrapped[1] if wrapped else spelling


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and is_hash(value.strip())


def _cell_hash(value: Any) -> str:
    """Hash of a cell given by its spelling or as (matrix, operations), either of which may be text."""
    if isinstance(value, tuple):
        cell = _cell_of_graph(*(_decoded(part) for part in value))
    elif isinstance(value, str):
        cell = Cells.from_string(_spelling(value))
    else:
        raise BadArchitecture(f"{quoted(value)} names no architecture")
    if not cell.valid[0]:
        raise BadArchitecture("the cell has no path from input to output, or more than nine edges")
    return cell.hashes()[0]


def _cell_of_graph(matrix: Any, ops: Any) -> Cells:
    """The cell of a matrix and operations; a vertex off every path from input to output may have `none`."""
    try:
        rows, names = [list(row) for row in matrix], [str(op) for op in ops]
        if any(isinstance(cell, bool | list) or int(cell) != cell for row in rows for cell in row):
            raise BadArchitecture("the matrix is not upper triangular with entries 0 and 1")
    except (TypeError, ValueError, OverflowError):
        raise BadArchitecture(f"{quoted(matrix)} and {quoted(ops)} are not a matrix and operations") from None
    absent = [vertex for vertex, name in enumerate(names) if name == "none"]
    if not absent or len({len(rows), *map(len, rows)}) > 1:
        return _from_matrix(rows, names)
    filled = _from_matrix(rows, [OPS[0] if name == "none" else name for name in names])
    # Operations may be given with those of input and output, or without.
    first = 0 if len(names) == len(rows) else 1
    used = any(filled.used[0, vertex + first] for vertex in absent)
    return _from_matrix(rows, names) if used else filled


def _from_matrix(rows: list[list[Any]], names: list[str]) -> Cells:
    try:
        return Cells.from_matrix(rows, names)
    except (TypeError, ValueError, IndexError, OverflowError):
        raise BadArchitecture(f"{quoted(rows)} and {quoted(names)} are not a matrix and operations") from None


def _decoded(part: Any) -> Any:
    """A list, or the list that a text holds as JSON or as Python prints it."""
    if not isinstance(part, str):
        return part
    if len(part) > LONGEST:
        raise BadArchitecture(f"{quoted(part)} is too long for a matrix or operations")
    as_json = re.sub(r",\s*\]", "]", part.translate(str.maketrans("'()", '"[]')))
    try:
        return json.loads(as_json)
    except (ValueError, RecursionError):
        raise BadArchitecture(f"{quoted(part)} is neither JSON nor a Python list") from None
