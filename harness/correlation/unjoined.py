"""Scores from files by architecture of a space, without ground truth: to fuse them, or to hold them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.wording import quoted, shown
from supernet.harness.correlation.architectures import (
    ARCH_COLUMNS,
    GRAPH_COLUMNS,
    architecture_columns,
    other_architecture_columns,
    space_indices,
    written_in,
)
from supernet.harness.correlation.files import columns_of_numbers, numbers_in
from supernet.harness.correlation.formats import read_table
from supernet.harness.correlation.problems import Problems

Scores = dict[str, NDArray[np.float64]]
"""Name of a column -> its values: (n,)."""


def read_unjoined(path: Path, within: SearchSpace) -> tuple[NDArray[np.int64], Scores]:
    """The architectures of a CSV, JSON or Parquet file, ascending (n,), and their scores: all columns of numbers.

    Args:
        within: the space of the architectures.

    Raises:
        UserError: there is no column of numbers, an architecture is unknown or occurs twice, or a score is not finite.
    """
    raw = read_table(path, (*ARCH_COLUMNS, *GRAPH_COLUMNS))
    problems = Problems(path, raw)
    spelled = architecture_columns(path, raw, None)
    others = other_architecture_columns(raw, set(spelled))
    names = columns_of_numbers(path, raw, spelled, others, [])
    indices = space_indices(written_in(raw, spelled), problems, within)
    scores = {name: numbers_in(raw.columns[name], name, problems, allowed=()) for name in names}
    order = np.argsort(indices, kind="stable")
    for before, after in zip(order[:-1].tolist(), order[1:].tolist(), strict=True):
        if indices[before] == indices[after] >= 0:
            problems.repeat(after, before)
    problems.report()
    return indices[order], {name: values[order] for name, values in scores.items()}


def side_by_side(files: Sequence[Path], within: SearchSpace) -> tuple[NDArray[np.int64], Scores, list[str]]:
    """The scores of all files for the architectures that all of them have: indices (n,), columns, and notes.

    A column that several files have is called FILE.COLUMN, with the name of the file without its ending.

    Raises:
        UserError: a file cannot be read, no architecture is in all files, or two columns would have one name.
    """
    read = [(path, *read_unjoined(path, within)) for path in files]
    common = read[0][1]
    for _, indices, _ in read[1:]:
        common = np.intersect1d(common, indices)
    if not len(common):
        raise UserError(f"No architecture is in all of {', '.join(str(path) for path in files)}.")
    named = [name for _, _, scores in read for name in scores]
    columns: Scores = {}
    for path, indices, scores in read:
        rows = np.searchsorted(indices, common)
        for name, values in scores.items():
            full = f"{path.stem}.{name}" if named.count(name) > 1 else name
            if full in columns:
                raise UserError(f"Two files have a column {quoted(full)}: rename one of the files, or the column.")
            columns[full] = values[rows]
    most = max(len(indices) for _, indices, _ in read)
    left = [f"{shown(str(path))} has {len(i):,}" for path, i, _ in read]
    notes = [f"Only the {len(common):,} architectures that are in all files are used: {', '.join(left)}."]
    return common, columns, notes if len(common) < most else []
