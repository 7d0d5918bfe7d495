"""How small an effect a design of seeds can find, and how many seeds an effect takes, before anything is run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions

from supernet.harness.statistics.dunnett import LEVEL, individual_level
from supernet.harness.statistics.spreads import OWN_VARIANCE, Floats, Spread
from supernet.harness.statistics.two_means import TwoMeans

POWER = 0.8
"""Probability with which the smallest detectable difference is found."""
MOST_SEEDS = 2000
"""Seeds of a changed setting beyond which no design is looked for."""


@dataclass(frozen=True)
class Design:
    """How many settings are compared with one base, and with how many seeds."""

    comparisons: int
    base_seeds: int
    seeds: int
    """Number of seeds of every setting but the base."""

    @property
    def runs(self) -> int:
        """Trainings that the design takes."""
        return self.base_seeds + self.comparisons * self.seeds


def smallest_detectable(means: TwoMeans, half_widths: Floats) -> float:
    """The true difference that a typical comparison finds with 80 % power.

    It is the critical value and the 80 % quantile of t, both in standard errors, the median over comparisons.

    Args:
        half_widths: the differences at which each comparison becomes significant: (k,).
    """
    power = distributions.t.ppf(POWER, means.df) * np.sqrt(means.squared)
    return float(np.median(half_widths + power))


def detectable(sd: float, design: Design, sampling: float = 0.0) -> float | None:
    """The smallest true difference that a design finds with 80 % power at a family-wise level of 5 %.

    Args:
        sd: standard deviation between the seeds of one setting, taken to be alike in all settings.
        sampling: variance of a difference from the sampling of architectures.

    Returns:
        None where settings or base have fewer than two seeds, or nothing is compared: nothing is tested then.
    """
    if design.comparisons < 1 or min(design.base_seeds, design.seeds) < 2:
        return None
    k, r, m = design.comparisons, design.seeds, design.base_seeds
    # What squeezing adds: the common variance counts for at most half of the other settings' degrees of freedom.
    shared = k * (r - 1) / 2 if k >= 3 else 0.0
    base = Spread(sd**2, m - 1 + (0.0 if m >= OWN_VARIANCE else shared))
    means = TwoMeans.of(base, m, [Spread(sd**2, r - 1 + shared)] * k, [r] * k, [sampling] * k)
    alone = individual_level(1 - LEVEL, np.sqrt(means.base / means.squared))
    return smallest_detectable(means, means.half_widths(alone))


def design_for(effect: float, sd: float, comparisons: int, sampling: float = 0.0) -> Design | None:
    """The smallest design that finds a true difference of this size with 80 % power.

    The base has sqrt(comparisons) times the seeds of the other settings, which is best for equal variances (Dunnett,
    JASA 1955), and at least as many as it takes to use its own variance.

    Returns:
        None if no number of seeds is enough: architectures alone hide the effect.
    """

    def design(seeds: int) -> Design:
        base = max(OWN_VARIANCE, math.ceil(seeds * math.sqrt(comparisons)))
        return Design(comparisons, base if comparisons > 1 else seeds, seeds)

    def enough(seeds: int) -> bool:
        found = detectable(sd, design(seeds), sampling)
        return found is not None and found <= effect

    if not enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS  # the first is never enough, the last always
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return design(high)


def upper_sd(sd: float, df: float, confidence: float = POWER) -> float:
    """The standard deviation that a true one exceeds with a probability of 1 - confidence, given an estimate of it.

    Args:
        df: degrees of freedom of the estimate.
    """
    return sd * math.sqrt(df / float(distributions.chi2.ppf(1 - confidence, df)))


def pooled(values: Sequence[Floats]) -> Spread:
    """Variance between the values of one group, pooled over groups of any size, with its degrees of freedom."""
    df = sum(len(v) - 1 for v in values)
    squares = sum(float(np.square(v - v.mean()).sum()) for v in values)
    return Spread(squares / df if df else 0.0, df)
