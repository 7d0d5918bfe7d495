"""What super-nets add to a training-free ranking: an outcome of its own, compared between settings as tau is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.harness.scoring.free import free_score
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.statistics.seeds import Comparisons, Mean
from supernet.harness.study.sizes import RESAMPLES, Floats, Scores

FREE = ""
"""The name of the training-free ranking among the statistics of the bootstrap; no run has it."""


@dataclass(frozen=True)
class FreeRanking:
    """The training-free ranking that super-nets are set beside, on the architectures of the study."""

    rule: str
    about: str
    weight: float
    """The weight of a super-net's scores that are fused with it."""
    tau: float
    """Its tau-b."""
    regret: float
    """Its regret@1, percentage points of true accuracy."""


@dataclass(frozen=True)
class Adds:
    """tau-b of the fusion of a training-free ranking with a super-net's scores, less that of the ranking alone."""

    ranking: FreeRanking
    means: dict[str, Mean]
    """Label of a setting -> what it adds, mean over seeds."""
    comparisons: Comparisons
    """Every setting against the base, in the order in which they were given."""


def adds_of(within: SearchSpace, indices: NDArray[np.int64], scores: Scores, labels: Sequence[str], y: Floats) -> Adds:
    """What the super-nets of all settings add to the training-free ranking.

    Args:
        indices: the architectures that the study ranks: (n,).
        scores: label -> seed -> scores: (n,).
        labels: settings with a run, the base first.
        y: true accuracies: (n,).
    """
    free = free_score(within, indices)
    fused = {label: {seed: free.fused(x) for seed, x in scores[label].items()} for label in labels}
    alone = metrics.kendall_tau(free.alone, y)
    values = {
        label: np.array([metrics.kendall_tau(x, y) - alone for x in of.values()]) for label, of in fused.items()
    }  # fmt: skip
    draws = _mean_draws(fused, free.alone, y)
    base, *others = labels
    sampling = [float(np.var(draws[label] - draws[base], ddof=1)) for label in others]
    found = seeds.compare(values[base], [values[label] for label in others], sampling, bound=None)
    means = {
        label: seeds.mean_of(values[label], spread, float(np.var(draws[label], ddof=1)), bounded=False)
        for label, spread in zip(labels, found.spreads, strict=True)
    }
    regret = metrics.regret_at(free.alone, y, 1)
    return Adds(FreeRanking(free.name, free.about, free.weight, alone, regret), means, found)


def _mean_draws(fused: Mapping[str, Mapping[int, Floats]], alone: Floats, y: Floats) -> dict[str, Floats]:
    """What each setting adds on common resamples of the architectures, mean over its seeds: label -> (resamples,)."""
    statistics = {
        f"{label}\0{seed}": stats.kendall_statistic(x, y) for label, of in fused.items() for seed, x in of.items()
    }
    statistics[FREE] = stats.kendall_statistic(alone, y)
    draws = stats.bootstrap(statistics, len(y), count=RESAMPLES)
    return {
        label: np.mean([draws[f"{label}\0{seed}"] for seed in of], axis=0) - draws[FREE] for label, of in fused.items()
    }
