"""Scores from elsewhere: a file with an architecture column and score columns, joined to ground truth.

Nothing is dropped or guessed in silence: every malformed, unknown or repeated architecture and every score that
is not a number is collected with its line, and all of them are reported at once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.errors import BadArchitecture, UserError
from benchmarks.spaces import SearchSpace, space
from benchmarks.spaces.nb1shot1 import NB1Shot1
from benchmarks.spaces.nb101 import Cells, is_hash
from benchmarks.truth.table import GroundTruth

ARCH_COLUMNS = ("arch", "architecture", "arch_str", "hash", "module_hash", "index", "arch_index")
"""Columns taken for the architecture when none is named, in this order."""
GRAPH_COLUMNS = ("matrix", "ops")


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

    def take(self, where: NDArray[np.bool_]) -> ScoreTable:
        """The marked architectures alone."""
        kept = {name: values[where] for name, values in self.scores.items()}
        return ScoreTable(self.space, self.rows[where], kept, self.groups[where].reset_index(drop=True), self.merged)


class _Problems:
    """What is wrong, by kind, with the lines it concerns."""

    def __init__(self, path: Path, unit: str, first: int) -> None:
        self.path, self.unit, self.first = path, unit, first
        self._lines: dict[str, list[int]] = defaultdict(list)
        self._repeats: list[str] = []

    def add(self, position: int, what: str) -> None:
        self._lines[what].append(position + self.first)

    def repeats(self, lines: list[str]) -> None:
        self._repeats = lines

    def report(self) -> None:
        if not self._lines and not self._repeats:
            return
        count = len({line for lines in self._lines.values() for line in lines}) + len(self._repeats)
        details = [f"  {self.unit} {_ranges(lines)}: {what}" for what, lines in self._lines.items()]
        if self._repeats:
            details.append(
                f"  {len(self._repeats):,} repeat an architecture of an earlier {self.unit}, which --average-repeats "
                f"would average: {', '.join(self._repeats)}"
            )
        raise UserError(f"{self.path}: {count:,} {self.unit}(s) cannot be used as they stand.\n" + "\n".join(details))


def read_scores(
    path: Path,
    space_name: str,
    truth: GroundTruth,
    *,
    arch_column: str | None = None,
    score_columns: Sequence[str] = (),
    group_columns: Sequence[str] = (),
    lower_is_better: bool = False,
    average_repeats: bool = False,
) -> ScoreTable:
    """Read a CSV, JSON or Parquet file of scores.

    Args:
        path: CSV with a header; JSON as a list of records, a table of columns, or {architecture: score}; Parquet.
        space_name: nb201, nb101 or nb1shot1-1, -2, -3.
        arch_column: the column with official strings, indices or graph hashes; by default the first of
            ARCH_COLUMNS that is there, else the columns `matrix` and `ops`.
        score_columns: by default every other numeric column.
        group_columns: architectures may repeat between groups, not within one.
        lower_is_better: negate the scores (a loss, say).
        average_repeats: average the scores of an architecture that repeats instead of refusing it.

    Raises:
        UserError: the file or a column cannot be read, or some lines cannot be used; lists all of them.
    """
    frame, unit, first = _read_frame(path)
    problems = _Problems(path, unit, first)
    used = [_required(path, frame, name) for name in group_columns]
    written, spelled = _architectures(path, frame, arch_column)
    names = [_required(path, frame, name) for name in score_columns] or [
        name for name in frame.select_dtypes("number").columns if name not in {*used, *spelled}
    ]
    if not names:
        raise UserError(f"{path} has no numeric score column beside {', '.join([*spelled, *used])}.")
    rows = _resolver(space_name, truth)(written, problems)
    scores = {name: _numbers(frame[name], name, problems) for name in names}
    keys = pd.DataFrame({**{name: frame[name] for name in used}, "row": rows})
    repeated = keys.duplicated(keep=False).to_numpy() & (rows >= 0)
    if repeated.any() and not average_repeats:
        first_line: dict[tuple[Any, ...], int] = {}
        again = []
        for position in np.flatnonzero(repeated).tolist():
            original = first_line.setdefault(tuple(keys.iloc[position]), position)
            if original != position:
                again.append(f"{position + first} (as {original + first})")
        problems.repeats(again)
    problems.report()
    if lower_is_better:
        scores = {name: -values for name, values in scores.items()}
    merged = 0
    if repeated.any():
        means = pd.DataFrame({**{f"key{i}": keys[c] for i, c in enumerate(keys)}, **scores})
        means = means.groupby(
            [f"key{i}" for i in range(len(keys.columns))], sort=False, as_index=False, dropna=False
        ).mean()
        merged = len(keys) - len(means)
        keys = means.iloc[:, : len(keys.columns)].set_axis(keys.columns, axis=1)
        scores = {name: means[name].to_numpy() for name in scores}
    return ScoreTable(space_name, keys["row"].to_numpy(), scores, keys.drop(columns="row"), merged)


def written_architectures(path: Path, within: SearchSpace) -> NDArray[np.int64]:
    """Indices of the architectures that a file lists, by string or index: (n,).

    Raises:
        UserError: some lines name no architecture of the space; lists all of them.
    """
    frame, unit, first = _read_frame(path)
    problems = _Problems(path, unit, first)
    indices = _space_indices(_architectures(path, frame, None)[0], problems, within)
    problems.report()
    return np.unique(indices)


# ---- files -----------------------------------------------------------------------------------------------------


def _read_frame(path: Path) -> tuple[pd.DataFrame, str, int]:
    """The table, what its rows are called in messages, and the number of the first."""
    try:
        match path.suffix.lower():
            case ".csv":
                return pd.read_csv(path, skipinitialspace=True), "line", 2
            case ".json":
                return _json_frame(path), "entry", 1
            case ".parquet" | ".pq":
                return pd.read_parquet(path), "row", 0
    except FileNotFoundError:
        raise UserError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:  # pandas and pyarrow report malformed input as ValueError
        raise UserError(f"{path} cannot be read: {error}.") from None
    raise UserError(f"{path}: scores are read from .csv, .json or .parquet, not from {path.suffix or 'this'!r}.")


def _json_frame(path: Path) -> pd.DataFrame:
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict) and not any(isinstance(value, list | dict) for value in content.values()):
        return pd.DataFrame({"arch": list(content), "score": list(content.values())})
    if not isinstance(content, list | dict):
        raise ValueError("it holds neither a list of records nor a table")
    return pd.DataFrame(content)


def _required(path: Path, frame: pd.DataFrame, name: str) -> str:
    if name not in frame:
        raise UserError(f"{path} has no column {name!r}; it has {', '.join(map(repr, frame.columns))}.")
    return name


def _architectures(path: Path, frame: pd.DataFrame, named: str | None) -> tuple[list[Any], list[str]]:
    """How each line spells its architecture, and the columns that do."""
    if named:
        return frame[_required(path, frame, named)].tolist(), [named]
    for name in ARCH_COLUMNS:
        if name in frame:
            return frame[name].tolist(), [name]
    if all(name in frame for name in GRAPH_COLUMNS):
        return list(zip(*(frame[name].tolist() for name in GRAPH_COLUMNS), strict=True)), list(GRAPH_COLUMNS)
    raise UserError(
        f"{path} has no architecture column: name one with --arch-column, or call it {', '.join(ARCH_COLUMNS)}, or "
        f"give the columns matrix and ops. It has {', '.join(map(repr, frame.columns))}."
    )


def _numbers(column: pd.Series[Any], name: str, problems: _Problems) -> NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    for position in np.flatnonzero(~np.isfinite(values)).tolist():
        problems.add(position, f"{name} is {column.iloc[position]}, not a finite number")
    return values


def _ranges(lines: Iterable[int]) -> str:
    """1, 2, 3, 7 as 1-3, 7."""
    spans: list[list[int]] = []
    for line in sorted(set(lines)):
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


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
            index = _as_index(value)
            if index is None:
                hashes[position] = value.strip() if _is_hash(value) else _cell_hash(value)
            elif 0 <= index < len(truth):
                rows[position] = index
            else:
                problems.add(position, f"index {index} is outside 0 … {len(truth) - 1}")
        except BadArchitecture as error:
            problems.add(position, str(error))
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
            index = _as_index(value)
            if index is not None:
                indices[position] = within.checked_indices(index)[0]
            elif isinstance(within, NB1Shot1) and (isinstance(value, tuple) or _is_hash(value)):
                cells[position] = value.strip() if isinstance(value, str) else _cell_hash(value)
            else:
                text = str(value)
                if text not in spelled:
                    spelled[text] = within.index(within.parse(text))
                indices[position] = spelled[text]
        except BadArchitecture as error:
            problems.add(position, str(error))
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


def _as_index(value: Any) -> int | None:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 10 else None


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and is_hash(value.strip())


def _cell_hash(value: Any) -> str:
    """Hash of a cell given by its spelling or as (matrix, operations), either of which may be JSON text."""
    if isinstance(value, tuple):
        matrix, ops = (_decoded(part) for part in value)
        cell = Cells.from_matrix([list(row) for row in matrix], list(ops))
    elif isinstance(value, str):
        cell = Cells.from_string(value)
    else:
        raise BadArchitecture(f"{value!r} is no architecture")
    if not cell.valid[0]:
        raise BadArchitecture("the cell has no path from input to output, or more than nine edges")
    return cell.hashes()[0]


def _decoded(part: Any) -> Any:
    if not isinstance(part, str):
        return part
    try:
        return json.loads(part)
    except ValueError:
        raise BadArchitecture(f"{part!r} is not JSON") from None
