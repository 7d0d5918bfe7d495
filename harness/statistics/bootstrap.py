"""Uncertainty of rank correlations: bootstrap over architectures, paired comparisons, and the ground truth's ceiling.

A resample is given by how often each architecture was drawn. Statistics take many resamples at once, as counts of shape
(n, resamples), and return (resamples,), so that all statistics of a report use the same resamples and their differences
are paired.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from supernet.harness.statistics.concordance import Concordance, group_sums
from supernet.harness.statistics.metrics import MetricError, checked, kendall_tau, true_top

Counts = NDArray[np.float32]
"""How often each architecture was drawn: (n, resamples)."""
Statistic = Callable[[Counts], NDArray[np.float64]]
"""Maps counts to the value on each resample: (resamples,)."""

_CHUNK = 4_000_000
"""Most counts in a chunk of resamples, which take 16 MB as float32."""

LEAST = 10
"""Smallest number of architectures in a ranking. This is our choice: intervals of fewer are uninformative."""
ROUGH = 50
"""Number of architectures below which reports call intervals rough. This is our choice, too."""


def enough(architectures: int) -> None:
    """Check that there are enough architectures for a ranking.

    Raises:
        MetricError: there are fewer than LEAST.
    """
    if architectures < LEAST:
        raise MetricError(
            f"A ranking of {architectures} architecture{'' if architectures == 1 else 's'} cannot be judged: rank "
            f"correlations need {LEAST} or more, and their intervals {ROUGH} or more. Score more architectures."
        )


@dataclass(frozen=True)
class Estimate:
    """A value with its percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Estimate):
    """A paired difference with its interval and two-sided p-value."""

    p: float
    smallest_p: float | None = None
    """The smallest p-value that the method can give; None if there is no such bound."""


def resamples(n: int, count: int, seed: int) -> Iterator[Counts]:
    """Yield `count` bootstrap resamples of n architectures, in chunks of shape (n, at most 64)."""
    rng = np.random.default_rng(seed)
    chunk = max(1, min(64, _CHUNK // n))
    for start in range(0, count, chunk):
        size = min(chunk, count - start)
        draws = [np.bincount(rng.integers(n, size=n), minlength=n).astype(np.float32) for _ in range(size)]
        yield np.stack(draws, axis=1)


def bootstrap(
    statistics: Mapping[str, Statistic],
    n: int,
    *,
    count: int = 1000,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The statistics on `count` common resamples of n architectures: name -> draws of shape (count,).

    Args:
        statistics: name -> statistic.
        seed: seed of the resamples.
        progress: called with the number of resamples that are done.
    """
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in statistics}
    done = 0
    for counts in resamples(n, count, seed):
        for name, statistic in statistics.items():
            parts[name].append(statistic(counts))
        done += counts.shape[1]
        if progress:
            progress(done)
    return {name: np.concatenate(draws) for name, draws in parts.items()}


def interval(draws: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval (low, high) of bootstrap draws, (resamples,)."""
    low, high = np.quantile(np.asarray(draws), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def estimate(value: float, draws: ArrayLike, level: float = 0.95) -> Estimate:
    """A value with the percentile interval of its draws."""
    return Estimate(value, *interval(draws, level))


def paired_difference(
    a: float, b: float, draws_a: NDArray[np.float64], draws_b: NDArray[np.float64], level: float = 0.95
) -> Difference:
    """a - b on the same resamples, with a p-value counted from the draws, which may have any distribution.

    p = 2 min(#{d <= 0} + 1, #{d >= 0} + 1) / (resamples + 1), at most 1: the level at which the percentile
    interval would just reach 0. Two identical score sets have p = 1. The number of resamples bounds p from below.

    Args:
        a, b: the statistic of each score set.
        draws_a, draws_b: its bootstrap draws on common resamples: (resamples,).
        level: level of the interval.
    """
    draws = draws_a - draws_b
    floor = 2 / (len(draws) + 1)
    tail = min((draws <= 0).sum(), (draws >= 0).sum()) + 1
    return Difference(a - b, *interval(draws, level), p=min(1.0, float(tail * floor)), smallest_p=floor)


def difference_of_correlations(
    a: float,
    b: float,
    draws_a: NDArray[np.float64],
    draws_b: NDArray[np.float64],
    level: float = 0.95,
    *,
    df: float = math.inf,
) -> Difference:
    """a - b of two correlations on the same bootstrap resamples of the same architectures.

    The interval is the percentile interval of the differences, cut to what a - b can be, given b: [-1 - b, 1 - b]. The
    p-value compares the difference with the bootstrap's standard error under Student's t, so that it does not depend on
    the number of resamples. Two identical score sets have p = 1.

    Args:
        a, b: the correlations.
        draws_a, draws_b: their bootstrap draws on common resamples: (resamples,).
        level: level of the interval.
        df: degrees of freedom of t, the number of architectures minus 1; by default infinite, for the normal
            distribution.
    """
    draws = draws_a - draws_b
    low, high = (float(np.clip(end, -1 - b, 1 - b)) for end in interval(draws, level))
    return Difference(a - b, low, high, p=p_value(a - b, float(draws.std(ddof=1)), df))


def p_value(difference: float, error: float, df: float = math.inf) -> float:
    """Two-sided p-value of a difference with this standard error under Student's t; 1 if both are 0."""
    if error > 0:
        return (
            float(2 * special.stdtr(df, -abs(difference) / error))
            if math.isfinite(df)
            else float(2 * special.ndtr(-abs(difference) / error))
        )
    return 1.0 if difference == 0 else 0.0


def common_variance(draws: NDArray[np.float64]) -> float:
    """The variance that repeats have in common, because they share architectures.

    It is the mean covariance of two repeats' draws. Repeats without common architectures have none: then the spread
    between repeats already covers the choice of architectures, and nothing is counted twice.

    Args:
        draws: bootstrap draws of each of two or more repeats on common resamples: (repeats, resamples).
    """
    count = len(draws)
    covariance = np.cov(draws)
    return max(0.0, float((covariance.sum() - np.trace(covariance)) / (count * (count - 1))))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values after Holm's step-down correction (Scandinavian Journal of Statistics 1979), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    return [float(value) for value in adjusted]


# ---- statistics for the bootstrap -------------------------------------------------------------------------------


def kendall_statistic(scores: ArrayLike, truth: ArrayLike, members: NDArray[np.bool_] | None = None) -> Statistic:
    """Kendall's tau-b on each resample.

    Args:
        scores, truth: (n,), finite.
        members: marks the architectures among which tau is taken, the same in all resamples: (n,); by default all.
    """
    x, y = checked(scores, truth)
    if members is None:
        return Concordance(x, y).tau
    rows = np.flatnonzero(members)
    if len(rows) < 2:
        return lambda counts: np.zeros(counts.shape[1])
    pairs = Concordance(x[rows], y[rows])
    return lambda counts: pairs.tau(counts[rows])


def spearman_statistic(scores: ArrayLike, truth: ArrayLike) -> Statistic:
    """Spearman's rho on each resample of scores and truth, (n,) each."""
    groups = [np.unique(values, return_inverse=True)[1] for values in checked(scores, truth)]
    sums = [group_sums(group) for group in groups]

    def rho(counts: Counts) -> NDArray[np.float64]:
        mean = (counts.sum(axis=0, dtype=np.float64) + 1) / 2
        ranks, squares = [], []
        for to_groups in sums:
            size = to_groups @ counts.astype(np.float64)
            centred = np.cumsum(size, axis=0) - (size - 1) / 2 - mean
            ranks.append(centred)
            squares.append(np.einsum("gr,gr,gr->r", size, centred, centred))
        product = np.einsum("ir,ir,ir->r", counts, ranks[0][groups[0]], ranks[1][groups[1]], dtype=np.float64)
        return _ratio(product, np.sqrt(squares[0]) * np.sqrt(squares[1]))

    return rho


def pearson_statistic(scores: ArrayLike, truth: ArrayLike) -> Statistic:
    """Pearson's r on each resample of scores and truth, (n,) each; their scale does not matter."""
    x, y = (v / max(float(np.abs(v).max()), np.finfo(float).tiny) for v in checked(scores, truth))

    def r(counts: Counts) -> NDArray[np.float64]:
        weights = counts.astype(np.float64)
        dx, dy = _deviations(x, weights), _deviations(y, weights)
        squares = [np.einsum("ir,ir,ir->r", weights, d, d) for d in (dx, dy)]
        return _ratio(np.einsum("ir,ir,ir->r", weights, dx, dy), np.sqrt(squares[0]) * np.sqrt(squares[1]))

    return r


def _deviations(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Deviations from the mean of each resample, scaled to a largest absolute value of 1: (n, resamples).

    They are 0 for values that are not drawn, and where all values that are drawn are equal.
    """
    mean = values @ weights / weights.sum(axis=0)
    deviations = (values[:, None] - mean) * (weights > 0)
    largest = np.abs(deviations).max(axis=0)
    # Smaller deviations are the rounding of the mean of equal values.
    differ = largest > 1e-13 * np.abs(mean)
    return np.divide(deviations, largest, out=np.zeros_like(deviations), where=differ)


def _ratio(product: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation in each resample, which is 0 by rule where one side is constant."""
    ratio = np.divide(product, scale, out=np.zeros(len(product)), where=scale > 1e-9)
    return np.clip(ratio, -1, 1)


# ---- the ceiling -----------------------------------------------------------------------------------------------


def ceiling(columns: Mapping[str, ArrayLike]) -> tuple[float, list[tuple[str, str, float, int]]]:
    """Mean tau-b between single repeats of the ground truth.

    Args:
        columns: repeat -> values of shape (n,), NaN where an architecture was not measured in that repeat.

    Returns:
        The mean over pairs of repeats, and for each pair (repeat, repeat, tau, number of architectures with both).

    Raises:
        MetricError: no two repeats share architectures with different values.
    """
    pairs = []
    for (name_a, a), (name_b, b) in itertools.combinations(columns.items(), 2):
        x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
        both = ~np.isnan(x) & ~np.isnan(y)
        if both.sum() >= 2 and min(np.ptp(x[both]), np.ptp(y[both])) > 0:
            pairs.append((name_a, name_b, kendall_tau(x[both], y[both]), int(both.sum())))
    if not pairs:
        raise MetricError("A ceiling needs two repeats of the ground truth that share architectures.")
    return float(np.mean([tau for _, _, tau, _ in pairs])), pairs


def attainable_tau(single_tau: float, repeats: int) -> float:
    """tau of a perfect ranker against the mean of `repeats` repeats, given tau between two single repeats.

    Let every repeat be the expected accuracy plus independent noise, both normal after a monotone change of scale, and
    let r be the correlation of two repeats. For normal variables tau = (2 / pi) asin(r) (Greiner 1909), so
    r = sin(pi tau / 2). The mean of m repeats has the reliability R = m r / (1 + (m - 1) r) (Spearman and Brown, 1910),
    which is the squared correlation of the expected accuracy with that mean. A perfect ranker, which gives the expected
    accuracies, therefore reaches (2 / pi) asin(sqrt(R)).

    Args:
        single_tau: tau between two single repeats, in [-1, 1]; if they do not agree (0 or less), 0 is attainable.
        repeats: number of repeats that the measure is the mean of, 1 or more.
    """
    r = max(0.0, math.sin(math.pi * single_tau / 2))
    reliability = repeats * r / (1 + (repeats - 1) * r)
    return 2 / math.pi * math.asin(math.sqrt(min(1.0, reliability)))


def attainable_in_top(
    readings: NDArray[np.float64], repeats: int, fraction: float = 0.1, *, rounds: int = 20, seed: int = 0
) -> float | None:
    """tau of a perfect ranker against the mean of repeats, among the best `fraction` by that mean.

    The formula of `attainable_tau` does not hold there, because the members are chosen by the noisy mean itself. So
    the choice is simulated. The standard deviation of the noise is that between the repeats of an architecture,
    averaged over architectures of similar accuracy, and at most that at the median. The expected accuracies are the
    values that give back the observed distribution of means once noise is added, found by iterated matching of
    quantiles. Then means of `repeats` noisy repeats are drawn, the best are chosen by them, and the expected accuracies
    are compared with them.

    Args:
        readings: accuracies in percent, (available repeats, n), NaN where one is missing; architectures with fewer
            than two are left out.
        repeats: number of repeats that the measure is the mean of.
        fraction: the best fraction, in (0, 1].
        rounds: number of simulations.
        seed: seed of the simulations.

    Returns:
        The mean over simulations; None if the top has fewer than LEAST architectures.
    """
    readings = readings[:, (~np.isnan(readings)).sum(axis=0) >= 2]
    n = readings.shape[1]
    if fraction * n < LEAST - 1e-9:
        return None
    made = (~np.isnan(readings)).sum(axis=0)
    means = np.nanmean(readings, axis=0)
    order = np.argsort(means, kind="stable")
    observed = means[order]
    noise = np.sqrt(_moving_mean(np.nanvar(readings, axis=0, ddof=1)[order], int(np.clip(n // 10, 41, 401))))
    # Poor architectures vary more, because some of their repeats fail. That noise is downward: normal noise of this
    # size would carry failures into the top.
    noise = np.minimum(noise, noise[n // 2])
    rng = np.random.default_rng(seed)
    expected = _before_noise(observed, noise / np.sqrt(made.mean()), rng)
    taus = []
    for _ in range(rounds):
        mean = expected + noise / math.sqrt(repeats) * rng.normal(size=n)
        top = true_top(mean, fraction)
        taus.append(kendall_tau(expected[top], mean[top]))
    return float(np.clip(np.mean(taus), 0, 1))


def _before_noise(
    observed: NDArray[np.float64], noise: NDArray[np.float64], rng: np.random.Generator, steps: int = 12
) -> NDArray[np.float64]:
    """Ascending values that have the distribution of `observed`, which is ascending, once normal noise is added: (n,).

    Args:
        noise: standard deviation of the noise of each value: (n,).
        steps: number of iterations of the matching of quantiles.
    """
    expected = observed.copy()
    for _ in range(steps):
        noisy = np.mean([np.sort(expected + noise * rng.normal(size=len(noise))) for _ in range(4)], axis=0)
        expected = np.sort(expected + 0.5 * (observed - noisy))
    return expected


def _moving_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean over a window of `width` places, which is shorter at both ends: (n,)."""
    sums = np.append(0.0, np.cumsum(values))
    places = np.arange(len(values))
    first, last = np.maximum(places - width // 2, 0), np.minimum(places + width // 2 + 1, len(values))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means
