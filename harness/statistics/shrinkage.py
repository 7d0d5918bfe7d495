"""What effects are expected to be, given all of them: estimates drawn together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from supernet.harness.statistics.spreads import SMALLEST, Floats

_SPREADS = 61
"""Standard deviations of true means over which is averaged."""
_WIDEST = 4.0
"""The largest of them, in standard deviations of the observed means; beyond it no weight is left."""


def shrunken(values: ArrayLike, own: ArrayLike) -> Floats:
    """Expected differences of settings from their base, if settings' true means come from one normal law: (k,).

    Of many estimates the largest are too large. With true means N(mu, T^2) and observed ones that err by N(0, own), a
    setting's expected true mean lies between its own mean and mu. Both mu and T are unknown: with flat priors on both,
    mu is integrated in closed form and T by a sum (Gelman et al., Bayesian Data Analysis, 3rd edition, section 5.4).
    The base is not drawn along: it was chosen, and has seeds of its own.

    No probabilities of signs follow from this: with a few settings, true differences that are small beside their errors
    leave T so uncertain that signs of an alleged 95 % were wrong in 10 to 20 of 100 simulated cases.

    Args:
        values: means of the settings less that of the base: (k,).
        own: variance of each setting's mean, and of what else is its own in the difference: (k,).
    """
    d, v = np.asarray(values, dtype=np.float64), np.maximum(np.asarray(own, dtype=np.float64), SMALLEST)
    spread = float(np.sqrt(d.var() + v.mean()))
    between = np.linspace(0, _WIDEST * spread, _SPREADS)[:, None] ** 2  # rows: values of T^2
    weights = 1 / (v + between)
    total = weights.sum(axis=1, keepdims=True)
    mu = (weights * d).sum(axis=1, keepdims=True) / total
    logs = 0.5 * (np.log(weights).sum(axis=1) - np.log(total[:, 0]) - (weights * (d - mu) ** 2).sum(axis=1))
    likely = np.exp(logs - logs.max())[:, None]
    likely /= likely.sum()
    share = between * weights
    means = share * d + (1 - share) * mu
    expected: Floats = (likely * means).sum(axis=0)
    return expected
