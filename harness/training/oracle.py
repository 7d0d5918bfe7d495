"""Ground truth that methods ask for while they train; each architecture is charged once and remembered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.truth.join import measured_in, truth_rows
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.heuristics.recipe import Recipe


class Oracle:
    """The `heuristics.hooks.Truth` that reads a table.

    Args:
        known: indices of the architectures that have ground truth: (n,).
        look_up: maps indices, (n,), to accuracies in percent, (n,).
    """

    def __init__(self, known: ArrayLike, look_up: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> None:
        self.known: NDArray[np.int64] = np.unique(np.asarray(known, dtype=np.int64))
        self._look_up = look_up
        self.asked: dict[int, float] = {}
        """Index -> accuracy in percent of every architecture that was asked for. Rankings leave these out."""

    @classmethod
    def for_recipe(cls, recipe: Recipe, table: GroundTruth, measure: Measure) -> Oracle | None:
        """The oracle for the methods of a recipe; None if the recipe has no methods."""
        return cls.of_table(space(recipe.space), table, measure) if recipe.methods else None

    @classmethod
    def of_table(cls, within: SearchSpace, table: GroundTruth, m: Measure) -> Oracle:
        """The oracle for a space, under one measure of a table."""
        indices, rows = _all_measured(within, table)
        accuracies = table.readings(m.dataset, m.split, m.epochs, m.seed, rows)
        known = ~np.isnan(accuracies)
        indices, accuracies = indices[known], accuracies[known]
        return cls(indices, lambda wanted: accuracies[np.searchsorted(indices, wanted)])

    def among(self, indices: ArrayLike) -> Oracle:
        """An oracle that knows only those of its architectures whose indices are given: (n,)."""
        return Oracle(np.intersect1d(self.known, np.asarray(indices, dtype=np.int64)), self._look_up)

    def afresh(self) -> Oracle:
        """An oracle with the same ground truth that has not been asked yet."""
        return Oracle(self.known, self._look_up)

    def ask(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Accuracies in percent of these architectures: (n,).

        Raises:
            UserError: one of them has no ground truth.
        """
        wanted = np.asarray(indices, dtype=np.int64).ravel()
        unknown = wanted[~np.isin(wanted, self.known)]
        if len(unknown):
            raise UserError(f"A method asks for the accuracy of architecture {unknown[0]}, which has no ground truth.")
        new = np.array(sorted(set(wanted.tolist()) - self.asked.keys()), dtype=np.int64)
        if len(new):
            self.asked.update(zip(new.tolist(), np.asarray(self._look_up(new), dtype=float).tolist(), strict=True))
        return np.array([self.asked[index] for index in wanted.tolist()])


def _all_measured(within: SearchSpace, table: GroundTruth) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All architectures of a space that a table has, ascending, and their rows: (n,) each.

    In a space that can be listed, several architectures may have one row.
    """
    if not within.enumerable:
        return measured_in(within, table)
    indices = within.every_index("ground truth for methods of training")
    rows = truth_rows(within, indices, table)
    return indices[rows >= 0], rows[rows >= 0]
