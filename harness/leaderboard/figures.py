"""The figures of one ranking, whatever its source: the yardstick of the leaderboard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.metrics import Vector

TOP = 0.1
"""The truly best part in which tau is also given."""
SPARSE = 1.0
"""Percentage points of the bins of the sparse tau."""


@dataclass(frozen=True)
class Part:
    """The scores of one repetition, with what is known of its architectures, in the order of the table's rows."""

    rows: NDArray[np.int64]
    """Ground-truth rows, ascending: (n,)."""
    scores: Vector
    """Finite, higher is better: (n,)."""
    truth: Vector
    """True accuracies in percent: (n,)."""
    params: Vector
    """Parameter counts: (n,)."""
    free: FreeScore | None = None
    """The training-free ranking of these architectures; None where none is known."""


@dataclass(frozen=True)
class Value:
    """A figure with its interval; none for the mean of two repetitions."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Figures:
    """How well scores rank; means over the repetitions where there are several."""

    architectures: int
    """In all repetitions together, each counted once."""
    repeats: int
    tau: Value
    """Kendall's tau-b."""
    top10: Value | None
    """tau-b within the truly best tenth; None where that is fewer than stats.LEAST architectures."""
    partial: float
    """Kendall's partial tau given the parameter count."""
    adds: Value
    """tau-b of the sum of the ranks by score and by parameter count, less that of the parameter count."""
    params_tau: float
    """tau-b of the parameter count on the same architectures."""
    adds_to_free: Value | None
    """tau-b of the fusion with the training-free ranking, less that of this ranking; None where none is known."""
    free_tau: float | None
    """tau-b of the training-free ranking on the same architectures."""
    regret: float
    """Best true accuracy among these architectures less that of the best-scored one, in percentage points."""
    sparse: float
    """tau-b against true accuracies cut into bins of SPARSE points."""


Draws = dict[tuple[bytes, ...], NDArray[np.float64]]
"""The parameter count's draws by architectures and their truth, because many rankings share them."""


def figures(
    parts: Sequence[Part], *, resamples: int = 1000, seed: int = 0, level: float = 0.95, shared: Draws | None = None
) -> Figures:
    """The figures of a ranking, or the means over its repetitions.

    Intervals of one repetition resample its architectures. Those of a mean over three or more are t intervals over
    the repetitions, widened by what the choice of shared architectures adds (`seeds.mean_of`).

    Args:
        parts: one per repetition.
        resamples: of the bootstrap; equal architectures and seeds give equal resamples, so differences are paired.
        shared: draws that rankings of the same architectures and truth share; filled by this.

    Raises:
        MetricError: fewer than stats.LEAST architectures, or constant true accuracies.
    """
    for part in parts:
        stats.enough(len(part.rows))
    fused = [rankdata(part.scores) + rankdata(part.params) for part in parts]
    tops = [metrics.true_top(part.truth, TOP) for part in parts]
    tau = [metrics.kendall_tau(part.scores, part.truth) for part in parts]
    params = [metrics.kendall_tau(part.params, part.truth) for part in parts]
    both = [metrics.kendall_tau(x, part.truth) for x, part in zip(fused, parts, strict=True)]

    union = np.unique(np.concatenate([part.rows for part in parts]))
    draw = _Drawing(parts, union, resamples, seed)
    key = (str((seed, resamples)).encode(), *(each.tobytes() for p in parts for each in (p.rows, p.truth, p.params)))
    shared = {} if shared is None else shared
    if key not in shared:
        shared[key] = draw([part.params for part in parts])
    tau_draws, fused_draws = draw([part.scores for part in parts]), draw(fused)
    top10 = None
    if min(top.sum() for top in tops) >= stats.LEAST:
        within = [metrics.tau_in_true_top(part.scores, part.truth, TOP) for part in parts]
        top10 = _mean(within, draw([part.scores for part in parts], tops), level)
    gains = [a - b for a, b in zip(both, params, strict=True)]
    adds_to_free, free_tau = _beside_free(parts, draw, level)
    return Figures(
        architectures=len(union),
        repeats=len(parts),
        tau=_mean(tau, tau_draws, level),
        top10=top10,
        partial=_over(parts, lambda p: metrics.partial_tau(p.scores, p.truth, p.params)),
        adds=_mean(gains, fused_draws - shared[key], level, bounded=False),
        params_tau=float(np.mean(params)),
        adds_to_free=adds_to_free,
        free_tau=free_tau,
        regret=_over(parts, lambda p: metrics.regret_at(p.scores, p.truth, 1)),
        sparse=_over(parts, lambda p: metrics.sparse_tau_binned(p.scores, p.truth, SPARSE)),
    )


def _beside_free(parts: Sequence[Part], draw: _Drawing, level: float) -> tuple[Value | None, float | None]:
    """What scores add to the training-free ranking, and the tau of that; None where one of the parts has none."""
    free = [part.free for part in parts if part.free is not None]
    if len(free) < len(parts):
        return None, None
    alone = [each.alone for each in free]
    fused = [each.fused(part.scores) for each, part in zip(free, parts, strict=True)]
    taus = [metrics.kendall_tau(x, part.truth) for x, part in zip(alone, parts, strict=True)]
    gains = [metrics.kendall_tau(x, part.truth) - tau for x, part, tau in zip(fused, parts, taus, strict=True)]
    return _mean(gains, draw(fused) - draw(alone), level, bounded=False), float(np.mean(taus))


class _Drawing:
    """Draws tau-b of every repetition on common resamples of all architectures."""

    def __init__(self, parts: Sequence[Part], union: NDArray[np.int64], resamples: int, seed: int) -> None:
        self._parts, self._union, self._count, self._seed = parts, union, resamples, seed

    def __call__(
        self, scores: Sequence[Vector], members: Sequence[NDArray[np.bool_]] | None = None
    ) -> NDArray[np.float64]:
        """tau-b of these scores, among `members` alone where given: (repetitions, resamples)."""
        statistics = {}
        for number, (part, x) in enumerate(zip(self._parts, scores, strict=True)):
            places = np.searchsorted(self._union, part.rows)
            wide, truth, inside = (
                np.zeros(len(self._union)),
                np.zeros(len(self._union)),
                np.zeros(len(self._union), bool),
            )
            wide[places], truth[places] = x, part.truth
            inside[places] = True if members is None else members[number]
            statistics[str(number)] = stats.kendall_statistic(wide, truth, inside)
        draws = stats.bootstrap(statistics, len(self._union), count=self._count, seed=self._seed)
        return np.stack([draws[name] for name in statistics])


def _over(parts: Sequence[Part], figure: Callable[[Part], float]) -> float:
    return float(np.mean([figure(part) for part in parts]))


def _mean(values: Sequence[float], draws: NDArray[np.float64], level: float, *, bounded: bool = True) -> Value:
    """A mean over repetitions with its interval; of one repetition, the percentile interval of its draws."""
    if len(values) == 1:
        return Value(float(values[0]), *stats.interval(draws[0], level))
    mean = seeds.mean_of(values, seeds.Spread.of(values), stats.common_variance(draws), bounded=bounded, level=level)
    return Value(mean.value, mean.low, mean.high)
