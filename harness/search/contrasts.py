"""Tests between the results of search algorithms: unpaired, by ranks.

Searches with equal seeds share at most their first random architectures, so seeds are not treated as pairs. Regrets
are skewed and often exactly 0, where a rank test needs neither a transformation nor a floor. Simulated with random
searches of NAS-Bench-201 (four algorithms against random search, 8 to 30 seeds, Holm), it keeps its level (0.04 to 0.06
for 0.05) and finds what Dunnett's test on the logarithm of regret finds or more: 0.67 against 0.65 for four times the
queries at 30 seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from supernet.harness.statistics.bootstrap import holm

LEAST = 8
"""Seeds of each algorithm below which no two are tested: with fewer, few p-values can be small enough to matter."""
LEVEL = 0.05
EXACT = 60
"""Searches of two algorithms together up to which the distribution of ranks is computed in full."""
SHUFFLES = 9_999
"""Permutations for the test of all algorithms at once, where one has fewer than LEAST seeds."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Contrast:
    """Two algorithms, compared by the final accuracies of their searches."""

    first: str
    second: str
    first_seeds: int
    second_seeds: int
    difference: float
    """Mean of the first minus that of the second, points of accuracy."""
    low: float
    high: float
    """95 % interval of the difference (Welch); NaN where one has a single seed."""
    better: float
    """Share of pairs of searches in which that of the first is the better one; ties count half."""
    p: float | None
    """Mann-Whitney, two-sided; None where one has fewer than LEAST seeds."""
    adjusted: float | None = None
    """The p-value by Holm's method, or the false discovery rate q by that of Benjamini and Hochberg."""

    @property
    def clear(self) -> bool:
        """Whether the adjusted p-value is below 5 %, and the interval excludes 0 on the side that the ranks favour."""
        if self.adjusted is None or self.adjusted >= LEVEL:
            return False
        return (self.low > 0 and self.better > 0.5) or (self.high < 0 and self.better < 0.5)


@dataclass(frozen=True)
class Omnibus:
    """Kruskal and Wallis' test of all algorithms at once."""

    p: float
    permuted: bool
    """Whether p comes from permutations, not from the distribution for many seeds."""


def contrast(first: str, second: str, a: Floats, b: Floats) -> Contrast:
    """Two algorithms by the final accuracies of their searches, one or more each."""
    tested = min(len(a), len(b)) >= LEAST
    above = np.sign(a[:, None] - b[None, :])
    return Contrast(
        first, second, len(a), len(b), float(a.mean() - b.mean()), *welch(a, b), float((above.mean() + 1) / 2),
        rank_sum_p(a, b) if tested else None,
    )  # fmt: skip


def with_holm(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts as one family of tests, corrected by Holm's method."""
    return _adjusted(contrasts, holm)


def with_q(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts with false discovery rates (Benjamini and Hochberg, JRSS B 1995)."""
    return _adjusted(contrasts, false_discovery)


def _adjusted(contrasts: Sequence[Contrast], method: Callable[[Sequence[float]], list[float]]) -> list[Contrast]:
    values = iter(method([c.p for c in contrasts if c.p is not None]))
    return [c if c.p is None else replace(c, adjusted=next(values)) for c in contrasts]


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's step-up q of each p-value."""
    return [float(q) for q in stats.false_discovery_control(p_values)] if p_values else []


def welch(a: Floats, b: Floats) -> tuple[float, float]:
    """95 % interval of the difference of two means (Welch, 1947); NaN where one is of a single value."""
    if min(len(a), len(b)) < 2:
        return float("nan"), float("nan")
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    total, difference = sum(parts), a.mean() - b.mean()
    if total == 0:
        return float(difference), float(difference)
    df = total**2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    half = stats.t.ppf(1 - LEVEL / 2, df) * np.sqrt(total)
    return float(difference - half), float(difference + half)


def rank_sum_p(a: Floats, b: Floats) -> float:
    """Two-sided p-value of Mann and Whitney's test.

    For up to EXACT values it is exact, given the ties: the share of all divisions of the values into groups of these
    sizes whose rank sum is at least as far from its mean (Streitberg and Roehmel, 1986). For more it is that of the
    normal distribution, corrected for ties and continuity.
    """
    ranks = np.rint(2 * stats.rankdata(np.concatenate([a, b]))).astype(int)  # doubled, which makes them whole
    if np.ptp(ranks) == 0:
        return 1.0
    if len(ranks) > EXACT:
        return float(stats.mannwhitneyu(a, b, method="asymptotic").pvalue)
    ways = np.zeros((len(a) + 1, ranks.sum() + 1))  # (values chosen so far, their rank sum)
    ways[0, 0] = 1
    for rank in ranks:
        ways[1:, rank:] += ways[:-1, :-rank].copy()
    sums = np.arange(ranks.sum() + 1)
    centre = len(a) * ranks.sum() / len(ranks)
    far = np.abs(sums - centre) >= abs(ranks[: len(a)].sum() - centre) - 1e-9
    return min(1.0, float(ways[len(a), far].sum() / comb(len(ranks), len(a))))


def smallest_p(first: int, second: int) -> float:
    """The least two-sided p-value that ranks of so many searches of two algorithms can give."""
    return min(1.0, 2 / comb(first + second, first))


def omnibus(values: Mapping[str, Floats], seed: int = 0) -> Omnibus | None:
    """Whether the algorithms differ at all; None for fewer than two, or where one has a single seed."""
    groups = list(values.values())
    if len(groups) < 2 or min(map(len, groups)) < 2:
        return None
    ranks = stats.rankdata(np.concatenate(groups))
    if np.ptp(ranks) == 0:
        return Omnibus(1.0, permuted=False)
    if min(map(len, groups)) >= LEAST:
        return Omnibus(float(stats.kruskal(*groups).pvalue), permuted=False)
    bounds = np.cumsum([0, *map(len, groups)])

    def statistic(table: Floats) -> Floats:
        sums = np.add.reduceat(table, bounds[:-1], axis=1)
        return np.asarray((sums**2 / np.diff(bounds)).sum(axis=1))

    shuffled = np.random.default_rng(seed).permuted(np.tile(ranks, (SHUFFLES, 1)), axis=1)
    seen = statistic(ranks[None, :])[0]
    return Omnibus(float((1 + (statistic(shuffled) >= seen - 1e-9).sum()) / (SHUFFLES + 1)), permuted=True)
