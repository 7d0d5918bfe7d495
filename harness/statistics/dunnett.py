"""Corrects for many comparisons with one base, which share its noise (Dunnett, JASA 1955)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from supernet.harness.statistics.spreads import Floats

LEVEL = 0.95
"""Level of the simultaneous intervals of all comparisons with one base; one less it is their family-wise level."""


def any_as_small(p: float, loads: ArrayLike) -> float:
    """Dunnett's correction: the probability that any of k comparisons without a difference has a p-value as small as p.

    The comparisons share the base, so their test statistics have a common part u, a standard normal variable. Their
    correlations are l_i l_j, where l_i is the base's share of the standard error. Given u they are independent, and the
    probability is 1 - E_u prod_i [Phi((z + l_i u) / s_i) - Phi((-z + l_i u) / s_i)], where s_i^2 = 1 - l_i^2 and z is
    the two-sided normal quantile of p. That the variances of the settings are estimated is accounted for in p itself.
    That these estimates are related is ignored, which errs on the safe side.

    Args:
        p: p-value of a single comparison.
        loads: the l_i: (k,).
    """
    share = np.clip(np.asarray(loads, dtype=np.float64), 0, 1 - 1e-9)
    if p <= 0:
        return 0.0
    z = -ndtri(min(p, 1.0) / 2)
    rest = np.sqrt(1 - share**2)[:, None]
    moved = share[:, None] * _NODES
    inside = ndtr((z + moved) / rest) - ndtr((-z + moved) / rest)
    return float(min(1.0, max(p, 1 - np.prod(inside, axis=0) @ _WEIGHTS)))


_NODES: Floats = np.linspace(-8, 8, 201)
"""Values of u at which the expectation is evaluated, with normal weights that sum to 1."""
_WEIGHTS: Floats = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()


def individual_level(level: float, loads: ArrayLike) -> float:
    """The level of each single comparison at which all comparisons together have `level`.

    Args:
        level: probability that any comparison without a difference is called significant.
        loads: as in `any_as_small`: (k,).
    """
    count = len(np.atleast_1d(np.asarray(loads)))
    if count == 1:
        return level
    return float(brentq(lambda p: any_as_small(p, loads) - level, level / count / 2, level, xtol=1e-7))
