"""True accuracies of the architectures that searches picked: looked up, or measured where a table can be extended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.search.objectives.table import reported


class Additions(Protocol):
    """A store of results for architectures that a table lacks, which are trained as those of the table were."""

    def sampled(self) -> NDArray[np.int64]:
        """Return the indices of the architectures that the table itself has: (n,)."""
        ...

    def results(self, seed: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the indices of architectures added with this seed, each with its accuracies by split, in percent."""
        ...

    def train(
        self, indices: Sequence[int], seed: int, workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train architectures, and return a sentence for each that diverged."""
        ...


class Truths:
    """One measure of every architecture. Only reports may use it.

    Args:
        within: the space.
        table: the ground truth.
        measure: the accuracy to look up.
        additions: trains architectures that the table lacks, one for each functional class; default: none are trained.
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
        """Return the accuracies of architectures in percent, NaN where unknown: (n,)."""
        return self._values[self._representative[np.asarray(indices)]]

    @property
    def sampled(self) -> bool:
        """Whether the table has only a sample of the space, to which results are added."""
        return self._additions is not None

    @property
    def known(self) -> NDArray[np.float64]:
        """All accuracies that the table or a measurement gives, in percent: (known,)."""
        return self._values[~np.isnan(self._values)]

    def measure_missing(
        self, indices: Sequence[int], workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train those of these architectures whose accuracy is unknown, if that is possible.

        Args:
            indices: indices of the architectures.
            workers: number of processes.
            progress: called with the numbers of architectures done and in total.

        Returns:
            A sentence for each architecture that remains unknown because its training diverged.
        """
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
        """The seed of the measure as a number: 0 for s0."""
        return int(self.measure.seed.removeprefix("s"))

    def _read(self, additions: Additions) -> None:
        """Take over the results that were added."""
        for index, result in additions.results(self._seed):
            self._values[index] = result[self.measure.split]


def _representatives(within: SearchSpace, sampled: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the architecture that represents the functional class of each one, a sampled one if possible: (len,)."""
    every = within.every_index("a report of searches")
    classes = within.same_function(every)
    first = np.full(classes.max() + 1, -1)
    order = every[::-1]
    first[classes[order]] = order  # in descending order, so that the first member of a class is written last
    first[classes[sampled]] = sampled
    return first[classes]
