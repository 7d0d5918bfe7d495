"""Summaries of one effect over several studies, such as spaces, data sets or scales.

Studies differ in more than their noise, so that their true effects differ too: study i estimates its own effect with a
known standard error s_i, and the effects of studies come from a law with mean mu and variance tau^2 (random effects).
The summary estimates mu. The interval of mu says where the average effect over such studies lies; the prediction
interval says where the effect in one further study lies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions
from scipy.optimize import brentq

from supernet.harness.statistics.dunnett import LEVEL
from supernet.harness.statistics.spreads import SMALLEST

Floats = NDArray[np.float64]

FEWEST = 2
"""Studies that a summary needs."""
FEWEST_PREDICTED = 3
"""Studies that a prediction interval needs."""


@dataclass(frozen=True)
class Summary:
    """One effect over k studies."""

    studies: int
    value: float
    """Estimate of the mean effect."""
    low: float
    """Ends of the interval of the mean effect; Student's t with k - 1 degrees of freedom."""
    high: float
    p: float
    """Two-sided, that the mean effect is 0."""
    between_sd: float
    """Standard deviation of the true effects between studies; 0 where noise alone explains their differences."""
    i_squared: float
    """Share of the variance of the estimates that noise does not explain, from 0 to below 1."""
    q: float
    """Cochran's Q."""
    q_p: float
    """That all studies have the same true effect (Q test, chi-square with k - 1 degrees of freedom)."""
    predicted_low: float | None = None
    """Ends of the interval of the true effect in one further study; None for fewer than three studies."""
    predicted_high: float | None = None


def summarised(values: ArrayLike, errors: ArrayLike, level: float = LEVEL) -> Summary:
    """Summarise one effect over studies.

    The variance between studies is that of Paule and Mandel (Journal of Research of the National Bureau of Standards
    1982). The interval is that of Hartung and Knapp (Statistics in Medicine 2001) and of Sidik and Jonkman (2002): the
    variance of the mean, 1 / sum(w), is multiplied by the ratio Q(tau^2) / (k - 1), and Student's t has k - 1 degrees
    of freedom. A ratio below 1 counts as 1, so that the interval is never narrower than that of a fixed effect (Roever,
    Knapp and Friede, BMC Medical Research Methodology 2015). With the estimate of Paule and Mandel, the ratio is 1
    wherever tau^2 is positive, and at most 1 where it is 0: with this safeguard the ratio is 1, and is left out here.
    The prediction interval has k - 2 degrees of freedom (Higgins, Thompson and Spiegelhalter, JRSS A 2009, eq. 12).

    Args:
        values: estimated effects, one per study, independent of each other: (k,).
        errors: their standard errors, taken as known: (k,).
        level: of both intervals.

    Raises:
        ValueError: fewer than two studies, arrays of different lengths, or numbers that are not finite or, for standard
            errors, not positive.
    """
    d, s = np.asarray(values, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if d.ndim != 1 or d.shape != s.shape or len(d) < FEWEST:
        raise ValueError(f"A summary takes values and standard errors of {FEWEST} or more studies.")
    if not (np.isfinite(d).all() and np.isfinite(s).all() and (s > 0).all()):
        raise ValueError("Values must be finite, and standard errors finite and positive.")
    v = np.maximum(s**2, SMALLEST)
    between = between_variance(d, v)
    weights = 1 / (v + between)
    value, error = float((weights * d).sum() / weights.sum()), 1 / math.sqrt(float(weights.sum()))
    df = len(d) - 1
    half = float(distributions.t.ppf((1 + level) / 2, df)) * error
    q = cochran(d, v, 0.0)
    predicted: tuple[float, float] | tuple[None, None] = (None, None)
    if len(d) >= FEWEST_PREDICTED:
        reach = float(distributions.t.ppf((1 + level) / 2, df - 1)) * math.sqrt(between + error**2)
        predicted = value - reach, value + reach
    return Summary(
        len(d),
        value,
        value - half,
        value + half,
        float(2 * distributions.t.sf(abs(value) / error, df)),
        math.sqrt(between),
        max(0.0, 1 - df / q) if q > 0 else 0.0,
        q,
        float(distributions.chi2.sf(q, df)),
        *predicted,
    )


def cochran(values: Floats, variances: Floats, between: float) -> float:
    """Cochran's Q with weights 1 / (variance + between): the weighted sum of squares about the weighted mean.

    Args:
        values: estimated effects: (k,).
        variances: squares of their standard errors: (k,).
        between: variance between studies.
    """
    weights = 1 / (variances + between)
    mean = (weights * values).sum() / weights.sum()
    return float((weights * (values - mean) ** 2).sum())


def between_variance(values: Floats, variances: Floats) -> float:
    """Paule and Mandel's variance between studies: the one at which Q equals its expectation, k - 1; at least 0.

    Args:
        values: estimated effects: (k,).
        variances: squares of their standard errors: (k,).
    """
    df = len(values) - 1
    if cochran(values, variances, 0.0) <= df:
        return 0.0
    # Q falls with the variance, and is at most sum of squares / variance, so that the root lies below this end.
    most = float(np.square(values - values.mean()).sum()) / df
    return float(brentq(lambda between: cochran(values, variances, between) - df, 0.0, most, xtol=1e-16, rtol=1e-12))
