"""Trains architectures that an embedded table lacks, in the same way as those that it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.measured import benchmark as measured


class Additions:
    """Trainings of architectures that an embedded table lacks. Their results are kept in a folder and reused."""

    def __init__(self, benchmark: measured.Benchmark, folder: Path) -> None:
        self._benchmark = benchmark
        self._folder = folder / benchmark.name

    @classmethod
    def to(cls, table: GroundTruth, folder: Path) -> Additions | None:
        """Additions to a table; None if it is not a table whose training the project knows.

        Args:
            folder: where results are kept, in a folder for each benchmark.
        """
        if table.path.stem not in measured.names():
            return None
        return cls(measured.load(table.path.stem), folder)

    def sampled(self) -> NDArray[np.int64]:
        """Indices of the architectures that the table itself has, ascending: (n,)."""
        return self._benchmark.indices()

    def results(self, seed: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each architecture that was added with this seed: its index, and its accuracy in percent by split."""
        for path in self._folder.glob(f"*-s{seed}.json"):
            index = int(path.name.partition("-")[0])
            result = measured.result_of(self._folder, self._benchmark, index, seed)
            if result is not None:
                yield index, result

    def train(
        self, indices: Sequence[int], seed: int, workers: int, progress: Callable[[int, int], None] | None = None
    ) -> list[str]:
        """Train architectures.

        Args:
            indices: which architectures.
            workers: number of processes, each with one thread.
            progress: called with the number of trainings that are done, and of all trainings.

        Returns:
            A sentence for each training that diverged.
        """
        epochs = self._benchmark.recipe.training.epochs
        jobs = [measured.Job(index, seed, epochs) for index in indices]
        return measured.train_all(self._benchmark, jobs, self._folder, workers, progress)
