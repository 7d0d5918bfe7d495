"""Ground truth that methods ask for while they train: charged once each, and remembered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.truth.join import truth_rows
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.heuristics.recipe import Recipe


class Oracle:
    """A `heuristics.hooks.Truth` over a table.

    Args:
        known: indices of the architectures that have ground truth: (n,).
        look_up: from indices to accuracies in percent.
    """

    def __init__(self, known: ArrayLike, look_up: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> None:
        self.known: NDArray[np.int64] = np.unique(np.asarray(known, dtype=np.int64))
        self._look_up = look_up
        self.asked: dict[int, float] = {}
        """Index -> accuracy, of all that was asked for. Rankings leave these architectures out."""

    @classmethod
    def for_recipe(cls, recipe: Recipe, table: GroundTruth, measure: Measure) -> Oracle | None:
        """What the methods of a recipe may ask for; None where it has none."""
        return cls.of_table(space(recipe.space), table, measure) if recipe.methods else None

    @classmethod
    def of_table(cls, within: SearchSpace, table: GroundTruth, m: Measure) -> Oracle:
        """The accuracies of a space under one measure of a table."""
        every = within.every_index("ground truth for methods of training")
        rows = truth_rows(within, every, table)
        there = rows >= 0
        accuracies = np.full(len(every), np.nan)
        accuracies[there] = table.readings(m.dataset, m.split, m.epochs, m.seed, rows[there])
        return cls(np.flatnonzero(~np.isnan(accuracies)), lambda indices: accuracies[indices])

    def ask(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Accuracies in percent: (n,).

        Raises:
            UserError: an architecture has no ground truth.
        """
        wanted = np.asarray(indices, dtype=np.int64).ravel()
        unknown = wanted[~np.isin(wanted, self.known)]
        if len(unknown):
            raise UserError(f"A method asks for the accuracy of architecture {unknown[0]}, which has no ground truth.")
        new = np.array(sorted(set(wanted.tolist()) - self.asked.keys()), dtype=np.int64)
        if len(new):
            self.asked.update(zip(new.tolist(), np.asarray(self._look_up(new), dtype=float).tolist(), strict=True))
        return np.array([self.asked[index] for index in wanted.tolist()])
