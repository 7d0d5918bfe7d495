"""The rows of a ground-truth table that hold the results of architectures of a space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadArchitecture, BadTable
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.table import GroundTruth


def truth_rows(within: SearchSpace, indices: NDArray[np.int64], truth: GroundTruth) -> NDArray[np.int64]:
    """Ground-truth row of each architecture of a space, -1 where the table has none: (n,)."""
    return truth.rows(within.table_keys(within.archs(indices), truth.key_column))


def indices_of_rows(within: SearchSpace, rows: NDArray[np.int64], truth: GroundTruth) -> NDArray[np.int64]:
    """An architecture of a space for each of these rows of a table, -1 where the space has none: (n,).

    Of several architectures with one row, it is the first.
    """
    if truth.key_column == "hash":
        return within.indices_of_hashes(truth.keys(rows))
    try:
        return np.array([within.index(within.parse(key)) for key in truth.keys(rows)], dtype=np.int64)
    except BadArchitecture as error:
        raise BadTable(f"{truth.path} is not a table of {within.name}: {error}") from None


def measured_in(within: SearchSpace, truth: GroundTruth) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct architectures of a space that a table has, ascending, and their rows: indices and rows, (n,) each.

    All architectures of an enumerable space are looked up in the table; for a larger space, the table's keys are read
    instead.

    Raises:
        BadTable: the space is not enumerable, and a key of the table is not an architecture of it.
    """
    if within.enumerable:
        indices = within.distinct()
        rows = truth_rows(within, indices, truth)
        return indices[rows >= 0], rows[rows >= 0]
    keys = truth.keys()
    try:
        indices = np.array([within.index(within.parse(key)) for key in keys], dtype=np.int64)
    except BadArchitecture as error:
        raise BadTable(f"{truth.path} is not a table of {within.name}: {error}") from None
    indices, rows = np.unique(indices, return_index=True)
    return indices, rows.astype(np.int64)
