"""The architecture columns of a file of scores: which they are, and the ground-truth rows that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces import OFFICIAL, REGISTRY, SearchSpace, space
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.wording import listed, quoted, shown
from supernet.harness.correlation.formats import RawTable, read_table
from supernet.harness.correlation.naming import as_index, cell_hash, checked, is_hash, spelling_of
from supernet.harness.correlation.problems import Problems

ARCH_COLUMNS = (
    "arch", "architecture", "arch_str", "genotype", "hash", "module_hash", "arch_hash", "index", "arch_index",
)  # fmt: skip
"""Columns taken for the architecture when none is named, in this order; upper and lower case do not matter."""
GRAPH_COLUMNS = ("matrix", "ops")
"""Columns that together name a cell of NAS-Bench-101: its adjacency matrix and its operations."""
LONG = 300
"""Most characters of a message about one line."""


def written_architectures(path: Path, within: SearchSpace) -> NDArray[np.int64]:
    """Indices of the architectures that a file lists by string or index, each once, ascending: (n,).

    Raises:
        UserError: some lines name no architecture of the space; lists them.
    """
    raw = read_table(path, (*ARCH_COLUMNS, *GRAPH_COLUMNS))
    problems = Problems(path, raw)
    written = written_in(raw, architecture_columns(path, raw, None))
    indices = space_indices(written, problems, within)
    problems.report()
    return np.unique(indices)


# ---- columns ---------------------------------------------------------------------------------------------------


def required(path: Path | str, raw: RawTable, name: str) -> str:
    """The name of a column that the file has to have.

    Raises:
        UserError: it has no such column.
    """
    if name not in raw.columns:
        raise UserError(f"{path} has no column {quoted(name)}; it has {listed(map(quoted, raw.columns))}.")
    return name


def architecture_columns(path: Path | str, raw: RawTable, named: str | None) -> list[str]:
    """The column that names each line's architecture, or the two columns that name it together.

    Args:
        path: what messages call the source of the scores.
        named: the column that the user chose; by default the first of ARCH_COLUMNS, or else GRAPH_COLUMNS.

    Raises:
        UserError: there is no such column.
    """
    if named:
        return [required(path, raw, named)]
    lower = {name.strip().lower(): name for name in reversed(list(raw.columns))}
    for known in ARCH_COLUMNS:
        if known in lower:
            return [lower[known]]
    if all(known in lower for known in GRAPH_COLUMNS):
        return [lower[known] for known in GRAPH_COLUMNS]
    raise UserError(
        f"{path} has no architecture column: name one with --arch-column (`arch_column`), or call it "
        f"{', '.join(ARCH_COLUMNS)}, or give the columns matrix and ops. It has {listed(map(quoted, raw.columns))}."
    )


def other_architecture_columns(raw: RawTable, taken: set[str]) -> list[list[str]]:
    """Further columns that name architectures, besides those that are taken; the two of a graph form one entry."""
    left = {name.strip().lower(): name for name in raw.columns if name not in taken}
    found = [[name] for known, name in left.items() if known in ARCH_COLUMNS]
    graph = [left[known] for known in GRAPH_COLUMNS if known in left]
    return [*found, graph] if len(graph) == len(GRAPH_COLUMNS) else found


def written_in(raw: RawTable, names: list[str]) -> list[Any]:
    """The cell of each line in the column; a tuple of cells where there are several columns."""
    if len(names) == 1:
        return raw.columns[names[0]]
    return list(zip(*(raw.columns[name] for name in names), strict=True))


def compare(
    raw: RawTable,
    rows: NDArray[np.int64],
    spelled: list[str],
    others: list[list[str]],
    resolve: Resolver,
    problems: Problems,
) -> None:
    """Add a problem for each line on which one of the `others` names an architecture other than that of `rows`.

    Args:
        rows: ground-truth row of each line, -1 where it is unknown: (lines,).
        spelled: the columns that `rows` was found by.
    """
    for names in others:
        written = written_in(raw, names)
        said = resolve(written, Problems(problems.path, raw))
        for position in np.flatnonzero((said != rows) & (rows >= 0)).tolist():
            if written[position] is not None and str(written[position]).strip():
                problems.add(
                    position,
                    f"{shown(' + '.join(names))} names another architecture than {shown(' + '.join(spelled))}, or "
                    "none; if it is something else, rename it, or name the right column with --arch-column "
                    "(`arch_column`)",
                )


# ---- architectures -> ground-truth rows ------------------------------------------------------------------------

Resolver = Callable[[list[Any], Problems], NDArray[np.int64]]
"""Maps the cells of all lines to ground-truth rows: (lines,). A line with a problem gets -1; the problem is added."""


def resolver(name: str, truth: GroundTruth) -> Resolver:
    """The resolver for a table and a search space, or a benchmark that is not a search space (NAS-Bench-101).

    Raises:
        UserError: there is no space and no benchmark of this name.
    """
    if name in OFFICIAL and name not in REGISTRY:
        return lambda written, problems: _cell_rows(written, problems, truth)
    return lambda written, problems: _space_rows(written, problems, space(name), truth)


def _cell_rows(written: list[Any], problems: Problems, truth: GroundTruth) -> NDArray[np.int64]:
    """Ground-truth rows of NAS-Bench-101 cells given as hash, row index, string, or matrix and operations."""
    rows = np.full(len(written), -1, dtype=np.int64)
    hashes = {}
    for position, value in enumerate(written):
        try:
            index = as_index(checked(value))
            if index is None:
                hashes[position] = value.strip() if is_hash(value) else cell_hash(value)
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


def _space_rows(written: list[Any], problems: Problems, within: SearchSpace, truth: GroundTruth) -> NDArray[np.int64]:
    """Ground-truth rows of architectures given as string or index, or as a cell where the space has such names."""
    indices = space_indices(written, problems, within)
    rows = np.full(len(written), -1, dtype=np.int64)
    known = indices >= 0
    if known.any():
        rows[known] = truth_rows(within, indices[known], truth)
    for position in np.flatnonzero(known & (rows < 0)).tolist():
        problems.absent(position, f"architecture {indices[position]} is not in {truth.path.name}")
    return rows


def space_indices(written: list[Any], problems: Problems, within: SearchSpace) -> NDArray[np.int64]:
    """Index of each architecture, -1 where there is a problem."""
    indices = np.full(len(written), -1, dtype=np.int64)
    cells = {}
    spelled: dict[str, int] = {}
    for position, value in enumerate(written):
        try:
            index = as_index(checked(value))
            if index is not None:
                indices[position] = within.checked_indices(index)[0]
            elif within.names_cells and (isinstance(value, tuple) or is_hash(value)):
                cells[position] = value.strip() if isinstance(value, str) else cell_hash(value)
            else:
                spelling = spelling_of(value)
                if spelling not in spelled:
                    spelled[spelling] = within.index(within.parse(spelling))
                indices[position] = spelled[spelling]
        except BadArchitecture as error:
            problems.add(position, shown(error, LONG))
    found = within.indices_of_hashes(list(cells.values())).tolist() if cells else []
    for (position, cell), index in zip(cells.items(), found, strict=True):
        indices[position] = index
        if index < 0:
            problems.add(position, f"the cell {cell} is not in {within.name}")
    return indices
