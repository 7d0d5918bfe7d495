"""Uncertainty of rank correlations: bootstrap over architectures, paired comparisons, and the ground truth's ceiling.

A resample says how often each architecture was drawn. Statistics take many resamples at once as counts of shape
(n, resamples) and return (resamples,), so that all statistics of a report see the same resamples and their
differences are paired.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.concordance import Concordance, group_sums
from harness.metrics import MetricError, checked, kendall_tau

Counts = NDArray[np.float32]
Statistic = Callable[[Counts], NDArray[np.float64]]

_CHUNK = 4_000_000
"""Counts held at a time."""


@dataclass(frozen=True)
class Estimate:
    """A value and its percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Estimate):
    """A paired difference with its interval and two-sided bootstrap p-value."""

    p: float
    smallest_p: float
    """The least p-value that this number of resamples can give."""


def resamples(n: int, count: int, seed: int) -> Iterator[Counts]:
    """Chunks of bootstrap resamples of n architectures, each of shape (n, at most 64), `count` in all."""
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

    `progress` is called with the number of resamples done.
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
    """Percentile interval of bootstrap draws."""
    low, high = np.quantile(np.asarray(draws), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def estimate(value: float, draws: ArrayLike, level: float = 0.95) -> Estimate:
    """A value with the percentile interval of its draws."""
    return Estimate(value, *interval(draws, level))


def paired_difference(
    a: float, b: float, draws_a: NDArray[np.float64], draws_b: NDArray[np.float64], level: float = 0.95
) -> Difference:
    """a - b on the same resamples of the same architectures.

    p = 2 min(#{d <= 0} + 1, #{d >= 0} + 1) / (resamples + 1), at most 1: the level at which the percentile
    interval would just reach 0. Two identical score sets have p = 1.
    """
    draws = draws_a - draws_b
    floor = 2 / (len(draws) + 1)
    tail = min((draws <= 0).sum(), (draws >= 0).sum()) + 1
    return Difference(a - b, *interval(draws, level), p=min(1.0, float(tail * floor)), smallest_p=floor)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment for testing several hypotheses at once."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1, np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order]))
    return [float(value) for value in adjusted]


# ---- statistics for the bootstrap -------------------------------------------------------------------------------


def kendall_statistic(scores: ArrayLike, truth: ArrayLike, members: NDArray[np.bool_] | None = None) -> Statistic:
    """Kendall's tau-b on each resample, among `members` (a fixed set, shape (n,)) only where given."""
    x, y = checked(scores, truth)
    if members is None:
        return Concordance(x, y).tau
    rows = np.flatnonzero(members)
    if len(rows) < 2:
        return lambda counts: np.zeros(counts.shape[1])
    pairs = Concordance(x[rows], y[rows])
    return lambda counts: pairs.tau(counts[rows])


def spearman_statistic(scores: ArrayLike, truth: ArrayLike) -> Statistic:
    """Spearman's rho on each resample."""
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
    """Pearson's r on each resample."""
    x, y = ((v - v.mean()) / max(v.std(), 1e-300) for v in checked(scores, truth))
    moments = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])

    def r(counts: Counts) -> NDArray[np.float64]:
        size, sx, sy, sxx, syy, sxy = moments @ counts
        spread = np.maximum(size * sxx - sx * sx, 0), np.maximum(size * syy - sy * sy, 0)
        return _ratio(size * sxy - sx * sy, np.sqrt(spread[0]) * np.sqrt(spread[1]))

    return r


def _ratio(product: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 by rule where one side is constant in a resample."""
    return np.divide(product, scale, out=np.zeros(len(product)), where=scale > 1e-9)


# ---- the ceiling -----------------------------------------------------------------------------------------------


def ceiling(columns: Mapping[str, ArrayLike]) -> tuple[float, list[tuple[str, str, float, int]]]:
    """Mean tau-b between repeats of the ground truth: how well its own noise lets anything rank.

    Args:
        columns: repeat -> values of shape (n,), NaN where that repeat was not made.

    Returns:
        The mean over pairs, and for each pair (repeat, repeat, tau, architectures with both).
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
