"""What effects are likely to be, given all of them: estimates drawn together, and probabilities of their signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr

from supernet.harness.statistics.spreads import Floats


@dataclass(frozen=True)
class Shrunken:
    """An effect given all effects of a study."""

    value: float
    """Expected difference from the base."""
    positive: float
    """Probability that the true difference is above zero."""


def shrunken(values: ArrayLike, own: ArrayLike, base: float) -> list[Shrunken]:
    """Expected differences of settings from their base, if settings' true means come from one normal law.

    Of many estimates the largest are too large. With true means N(mu, T^2) and means that err by N(0, own), a setting's
    expected true mean lies between its own mean and mu (Efron and Morris, JASA 1975); T^2 is Paule and Mandel's
    estimate, and mu, whose uncertainty is in the result, the weighted mean. The base is not drawn along: it was chosen,
    and has its own seeds.

    Args:
        values: means of the settings less that of the base: (k,).
        own: variance of each setting's mean: (k,).
        base: variance of the base's mean.
    """
    d, v = np.asarray(values, dtype=np.float64), np.maximum(np.asarray(own, dtype=np.float64), 1e-12)
    between = between_variance(d, v)
    weights = 1 / (v + between)
    mu = float(weights @ d / weights.sum())
    share = between / (v + between)
    expected = share * d + (1 - share) * mu
    error = np.sqrt(share * v + (1 - share) ** 2 / weights.sum() + base)
    return [Shrunken(float(x), float(ndtr(x / e))) for x, e in zip(expected, error, strict=True)]


def between_variance(values: Floats, variances: Floats) -> float:
    """Variance of true values behind estimates with known variances (Paule and Mandel, J. Res. NBS 1982).

    It is the T^2 at which the weighted sum of squares equals its degrees of freedom, or 0 where even T = 0 leaves less.
    """

    def excess(between: float) -> float:
        weights = 1 / (variances + between)
        mu = weights @ values / weights.sum()
        return float(weights @ (values - mu) ** 2) - (len(values) - 1)

    if len(values) < 2 or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, float(np.var(values) * len(values) + variances.max()), xtol=1e-12))
