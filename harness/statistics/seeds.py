"""What means over a few seeds may be off by, and how settings that were trained with a few seeds each compare.

Seeds of different settings share nothing (training is chaotic: the same seed under another setting is another draw), so
settings are compared unpaired. Three seeds hardly tell how much a setting's seeds differ, but many settings together
do: each variance is squeezed towards a common one (Smyth, Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments, SAGMB 2004). Two means whose variances are both estimated are the
problem of Behrens and Fisher; it is solved by integrating over both variances, because at the small levels that a test
of many settings needs, an approximation by Student's t finds too much. Many settings against one base are Dunnett's
problem (JASA 1955).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions
from scipy.optimize import brentq
from scipy.special import betaln, expit, log_expit, ndtr, ndtri, polygamma, stdtr

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Of intervals: each alone for means, all comparisons with the base together for differences."""
POWER = 0.8
"""Probability with which the smallest detectable difference is found."""
OWN_VARIANCE = 8
"""Seeds from which on the base's own variance is used alone: every comparison shares its noise."""
COLLAPSE = 4.0
"""Standard deviations below its setting's median from which on a run counts as collapsed."""
_SMALLEST = 1e-12
"""Variances below this are rounding."""
_WORTHS = 24
"""Degrees of freedom tried for the common variance."""


@dataclass(frozen=True)
class Spread:
    """The variance between the seeds of one setting, and the degrees of freedom behind it."""

    variance: float
    df: float


@dataclass(frozen=True)
class Mean:
    """A mean over seeds with its interval; none of fewer than three seeds, whose values are better shown themselves."""

    value: float
    low: float | None
    high: float | None
    seeds: int


@dataclass(frozen=True)
class Difference:
    """A setting's mean less that of the base."""

    value: float
    low: float | None
    """Ends of the simultaneous interval: all of a study's intervals hold together with 95 %."""
    high: float | None
    p: float | None
    """Two-sided, of this comparison alone; None where it is not tested: one seed on either side."""
    p_corrected: float | None
    """Dunnett-corrected for all comparisons with the base."""
    q: float | None
    """Benjamini and Hochberg's: the share of false findings among all comparisons with a q no larger than this."""

    @property
    def clear(self) -> bool:
        """Whether the setting differs from the base at the 5 % level after Dunnett's correction."""
        return self.p_corrected is not None and self.p_corrected < 1 - LEVEL


@dataclass(frozen=True)
class Comparisons:
    """All settings of a study against its base."""

    differences: list[Difference]
    """In the order of the settings."""
    spreads: list[Spread]
    """Of the base, then of the settings."""
    detectable: float | None
    """Smallest true difference that a typical one of the comparisons finds with 80 % power; None if none is tested."""
    omnibus_p: float | None
    """That all settings, the base among them, have the same mean: one-way analysis of variance (F test)."""
    typical_sd: float | None
    """Pooled standard deviation between seeds of one setting."""


def squeezed(values: Sequence[ArrayLike]) -> list[Spread]:
    """Spread of every setting, the base first; those of the others are squeezed towards a common variance.

    The common variance and what it is worth have the maximum likelihood, given the settings' own variances; it counts
    for at most half of all their degrees of freedom. The base is used by its own variance from eight seeds on; with
    fewer by the larger of its own and the squeezed one, since its noise is in every comparison.

    Args:
        values: of each setting, one value per seed; at least one.
    """
    arrays = [np.asarray(v, dtype=np.float64) for v in values]
    own = [float(v.var(ddof=1)) if len(v) > 1 else 0.0 for v in arrays]
    df = [float(len(v) - 1) for v in arrays]
    common = _common([max(v, _SMALLEST) for v, d in zip(own[1:], df[1:], strict=True) if d], [d for d in df[1:] if d])
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


def mean_of(
    values: ArrayLike, spread: Spread, sampling: float = 0.0, *, bounded: bool = True, level: float = LEVEL
) -> Mean:
    """Mean over seeds (or other repeats) with a t interval, whose degrees of freedom are Satterthwaite's.

    The spread between repeats holds everything that differs from repeat to repeat. What all of them share does not
    show in it, and is `sampling`.

    Args:
        values: one per seed: (seeds,).
        sampling: variance of the mean from what was sampled beside the seeds (architectures), taken as known.
        bounded: whether values lie in [-1, 1], as rank correlations do: the interval is then one of atanh.
        level: of the interval.
    """
    v = np.asarray(values, dtype=np.float64)
    value = float(v.mean())
    if len(v) < 3 or spread.df == 0:
        return Mean(value, None, None, len(v))
    between = spread.variance / len(v)
    share = between / (between + sampling) if between > 0 else 0.0
    df = spread.df / max(share, 1e-3) ** 2
    half = float(distributions.t.ppf((1 + level) / 2, df)) * math.sqrt(between + sampling)
    if not bounded:
        return Mean(value, value - half, value + half, len(v))
    return Mean(value, *within_bounds(value, half), len(v))


def within_bounds(value: float, half: float) -> tuple[float, float]:
    """An interval of a correlation: that of atanh, whose half-width is `half` by the slope of tanh, turned back."""
    if half == 0:
        return value, value
    slope = max(1 - value * value, 0.02)  # near -1 and 1 the slope alone would make half-widths infinite
    centre = math.atanh(max(-1 + 1e-9, min(1 - 1e-9, value)))
    low, high = math.tanh(centre - half / slope), math.tanh(centre + half / slope)
    return min(low, value), max(high, value)


def compare(
    base: ArrayLike, others: Sequence[ArrayLike], sampling: Sequence[float] | None = None, *, bound: float | None = 1.0
) -> Comparisons:
    """Compare settings with the base, unpaired, on every seed that is there.

    Args:
        base: one value per seed: (seeds,).
        others: the same of each setting.
        sampling: variance of each difference from what was sampled beside the seeds (architectures).
        bound: largest absolute value that the measure can take; None where it has none.
    """
    arrays = [np.asarray(v, dtype=np.float64) for v in (base, *others)]
    added = list(sampling) if sampling is not None else [0.0] * len(others)
    spreads = squeezed(arrays)
    kept = [k for k, x in enumerate(arrays[1:]) if min(len(arrays[0]), len(x)) >= 2]
    values = [float(x.mean() - arrays[0].mean()) for x in arrays[1:]]
    means = _TwoMeans.of(
        spreads[0], len(arrays[0]), [spreads[1 + k] for k in kept], [len(arrays[1 + k]) for k in kept],
        [added[k] for k in kept],
    )  # fmt: skip
    p = means.p(np.array(values)[kept])
    loads = np.sqrt(means.base / means.squared)
    q = distributions.false_discovery_control(p) if kept else p
    alone = individual_level(1 - LEVEL, loads) if kept else 0.0
    halves = means.half_widths(alone)
    places = {k: place for place, k in enumerate(kept)}
    out = []
    for k, value in enumerate(values):
        if k not in places:
            out.append(Difference(value, None, None, None, None, None))
            continue
        place = places[k]
        low, high = value - float(halves[place]), value + float(halves[place])
        if bound is not None:
            centre = float(arrays[0].mean())
            low, high = max(low, min(value, -bound - centre)), min(high, max(value, bound - centre))
        single = float(p[place])
        out.append(Difference(value, low, high, single, any_as_small(single, loads), float(q[place])))
    # Found with 80 %: the critical value and the 80 % quantile of t, in standard errors of a typical comparison.
    power = distributions.t.ppf(POWER, means.df) * np.sqrt(means.squared)
    detectable = float(np.median(halves + power)) if kept else None
    return Comparisons(out, spreads, detectable, _omnibus(arrays), typical_sd(arrays))


@dataclass(frozen=True)
class _TwoMeans:
    """Errors of the differences of k settings' means from that of the base; every array is (k,)."""

    base: Floats
    """Variance of the base's mean."""
    base_df: Floats
    own: Floats
    """Variance of the setting's mean."""
    own_df: Floats
    extra: Floats
    """Variance from what was sampled beside the seeds."""
    squeezed: bool

    @classmethod
    def of(
        cls, base: Spread, base_seeds: int, own: Sequence[Spread], seeds: Sequence[int], extra: Sequence[float]
    ) -> _TwoMeans:
        variances = np.array([spread.variance for spread in own]) / np.array(seeds, dtype=np.float64)
        dfs, count = np.array([spread.df for spread in own]), len(own)
        return cls(
            np.full(count, max(base.variance / base_seeds, _SMALLEST)),
            np.full(count, base.df),
            np.maximum(variances, _SMALLEST),
            dfs,
            np.array(extra, dtype=np.float64),
            bool((dfs > np.array(seeds) - 1).any()),
        )

    @property
    def squared(self) -> Floats:
        """Squared standard errors."""
        return self.base + self.own + self.extra

    @property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom (Biometrics 1946), good enough away from the tails."""
        freedom: Floats = (self.base + self.own) ** 2 / (self.base**2 / self.base_df + self.own**2 / self.own_df)
        return freedom

    def p(self, differences: Floats) -> Floats:
        """Two-sided p-values: the probability of a larger error, averaged over what both variances can be.

        Given the data, a variance is its estimate times df / chi-square. The tests that follow (Behrens and Fisher's)
        reject less than their level. Where variances are squeezed, this makes up for settings whose variance is not
        from the common law. Where they are not, the law of the variances is that of Ghosh and Kim (The
        Behrens-Fisher problem revisited, Canadian Journal of Statistics 2001), whose tests keep their level to the
        second order: a mixture of two that each give one of the variances two degrees of freedom more.
        """
        seeds_alone = self.base + self.own
        scaled = np.abs(differences) * np.sqrt(seeds_alone / self.squared)
        if self.squeezed:
            return self._tails(scaled, self.own_df, self.base_df)
        of_own = self.own * self._tails(scaled, self.own_df, self.base_df + 2)
        of_base = self.base * self._tails(scaled, self.own_df + 2, self.base_df)
        mixed: Floats = (of_own + of_base) / seeds_alone
        return mixed

    def _tails(self, scaled: Floats, own: Floats, base: Floats) -> Floats:
        """The share of two independent chi-squares in their sum is beta; given it, the error is Student's t."""
        total = own + base
        spread = np.sqrt(polygamma(1, own / 2) + polygamma(1, base / 2))
        logits = np.log(own / base)[:, None] + spread[:, None] * _LOGITS
        weights = log_expit(logits) * own[:, None] / 2 + log_expit(-logits) * base[:, None] / 2
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        variances = (self.own * self.own_df)[:, None] / expit(logits) + (self.base * self.base_df)[:, None] / expit(
            -logits
        )
        tails = 2 * stdtr(total[:, None], -scaled[:, None] / np.sqrt(variances / total[:, None]))
        mean: Floats = (tails * weights).sum(axis=1) / weights.sum(axis=1)
        return np.minimum(mean, 1.0)

    def half_widths(self, level: float) -> Floats:
        """The differences whose p-value is `level`: (k,)."""
        # On the scale of normal quantiles p is almost a straight line, on which secants converge in a few steps.
        goal = ndtri(level / 2)
        before = distributions.t.isf(level / 2, self.df) * np.sqrt(self.squared)
        after, at_before = 1.1 * before, ndtri(self.p(before) / 2)
        for _ in range(_STEPS):
            at_after = ndtri(self.p(after) / 2)
            rise = at_after - at_before
            share = np.divide(goal - at_after, rise, out=np.zeros_like(rise), where=np.abs(rise) > 1e-13)
            before, after, at_before = after, after + share * (after - before), at_after
            if np.allclose(after, before, rtol=1e-9, atol=0):
                break
        return after


_STEPS = 8
_LOGITS: Floats = np.linspace(-24, 24, 65)
"""Standard deviations from the centre at which the share of a chi-square is evaluated: its tails are exponential."""


def against_constant(values: ArrayLike, constant: float, spread: Spread, sampling: float = 0.0) -> Difference:
    """Mean over seeds less a number that has no seeds, with its 95 % interval and p-value; nothing is corrected.

    Args:
        values: correlations, one per seed: (seeds,).
        sampling: variance of the difference from what was sampled beside the seeds (architectures).
    """
    v = np.asarray(values, dtype=np.float64)
    value = float(v.mean()) - constant
    error = math.sqrt(max(spread.variance / len(v) + sampling, _SMALLEST))
    half = float(distributions.t.ppf((1 + LEVEL) / 2, spread.df)) * error
    p = float(2 * distributions.t.sf(abs(value) / error, spread.df))
    low, high = max(value - half, min(value, -1 - constant)), min(value + half, max(value, 1 - constant))
    return Difference(value, low, high, p, p, None)


def any_as_small(p: float, loads: ArrayLike) -> float:
    """Dunnett's correction: the probability that any of k comparisons without a difference has a p-value as small.

    The comparisons share the base, so their test statistics have a common part u: correlations are l_i l_j, with l_i
    the
    base's share of the standard error. Given u they are independent:
    1 - E_u prod_i [Phi((z + l_i u) / s_i) - Phi((-z + l_i u) / s_i)], s_i^2 = 1 - l_i^2, with z the normal quantile
    of p.
    That the settings' variances are estimated is in p itself; that these estimates are related is left out, which errs
    on the safe side.
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
_WEIGHTS: Floats = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()


def individual_level(level: float, loads: ArrayLike) -> float:
    """The level of each single comparison at which all together have `level`."""
    count = len(np.atleast_1d(np.asarray(loads)))
    if count == 1:
        return level
    return float(brentq(lambda p: any_as_small(p, loads) - level, level / count / 2, level, xtol=1e-7))


def _omnibus(arrays: Sequence[Floats]) -> float | None:
    groups = [v for v in arrays if len(v) > 1]
    if len(groups) < 2 or not any(np.ptp(v) > 0 for v in groups):
        return None
    return float(distributions.f_oneway(*groups).pvalue)


def typical_sd(arrays: Sequence[ArrayLike]) -> float | None:
    """Pooled standard deviation between seeds of one setting."""
    groups = [np.asarray(v, dtype=np.float64) for v in arrays]
    df = sum(len(v) - 1 for v in groups)
    return math.sqrt(sum(float(np.square(v - v.mean()).sum()) for v in groups) / df) if df > 0 else None


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
