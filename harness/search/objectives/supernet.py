"""The objective of a search with the weights of a trained super-net."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SearchSpace, space
from supernet.harness.scoring.supernet import images_passed, rank
from supernet.harness.search.costs import FORWARD
from supernet.harness.search.objective import Answer, Query
from supernet.harness.training.run import Run
from supernet.heuristics.sections import EvaluationSection


@dataclass(frozen=True)
class SharedWeights:
    """The `Objective` that scores architectures with shared weights, on validation images."""

    run: Run = field(repr=False)
    images: int
    """Number of images that an architecture is scored on."""

    @property
    def space(self) -> SearchSpace:
        return space(self.run.recipe.space)

    @property
    def top(self) -> int:
        return 0

    def ask(self, query: Query) -> Answer:
        """Score an architecture; the cost is the passes of its images, also those of recalibration."""
        (value,) = self.scores(np.array([self.space.index(query.arch)])).tolist()
        passes = FORWARD * self.passed(1) / self.run.recipe.training.batch_size
        return Answer(value, {"queries": 1.0, "passes": passes})

    def scores(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the scores of architectures, higher is better: (n,)."""
        scores = rank(self.run, indices, evaluation=self._protocol)
        return -scores.loss if self._protocol.metric == "loss" else scores.accuracy

    def passed(self, architectures: int) -> int:
        """Return the number of images passed forward to score this many architectures, including recalibration."""
        return images_passed(self._protocol, architectures)

    @property
    def _protocol(self) -> EvaluationSection:
        return replace(self.run.recipe.evaluation, images=self.images)
