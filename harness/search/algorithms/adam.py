"""Adam for arrays of NumPy, for networks so small that torch would take longer to call than to compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Adam:
    """Changes arrays in place by the rule of Kingma and Ba (ICLR 2015), with their constants.

    Args:
        weights: the arrays.
        rate: the learning rate.
    """

    BETAS, EPSILON = (0.9, 0.999), 1e-8

    def __init__(self, weights: Sequence[Floats], rate: float) -> None:
        self._weights, self._rate, self._steps = list(weights), rate, 0
        self._first: list[Any] = [np.zeros_like(w) for w in weights]
        self._second: list[Any] = [np.zeros_like(w) for w in weights]

    def step(self, gradients: Sequence[Floats]) -> None:
        """Take a step against the gradients, one for each array."""
        self._steps += 1
        one, two = self.BETAS
        for weight, first, second, slope in zip(self._weights, self._first, self._second, gradients, strict=True):
            first += (1 - one) * (slope - first)
            second += (1 - two) * (slope * slope - second)
            mean, square = first / (1 - one**self._steps), second / (1 - two**self._steps)
            weight -= self._rate * mean / (np.sqrt(square) + self.EPSILON)
