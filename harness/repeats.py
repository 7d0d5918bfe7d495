"""What a mean over few repeats (seeds, mostly) may be off by.

With three repeats, the spread between them is hardly known: Student's t with 2 degrees of freedom puts 4.3 standard
errors on either side. Where many settings were compared, each tells something of the spread to expect in the others.
Moderated variances (Smyth, Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments, SAGMB 2004) weigh both: a variance counts with its own degrees of freedom beside a prior that is
worth the more, the less the settings' variances differ by more than chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """The variance between repeats to expect, and how many degrees of freedom that is worth."""

    variance: float = 0.0
    df: float = 0.0


NOTHING = Prior()


def prior_of_differences(table: Floats) -> Prior:
    """What the spread of all settings says of that of a difference from the first, repeat by repeat.

    What a repeat does to all settings alike cancels in differences: the variances are those of what settings and
    repeats leave unexplained together. They are fitted by the moments of their logarithms (Smyth, section 6.2). Two
    things keep simulated error rates at their level where that alone would not, because all differences share the
    noise of the first setting: that counts as its own where it is larger than the others', and the prior is worth
    at most half of all degrees of freedom but the difference's own.

    Args:
        table: values (settings, repeats), none missing. Two settings have nothing but their difference.
    """
    settings, repeats = table.shape
    if settings < 3 or repeats < 2:
        return NOTHING
    left = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    df = (repeats - 1) * (settings - 1) / settings
    variances = np.square(left).sum(1) / df
    first = float(variances[0])
    variances = variances[variances > 1e-12]
    if len(variances) < 3:
        return NOTHING
    most = (repeats - 1) * (settings - 2) / 2
    logs = np.log(variances)
    excess = logs.var(ddof=1) - polygamma(1, df / 2)
    if excess <= polygamma(1, most / 2):
        expected, worth = float(variances.mean()), most
    else:
        half = float(brentq(lambda x: polygamma(1, x) - excess, 1e-6, most / 2))
        centre = logs.mean() - digamma(df / 2) + np.log(df / 2)
        expected, worth = float(np.exp(centre + digamma(half) - np.log(half))), 2 * half
    return Prior(expected + max(expected, first), worth)


def over_repeats(values: Floats, draws: Floats, prior: Prior = NOTHING, *, seed: int = 0) -> Floats:
    """Draws of a mean over repeats, of what was sampled (architectures) and of the repeats together.

    Args:
        values: of each repeat: (repeats,).
        draws: bootstrap draws of each repeat, on common resamples: (repeats, resamples).
        prior: what other settings say of the variance between repeats.

    Returns:
        The mean of the draws, plus what the mean over repeats may be off by: (resamples,). Where nothing is known of
        that (one repeat, no prior), or all are exactly 0 (differences of settings that compute the same), the draws
        alone. No variance is taken to be smaller than it is seen to be.
    """
    count, means = len(values), draws.mean(axis=0)
    own = count - 1
    if own + prior.df == 0 or (own and not values.any()):
        return means
    seen = float(values.var(ddof=1)) if own else 0.0
    variance = max(seen, (own * seen + prior.df * prior.variance) / (own + prior.df))
    t = np.random.default_rng(seed).standard_t(own + prior.df, draws.shape[1])
    return means + np.sqrt(variance / count) * t
