"""How much the seeds of one setting differ, told from a few seeds of many settings, and which runs differ too much.

Three seeds hardly tell how much a setting's seeds differ, but many settings together do: each variance is squeezed
towards a common one (Smyth, Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments, SAGMB 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions
from scipy.special import betaln

Floats = NDArray[np.float64]

OWN_VARIANCE = 8
"""Seeds from which on the base's own variance is used alone: every comparison shares its noise."""
COLLAPSE = 4.0
"""Standard deviations below its setting's median from which on a run counts as collapsed."""
SMALLEST = 1e-12
"""Variances below this are rounding."""
_WORTHS = 24
"""Degrees of freedom tried for the common variance."""


@dataclass(frozen=True)
class Spread:
    """The variance between the seeds of one setting, and the degrees of freedom behind it."""

    variance: float
    df: float

    @classmethod
    def of(cls, values: ArrayLike) -> Spread:
        """The spread of one setting's values alone, one per seed: (seeds,). A single one has no degrees of freedom."""
        v = np.asarray(values, dtype=np.float64)
        return cls(float(v.var(ddof=1)), len(v) - 1) if len(v) > 1 else cls(0.0, 0)


def squeezed(values: Sequence[ArrayLike]) -> list[Spread]:
    """Spread of every setting, the base first; those of the others are squeezed towards a common variance.

    The common variance and what it is worth have the maximum likelihood, given the settings' own variances; it counts
    for at most half of all their degrees of freedom. The base is used by its own variance from eight seeds on; with
    fewer, the larger of its own and the squeezed variance is used, since its noise is in every comparison.

    Args:
        values: of each setting, one value per seed; at least one.
    """
    arrays = [np.asarray(v, dtype=np.float64) for v in values]
    own = [float(v.var(ddof=1)) if len(v) > 1 else 0.0 for v in arrays]
    df = [float(len(v) - 1) for v in arrays]
    common = _common([max(v, SMALLEST) for v, d in zip(own[1:], df[1:], strict=True) if d], [d for d in df[1:] if d])
    out = [_mixed(v, d, common) for v, d in zip(own[1:], df[1:], strict=True)]
    if len(arrays[0]) >= OWN_VARIANCE:
        base = Spread(own[0], df[0])
    else:
        mixed = _mixed(own[0], df[0], common)
        base = Spread(max(own[0], mixed.variance), mixed.df)
    return [base, *out]


def _mixed(own: float, df: float, common: Spread) -> Spread:
    total = df + common.df
    return Spread((df * own + common.df * common.variance) / total if total else 0.0, total)


def _common(variances: Sequence[float], dfs: Sequence[float]) -> Spread:
    """The variance that settings have in common, and what it is worth; nothing from fewer than three settings.

    By Smyth's model an observed variance with d degrees of freedom is the common one times F(d, d0), with d0 what the
    common one is worth: the larger, the more alike settings are.
    """
    if len(variances) < 3:
        return Spread(0.0, 0.0)
    v, d = np.array(variances), np.array(dfs)
    most = float(d.sum() / 2)
    worths = np.geomspace(min(1.0, most / 2), most, _WORTHS)
    scales = _likeliest_scales(v, d, worths)
    ratios = d * v / (worths * scales)[:, None]
    halves = worths[:, None] / 2
    likelihoods = d / 2 * np.log(ratios) - (d / 2 + halves) * np.log1p(ratios) - betaln(d / 2, halves)
    best = int(np.argmax(likelihoods.sum(axis=1)))
    if best == _WORTHS - 1:  # settings differ in spread no more than by chance
        return Spread(float((d * v).sum() / d.sum()), most)
    return Spread(float(scales[best]), float(worths[best]))


def _likeliest_scales(v: Floats, d: Floats, worths: Floats) -> Floats:
    """The common variance of the largest likelihood, for each worth, by bisection of its derivative: (worths,)."""
    low, high = np.full(len(worths), np.log(v.min())), np.full(len(worths), np.log(v.max()))
    for _ in range(40):
        middle = (low + high) / 2
        pull = (d * (v * (d + worths[:, None]) / ((worths * np.exp(middle))[:, None] + d * v) - 1)).sum(axis=1)
        low, high = np.where(pull > 0, middle, low), np.where(pull > 0, high, middle)
    return np.exp((low + high) / 2)


def collapsed(arrays: Sequence[ArrayLike]) -> list[list[int]]:
    """Places of the runs of each setting that lie more than four standard deviations below their setting's median.

    The standard deviation is the median of the settings' own, corrected for its bias, so that the collapsed runs
    themselves hardly move it. Where few settings tell it, the limit is as much further away as Student's t is wider
    than the normal distribution; the median has 0.37 of the information of the mean. Settings of fewer than three
    seeds, and studies of fewer than three such settings, tell nothing.
    """
    groups = [np.asarray(v, dtype=np.float64) for v in arrays]
    ratios = [
        v.var(ddof=1) * (len(v) - 1) / distributions.chi2.median(len(v) - 1) for v in groups if len(v) >= 3
    ]  # fmt: skip
    if len(ratios) < 3:
        return [[] for _ in groups]
    df = 0.37 * sum(len(v) - 1 for v in groups if len(v) >= 3)
    limit = float(distributions.t.isf(distributions.norm.sf(COLLAPSE), df)) * math.sqrt(float(np.median(ratios)))
    return [
        np.flatnonzero(v < np.median(v) - limit).tolist() if len(v) >= 3 and limit > 0 else [] for v in groups
    ]  # fmt: skip
