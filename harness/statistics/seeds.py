"""Intervals of means over a few seeds, and comparisons of settings with a few seeds each.

Seeds of different settings share nothing (training is chaotic: the same seed under another setting is another draw), so
settings are compared unpaired: with squeezed variances (`spreads`), by a test of two means (`two_means`), corrected for
the number of settings (`dunnett`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from supernet.harness.statistics.dunnett import LEVEL, any_as_small, individual_level
from supernet.harness.statistics.power import pooled, smallest_detectable
from supernet.harness.statistics.shrinkage import shrunken
from supernet.harness.statistics.spreads import SMALLEST, Floats, Spread, squeezed
from supernet.harness.statistics.two_means import TwoMeans


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
    within: float | None = None
    """The smallest margin that is shown to hold the true difference: two one-sided tests, with a family-wise level of
    5 % over all comparisons. It is the end that lies further from 0 of the simultaneous 90 % interval."""
    expected: float | None = None
    """The difference to expect given all of the study's differences, of which the largest are too large."""
    se: float | None = None
    """Standard error of the difference alone, from seeds and from the choice of architectures; None where it is not
    tested."""

    @property
    def clear(self) -> bool:
        """Whether the setting differs from the base at the 5 % level after Dunnett's correction."""
        return self.p_corrected is not None and self.p_corrected < 1 - LEVEL

    def negligible(self, margin: float) -> bool:
        """Whether the true difference is shown to be smaller than a margin."""
        return self.within is not None and self.within < margin


@dataclass(frozen=True)
class Comparisons:
    """All settings of a study against its base."""

    differences: list[Difference]
    """In the order of the settings."""
    spreads: list[Spread]
    """Spreads of the base, then of the settings."""
    detectable: float | None
    """Smallest true difference that a typical one of the comparisons finds with 80 % power; None if none is tested."""
    omnibus_p: float | None
    """That all settings, the base among them, have the same mean: one-way analysis of variance (F test)."""
    pooled: Spread
    """Variance between seeds of one setting, pooled over settings; no degrees of freedom without repeated seeds."""
    sampling: float
    """Variance of a typical difference from the sampling of architectures."""


def mean_of(
    values: ArrayLike, spread: Spread, sampling: float = 0.0, *, bounded: bool = True, level: float = LEVEL
) -> Mean:
    """Mean over seeds (or other repeats) with a t interval, whose degrees of freedom are Satterthwaite's.

    The spread between repeats holds everything that differs from repeat to repeat. What all of them share does not
    show in it, and is `sampling`.

    Args:
        values: one per seed: (seeds,).
        sampling: variance of the mean from the sampling of architectures, taken as known.
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
        sampling: variance of each difference from the sampling of architectures.
        bound: largest absolute value that the measure can take; None where it has none.
    """
    arrays = [np.asarray(v, dtype=np.float64) for v in (base, *others)]
    added = list(sampling) if sampling is not None else [0.0] * len(others)
    spreads = squeezed(arrays)
    kept = [k for k, x in enumerate(arrays[1:]) if min(len(arrays[0]), len(x)) >= 2]
    values = [float(x.mean() - arrays[0].mean()) for x in arrays[1:]]
    means = TwoMeans.of(
        spreads[0], len(arrays[0]), [spreads[1 + k] for k in kept], [len(arrays[1 + k]) for k in kept],
        [added[k] for k in kept],
    )  # fmt: skip
    p = means.p(np.array(values)[kept])
    loads = np.sqrt(means.base / means.squared)
    q = distributions.false_discovery_control(p) if kept else p
    halves = means.half_widths(individual_level(1 - LEVEL, loads)) if kept else p
    # Two one-sided tests at 5 % each are one interval of 90 %.
    narrower = means.half_widths(individual_level(2 * (1 - LEVEL), loads)) if kept else p
    expected = shrunken(np.array(values)[kept], means.own + means.extra) if kept else p
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
        single, within = float(p[place]), abs(value) + float(narrower[place])
        corrected, error = any_as_small(single, loads), math.sqrt(float(means.squared[place]))
        drawn = float(expected[place])
        out.append(Difference(value, low, high, single, corrected, float(q[place]), within, drawn, error))
    return Comparisons(
        out,
        spreads,
        smallest_detectable(means, halves) if kept else None,
        _omnibus(arrays),
        pooled(arrays),
        float(np.median([added[k] for k in kept])) if kept else 0.0,
    )


def uncompared(arrays: Sequence[ArrayLike]) -> Comparisons:
    """How much the seeds of settings differ, the base first, without a comparison of settings."""
    groups = [np.asarray(v, dtype=np.float64) for v in arrays]
    return Comparisons([], squeezed(groups), None, None, pooled(groups), 0.0)


def against_constant(values: ArrayLike, constant: float, spread: Spread, sampling: float = 0.0) -> Difference:
    """Mean over seeds less a number that has no seeds, with its 95 % interval and p-value; nothing is corrected.

    Args:
        values: correlations, one per seed: (seeds,).
        sampling: variance of the difference from the sampling of architectures.
    """
    v = np.asarray(values, dtype=np.float64)
    value = float(v.mean()) - constant
    error = math.sqrt(max(spread.variance / len(v) + sampling, SMALLEST))
    half = float(distributions.t.ppf((1 + LEVEL) / 2, spread.df)) * error
    p = float(2 * distributions.t.sf(abs(value) / error, spread.df))
    low, high = max(value - half, min(value, -1 - constant)), min(value + half, max(value, 1 - constant))
    return Difference(value, low, high, p, p, None, se=error)


def _omnibus(arrays: Sequence[Floats]) -> float | None:
    groups = [v for v in arrays if len(v) > 1]
    if len(groups) < 2 or not any(np.ptp(v) > 0 for v in groups):
        return None
    return float(distributions.f_oneway(*groups).pvalue)
