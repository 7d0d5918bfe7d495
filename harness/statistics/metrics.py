"""Metrics of how well scores rank architectures, as pure functions on arrays.

Every metric takes `scores` and `truth`, both of shape (n,) with higher being better, and returns a float.

Rules that hold throughout:

* NaN or infinite values, fewer than two values and arrays of different lengths raise MetricError; the message gives
  the first bad value.
* Constant truth raises MetricError, because there is no order to recover. Constant scores contain no order, so
  correlations with them are 0 by rule.
* Ties are resolved by rule, never by the order of the input. For tied scores at a cut-off, the expectation is taken
  over all ways of breaking the tie, which are equally likely.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from supernet.benchmarks.errors import UserError
from supernet.harness.statistics.concordance import Concordance

Vector = NDArray[np.float64]

NOISE = 1e-9
"""Tolerance when accuracies are compared with thresholds, so that the binary rounding of decimal fractions such as 93.1
does not decide on which side they fall."""


class MetricError(UserError, ValueError):
    """The metric is undefined on this input."""


def checked(scores: ArrayLike, truth: ArrayLike) -> tuple[Vector, Vector]:
    """Scores and truth as float64 vectors: (n,) each.

    Raises:
        MetricError: they break one of the rules above.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise MetricError(f"Scores and truth must be vectors of one length, not of shapes {x.shape} and {y.shape}.")
    if len(x) < 2:
        raise MetricError(f"A ranking needs two or more architectures, got {len(x)}.")
    for name, values in (("score", x), ("truth", y)):
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise MetricError(f"{len(bad)} {name} value(s) are not finite, the first {values[bad[0]]} at {bad[0]}.")
    if y.min() == y.max():
        raise MetricError(f"All {len(y)} true values are {y[0]}: there is no order to recover.")
    return x, y


def _constant(values: Vector) -> bool:
    """Whether all values are equal, by a comparison, because a difference may overflow."""
    return bool(values.min() == values.max())


def _within_one(value: float) -> float:
    """A correlation, clipped to [-1, 1], which rounding may leave."""
    return float(np.clip(value, -1, 1))


# ---- correlations ----------------------------------------------------------------------------------------------


def kendall_tau(scores: ArrayLike, truth: ArrayLike) -> float:
    """Kendall's tau-b = (P - Q) / sqrt((n0 - n1)(n0 - n2)).

    P and Q are the numbers of concordant and discordant pairs, n0 that of all pairs, and n1 and n2 those of the pairs
    that tie in the scores and in the truth.
    """
    x, y = checked(scores, truth)
    return 0.0 if _constant(x) else _within_one(stats.kendalltau(x, y).statistic)


def spearman(scores: ArrayLike, truth: ArrayLike) -> float:
    """Spearman's rho: Pearson's r of the mid-ranks."""
    x, y = checked(scores, truth)
    return pearson(stats.rankdata(x), stats.rankdata(y))


def pearson(scores: ArrayLike, truth: ArrayLike) -> float:
    """Pearson's r, which does not depend on the scale of either side, however large or small the values are."""
    x, y = checked(scores, truth)
    x, y = centred(x), centred(y)
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    return float(np.clip(x @ y / scale, -1, 1)) if scale > 0 else 0.0


def centred(values: Vector) -> Vector:
    """The values minus their mean, divided by the largest deviation; zeros if all are equal: (n,)."""
    if _constant(values):
        return np.zeros_like(values)
    scaled = values / np.abs(values).max()  # first, because sums and squares of values beyond 1e154 overflow
    scaled -= scaled.mean()
    return scaled / np.abs(scaled).max()


def weighted_tau(scores: ArrayLike, truth: ArrayLike) -> float:
    """Vigna's weighted tau (WWW 2015) with additive hyperbolic weights, in which disorder among the best counts most.

    It is the mean of two values, weighted by ranks in the scores and in the truth, as in `scipy.stats.weightedtau`.
    """
    x, y = checked(scores, truth)
    return 0.0 if _constant(x) else _within_one(stats.weightedtau(x, y).statistic)


def agreement(a: ArrayLike, b: ArrayLike) -> float:
    """tau-b between two rankings, (n,) each, neither of which is the truth; 0 by rule if either is constant."""
    return 0.0 if _constant(np.asarray(a)) or _constant(np.asarray(b)) else kendall_tau(a, b)


def partial_tau(scores: ArrayLike, truth: ArrayLike, control: ArrayLike) -> float:
    """Kendall's partial tau given a third variable, such as parameter count (Kendall, Biometrika 1942).

    (t_st - t_sc t_tc) / sqrt((1 - t_sc^2)(1 - t_tc^2)), where t_st, t_sc and t_tc are tau-b between scores, truth and
    control; 0 by rule if the control determines either order. A constant control changes nothing.
    """
    st, sc, tc = kendall_tau(scores, truth), agreement(scores, control), agreement(truth, control)
    return float(partial_of(st, sc, tc))


def partial_of(st: ArrayLike, sc: ArrayLike, tc: ArrayLike) -> Vector:
    """`partial_tau` from the taus of scores and truth, scores and control, truth and control: any one shape."""
    of_scores, of_truth = np.asarray(sc, dtype=np.float64), np.asarray(tc, dtype=np.float64)
    scale = np.sqrt(np.maximum(0.0, 1 - of_scores**2)) * np.sqrt(np.maximum(0.0, 1 - of_truth**2))
    known = scale > 1e-12
    partial: Vector = np.where(known, (np.asarray(st) - of_scores * of_truth) / np.where(known, scale, 1.0), 0.0)
    return np.clip(partial, -1, 1)


# ---- sparse tau, in the variants that publications use under one name --------------------------------------------


def sparse_tau_binned(scores: ArrayLike, truth: ArrayLike, threshold: float, origin: float = 0.0) -> float:
    """tau-b against the truth cut into bins: floor((truth - origin) / threshold).

    This is the definition in the text of Yu et al. (TPAMI 2021). With `origin = -threshold / 2`, the truth is rounded
    to the threshold, as in aw_nas. The value is 0 by rule if all of the truth is in one bin.
    """
    x, y = checked(scores, truth)
    bins = _bins(y, threshold, origin)
    return 0.0 if np.ptp(bins) == 0 else kendall_tau(x, bins)


def sparse_tau_positions(scores: ArrayLike, truth: ArrayLike, threshold: float, origin: float = 0.0) -> float:
    """Sparse tau as in the released code of Yu et al.: the i-th architecture by score gets the i-th smallest true bin.

    `compute_sparse_rank_metric` of kcyu2014/nas-landmarkreg compares the sorted bins with the bins in predicted order,
    so that the scores inherit the ties of the truth, which raises the value. Tied scores, whose order that code leaves
    to its sort, take the mean bin of their positions here.
    """
    x, y = checked(scores, truth)
    bins = _bins(y, threshold, origin)
    if np.ptp(bins) == 0 or _constant(x):
        return 0.0
    _, group, size = np.unique(x, return_inverse=True, return_counts=True)
    ends = np.cumsum(size)
    sums = np.append(0.0, np.cumsum(np.sort(bins)))
    inherited = (sums[ends] - sums[ends - size]) / size
    return kendall_tau(inherited[group], bins)


def sparse_tau_tolerance(scores: ArrayLike, truth: ArrayLike, threshold: float) -> float:
    """tau-b in which pairs whose truths differ by less than the threshold count as ties, without bins."""
    x, y = checked(scores, truth)
    _positive(threshold)
    reach = threshold - NOISE
    ordered = np.sort(y)
    kept = (len(y) - np.searchsorted(ordered, ordered + reach, side="right")).sum()
    pairs = len(x) * (len(x) - 1) / 2
    _, sizes = np.unique(x, return_counts=True)
    scale = math.sqrt(pairs - (sizes * (sizes - 1)).sum() / 2) * math.sqrt(kept)
    # Against a copy of itself moved up by the threshold, a pair closer than that cancels and any other counts
    # twice; the pairs within either copy are taken off.
    shifted = Concordance(np.append(x, x), np.append(y, y - reach)).excess(np.ones((2 * len(x), 1)))[0]
    within = Concordance(x, y).excess(np.ones((len(x), 1)))[0]
    return float((shifted - 2 * within) / 2 / scale) if scale > 0 else 0.0


def _bins(truth: Vector, threshold: float, origin: float) -> Vector:
    _positive(threshold)
    return np.floor((truth - origin) / threshold + NOISE)


def _positive(threshold: float) -> None:
    if not threshold > 0:
        raise MetricError(f"The threshold of a sparse tau must be positive, not {threshold}.")


# ---- the top of the list ---------------------------------------------------------------------------------------


def true_top(truth: ArrayLike, fraction: float) -> NDArray[np.bool_]:
    """Marks the best ceil(fraction * n) by value, and all that tie with the last of them: (n,).

    Raises:
        MetricError: the fraction is not in (0, 1].
    """
    values = np.asarray(truth, dtype=np.float64)
    if not 0 < fraction <= 1:
        raise MetricError(f"A top fraction lies in (0, 1], not {fraction}.")
    # 0.1 * 30 is 3.0000000000000004: the count must not depend on that.
    return values >= _kth_best(values, math.ceil(fraction * len(values) - NOISE))


def tau_in_true_top(scores: ArrayLike, truth: ArrayLike, fraction: float) -> float:
    """tau-b among the architectures that are truly best (see `true_top`)."""
    x, y = checked(scores, truth)
    return _tau_within(x, y, true_top(y, fraction))


def spearman_in_true_top(scores: ArrayLike, truth: ArrayLike, fraction: float) -> float:
    """Spearman's rho among the architectures that are truly best (see `true_top`)."""
    x, y = checked(scores, truth)
    members = true_top(y, fraction)
    return 0.0 if members.sum() < 2 or _constant(y[members]) else spearman(x[members], y[members])


def tau_in_predicted_top(scores: ArrayLike, truth: ArrayLike, fraction: float) -> float:
    """tau-b among the architectures that score best, and all that tie with the last of them."""
    x, y = checked(scores, truth)
    return _tau_within(x, y, true_top(x, fraction))


def _tau_within(x: Vector, y: Vector, members: NDArray[np.bool_]) -> float:
    """tau-b among the members; 0 by rule if there are fewer than two, or if their truth is constant."""
    if members.sum() < 2 or _constant(y[members]):
        return 0.0
    return kendall_tau(x[members], y[members])


def precision_at(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """P@K: the expected share of the top k by score that is among the true top k."""
    x, y = checked(scores, truth)
    return float(_membership(x, k) @ _membership(y, k)) / k


def best_rank_at(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """BR@K: the best true rank among the top k by score; 1 is best, and equal truths share the best of their ranks."""
    x, y = checked(scores, truth)
    return -_expected_best_of_top(x, -stats.rankdata(-y, method="min"), k)


def worst_rank_at(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """WR@K: the worst true rank among the top k by score."""
    x, y = checked(scores, truth)
    return _expected_best_of_top(x, stats.rankdata(-y, method="min"), k)


def regret_at(scores: ArrayLike, truth: ArrayLike, k: int) -> float:
    """The best true value of all minus the best among the top k by score, in the unit of the truth."""
    x, y = checked(scores, truth)
    return max(0.0, float(y.max() - _expected_best_of_top(x, y, k)))


def surpass_random_paper(scores: ArrayLike, truth: ArrayLike, k: int, draws: int) -> float:
    """Probability that the best of the top k is not beaten by `draws` random architectures drawn with replacement.

    It is (r / n)^draws, where r is the ascending true rank of the best of the top k (`prob_surpass_random` in the code
    of Yu et al.). Architectures that tie with the best do not beat it.
    """
    x, y = checked(scores, truth)
    return _expected_best_of_top(x, (stats.rankdata(y, method="max") / len(y)) ** draws, k)


def surpass_random_exact(scores: ArrayLike, truth: ArrayLike, k: int, draws: int) -> float:
    """Probability that the best of the top k is not beaten by `draws` random architectures without replacement.

    It is C(r, draws) / C(n, draws), with r as in `surpass_random_paper`; such a random search never repeats itself.
    """
    x, y = checked(scores, truth)
    if not 1 <= draws <= len(x):
        raise MetricError(f"Random search can draw 1 to {len(x)} of {len(x)} architectures, not {draws}.")
    rank = stats.rankdata(y, method="max")
    ways = special.gammaln(rank + 1) - special.gammaln(np.maximum(rank - draws, 0) + 1)
    total = special.gammaln(len(y) + 1) - special.gammaln(len(y) - draws + 1)
    return _expected_best_of_top(x, np.where(rank >= draws, np.exp(ways - total), 0.0), k)


def _kth_best(values: Vector, k: int) -> Any:
    if not 1 <= k <= len(values):
        raise MetricError(f"The top {k} of {len(values)} architectures does not exist.")
    return np.partition(values, len(values) - k)[len(values) - k]


def _membership(values: Vector, k: int) -> Vector:
    """Probability that each item is among the top k when ties are broken at random: (n,), summing to k."""
    edge = _kth_best(values, k)
    above, tied = values > edge, values == edge
    return above + tied * (k - above.sum()) / tied.sum()


def _expected_best_of_top(scores: Vector, values: Vector, k: int) -> float:
    """Expected maximum of `values` over the top k by score when ties at the cut-off are broken at random."""
    edge = _kth_best(scores, k)
    certain, tied = values[scores > edge], np.sort(values[scores == edge])[::-1]
    floor = certain.max() if len(certain) else -np.inf
    seats = k - len(certain)
    # The j-th best of the tied is the best seated one with probability C(t - j, seats - 1) / C(t, seats).
    left = len(tied) - 1 - np.arange(len(tied))
    log_ways = special.gammaln(left + 1) - special.gammaln(seats) - special.gammaln(np.maximum(left - seats + 1, 0) + 1)
    log_total = special.gammaln(len(tied) + 1) - special.gammaln(seats + 1) - special.gammaln(len(tied) - seats + 1)
    chance = np.where(left >= seats - 1, np.exp(log_ways - log_total), 0.0)
    return float(chance @ np.maximum(tied, floor) / chance.sum())
