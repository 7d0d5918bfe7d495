"""Architectures that an embedded table lacks, trained as its own were, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.measured import benchmark as measured


class Additions:
    """Trainings of further architectures of an embedded table; they are kept in a folder, for all who ask later."""

    def __init__(self, benchmark: measured.Benchmark, folder: Path) -> None:
        self._benchmark = benchmark
        self._folder = folder / benchmark.name

    @classmethod
    def to(cls, table: GroundTruth, folder: Path) -> Additions | None:
        """Additions to a table; None where the project does not know how its architectures were trained."""
        if table.path.stem not in measured.names():
            return None
        return cls(measured.load(table.path.stem), folder)

    def sampled(self) -> NDArray[np.int64]:
        """Architectures that the table itself has, ascending: (n,)."""
        return self._benchmark.indices()

    def results(self, seed: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Architectures that were added with this seed, and the accuracy of each by split, in percent."""
        for path in self._folder.glob(f"*-s{seed}.json"):
            index = int(path.name.partition("-")[0])
            result = measured.result_of(self._folder, self._benchmark, index, seed)
            if result is not None:
                yield index, result

    def train(
        self, indices: Sequence[int], seed: int, workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train architectures.

        Returns:
            A sentence for each that diverged.
        """
        jobs = [(index, seed) for index in indices]
        return measured.train_all(self._benchmark, jobs, self._folder, workers, progress)
