"""What each score of a report adds to a training-free ranking of the same architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.bootstrap import Difference, Estimate, Statistic

Floats = NDArray[np.float64]
Members = NDArray[np.bool_]
FREE = "\0free"
"""Name of the training-free ranking among the statistics of a report, which no column of a file can have."""


@dataclass(frozen=True)
class Gain:
    """What one score adds."""

    tau: Difference
    """tau-b of the fusion less that of the training-free ranking, with a p-value after Holm's correction over the
    scores of the report in `p_holm`."""
    p_holm: float
    top10: Difference | None
    """The same within the truly best 10 %."""
    regret: float
    """regret@1 of the fusion less that of the training-free ranking, percentage points of true accuracy."""
    partial: float
    """Kendall's partial tau of the score given the training-free ranking."""
    fused_tau: float
    """tau-b of the fusion."""


@dataclass(frozen=True)
class Added:
    """What scores add to a training-free ranking of the same architectures."""

    rule: str
    about: str
    weight: float
    """The weight of a score in the fusion."""
    tau: Estimate
    """tau-b of the training-free ranking."""
    top10: Estimate | None
    regret: float
    """regret@1 of the training-free ranking."""
    gains: dict[str, Gain]
    """Score column -> what it adds."""


def free_statistics(
    free: FreeScore, scores: Mapping[str, Floats], y: Floats, top: Members | None
) -> dict[str, Statistic]:
    """What the bootstrap of a report computes for `added_of`, besides its own statistics."""
    rankings = {FREE: free.alone, **{f"{FREE}+{name}": free.fused(x) for name, x in scores.items()}}
    found = {f"{name}/1.0": stats.kendall_statistic(x, y) for name, x in rankings.items()}
    if top is not None:
        found |= {f"{name}/0.1": stats.kendall_statistic(x, y, top) for name, x in rankings.items()}
    return found


def added_of(
    free: FreeScore,
    scores: Mapping[str, Floats],
    y: Floats,
    top: Members | None,
    draws: Mapping[str, Floats],
    level: float,
) -> Added:
    """What each score adds, with intervals over the choice of architectures.

    Args:
        scores: column -> scores: (n,).
        y: true accuracies in percent: (n,).
        top: marks the truly best 10 %, (n,); None where they are too few.
        draws: those of `free_statistics`: name -> (resamples,).
    """
    alone = free.alone
    tau = metrics.kendall_tau(alone, y)
    regret = metrics.regret_at(alone, y, 1)
    found: dict[str, tuple[Difference, Difference | None, Floats]] = {}
    for name, x in scores.items():
        fused = free.fused(x)
        found[name] = (
            _difference(metrics.kendall_tau(fused, y), tau, draws, name, "1.0", level, len(y)),
            None if top is None else _in_top(alone, fused, y, top, draws, name, level),
            fused,
        )
    corrected = stats.holm([whole.p for whole, _, _ in found.values()])
    return Added(
        rule=free.name,
        about=free.about,
        weight=free.weight,
        tau=stats.estimate(tau, draws[f"{FREE}/1.0"], level),
        top10=None
        if top is None
        else stats.estimate(metrics.tau_in_true_top(alone, y, 0.1), draws[f"{FREE}/0.1"], level),
        regret=regret,
        gains={
            name: Gain(
                tau=whole,
                p_holm=p,
                top10=best,
                regret=metrics.regret_at(fused, y, 1) - regret,
                partial=metrics.partial_tau(scores[name], y, alone),
                fused_tau=tau + whole.value,
            )
            for (name, (whole, best, fused)), p in zip(found.items(), corrected, strict=True)
        },
    )


def _in_top(
    alone: Floats, fused: Floats, y: Floats, top: Members, draws: Mapping[str, Floats], name: str, level: float
) -> Difference:
    both, before = (metrics.tau_in_true_top(x, y, 0.1) for x in (fused, alone))
    return _difference(both, before, draws, name, "0.1", level, int(top.sum()))


def _difference(
    both: float, before: float, draws: Mapping[str, Floats], name: str, part: str, level: float, n: int
) -> Difference:
    return stats.difference_of_correlations(
        both, before, draws[f"{FREE}+{name}/{part}"], draws[f"{FREE}/{part}"], level, df=n - 1
    )
