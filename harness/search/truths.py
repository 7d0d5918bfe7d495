"""True accuracies of the architectures that searches picked: looked up, or measured where a table can be added to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.measured import benchmark as embedded
from supernet.harness.search.objective import reported


class Truths:
    """One measure of every architecture, for reports alone.

    The embedded tables hold a sample of their space. Architectures that they lack are trained as those were, one
    of a functional class for all, and kept in `folder`.
    """

    def __init__(self, within: SearchSpace, table: GroundTruth, measure: Measure, folder: Path) -> None:
        self.measure = measure
        self._values = reported(within, table, measure)
        self._representative = within.every_index("a report of searches")
        self._benchmark: embedded.Benchmark | None = None
        if table.path.stem in embedded.names() and np.isnan(self._values).any():
            self._benchmark = embedded.load(table.path.stem)
            self._folder = folder / self._benchmark.name
            self._representative = _representatives(within, self._benchmark.indices())
            self._read()

    def of(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Percent, NaN where unknown: (n,)."""
        return self._values[self._representative[np.asarray(indices)]]

    @property
    def sampled(self) -> bool:
        """Whether the table holds a sample of the space, to which is added."""
        return self._benchmark is not None

    @property
    def known(self) -> NDArray[np.float64]:
        """All that the table or a measurement gives: (known,)."""
        return self._values[~np.isnan(self._values)]

    def measure_missing(
        self, indices: Sequence[int], workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train what is unknown of these, where that is possible; what is wrong with those that stay unknown."""
        if self._benchmark is None:
            return []
        wanted = np.unique(self._representative[np.asarray(indices, dtype=np.int64)])
        missing = wanted[np.isnan(self._values[wanted])].tolist()
        if not missing:
            return []
        jobs = [(index, self._seed) for index in missing]
        problems = embedded.train_all(self._benchmark, jobs, self._folder, workers, progress)
        self._read()
        return problems

    @property
    def _seed(self) -> int:
        """The benchmark's seed of the measure, s0 for 0."""
        return int(self.measure.seed.removeprefix("s"))

    def _read(self) -> None:
        assert self._benchmark is not None
        for path in self._folder.glob(f"*-s{self._seed}.json"):
            index = int(path.name.partition("-")[0])
            result = embedded.result_of(self._folder, self._benchmark, index, self._seed)
            if result is not None:
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
