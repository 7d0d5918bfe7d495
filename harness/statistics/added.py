"""What a score adds to training-free ones: how much better both together rank than the training-free ones alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.harness.statistics.fusion import fuse

Floats = NDArray[np.float64]
SCORE = "score"


@dataclass(frozen=True, eq=False)
class FreeScore:
    """A training-free ranking of n architectures, and how a score is fused with it."""

    name: str
    """The rule behind it, such as `free-1`."""
    about: str
    """What its scores were computed on, and what the choice of the rule has seen."""
    scores: Mapping[str, Floats]
    """Its scores, higher is better, NaN is worst: (n,), or (draws, n)."""
    weights: Mapping[str, float]
    how: str = "log"
    """See `fusion.WAYS`."""
    weight: float = 0.25
    """The weight of a score that is fused with it."""

    @cached_property
    def alone(self) -> Floats:
        """The training-free score: (n,)."""
        return fuse(self.scores, self.weights, self.how)

    def fused(self, scores: ArrayLike) -> Floats:
        """The fusion with a score of the same architectures, (n,): (n,)."""
        return fuse({**self.scores, SCORE: scores}, {**self.weights, SCORE: self.weight}, self.how)

    def take(self, where: NDArray[np.bool_] | NDArray[np.int64]) -> FreeScore:
        """The ranking of some of the architectures alone."""
        scores = {name: np.atleast_2d(values)[:, where] for name, values in self.scores.items()}
        return FreeScore(self.name, self.about, scores, self.weights, self.how, self.weight)
