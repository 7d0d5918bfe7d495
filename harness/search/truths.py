"""True accuracies of the architectures that searches picked: looked up, or measured where a table can be added to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.search.objective import reported


class Additions(Protocol):
    """Where architectures that a table lacks can be trained as its own were."""

    def sampled(self) -> NDArray[np.int64]:
        """Architectures that the table itself has: (n,)."""
        ...

    def results(self, seed: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Architectures that were added with this seed, and the accuracy of each by split, in percent."""
        ...

    def train(
        self, indices: Sequence[int], seed: int, workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train architectures; a sentence for each that diverged."""
        ...


class Truths:
    """One measure of every architecture, for reports alone.

    Args:
        additions: train architectures that the table lacks; one of a functional class stands for all.
    """

    def __init__(
        self, within: SearchSpace, table: GroundTruth, measure: Measure, additions: Additions | None = None
    ) -> None:
        self.measure = measure
        self._values = reported(within, table, measure)
        self._representative = within.every_index("a report of searches")
        self._additions = additions if np.isnan(self._values).any() else None
        if self._additions is not None:
            self._representative = _representatives(within, self._additions.sampled())
            self._read(self._additions)

    def of(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Percent, NaN where unknown: (n,)."""
        return self._values[self._representative[np.asarray(indices)]]

    @property
    def sampled(self) -> bool:
        """Whether the table holds a sample of the space, to which is added."""
        return self._additions is not None

    @property
    def known(self) -> NDArray[np.float64]:
        """All that the table or a measurement gives: (known,)."""
        return self._values[~np.isnan(self._values)]

    def measure_missing(
        self, indices: Sequence[int], workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train what is unknown of these, where that is possible; what is wrong with those that stay unknown."""
        if self._additions is None:
            return []
        wanted = np.unique(self._representative[np.asarray(indices, dtype=np.int64)])
        missing = wanted[np.isnan(self._values[wanted])].tolist()
        if not missing:
            return []
        problems = self._additions.train(missing, self._seed, workers, progress)
        self._read(self._additions)
        return problems

    @property
    def _seed(self) -> int:
        """The benchmark's seed of the measure, s0 for 0."""
        return int(self.measure.seed.removeprefix("s"))

    def _read(self, additions: Additions) -> None:
        for index, result in additions.results(self._seed):
            self._values[index] = result[self.measure.split]


def _representatives(within: SearchSpace, sampled: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each architecture the one that stands for its functional class, a sampled one where there is one."""
    every = within.every_index("a report of searches")
    classes = within.same_function(every)
    first = np.full(classes.max() + 1, -1)
    order = every[::-1]
    first[classes[order]] = order  # the last to be written is the first member
    first[classes[sampled]] = sampled
    return first[classes]
