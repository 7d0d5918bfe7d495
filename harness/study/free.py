"""What changes a ranking without any training: the score, averaging epochs, averaging seeds. Compared within runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from supernet.harness.statistics import metrics
from supernet.harness.statistics.blocks import Blocked, blocked
from supernet.harness.statistics.components import jackknife
from supernet.harness.statistics.seeds import Mean
from supernet.harness.study.gathered import Gathered

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ensemble:
    """A setting's seeds as one ranking."""

    label: str
    seeds: int
    single: float
    """tau-b of a seed's ranking, mean over seeds."""
    gain: Mean
    """tau-b of the averaged ranks of all seeds less `single`; a jackknife interval from five seeds on."""


@dataclass(frozen=True)
class Free:
    """Differences of tau-b, paired by run over all settings, on these architectures."""

    metric: Blocked | None
    """Ranking by loss less ranking by accuracy, after the last epoch."""
    epochs: Blocked | None
    """Averaged ranks of the last epochs less those of the last alone; None where one epoch is scored."""
    last_epochs: int
    ensembles: list[Ensemble]
    """Averaged ranks of settings with two or more seeds, the base first."""


def free_of(gathered: Gathered, y: Floats) -> Free:
    """What the runs of a study say of each free factor.

    Args:
        y: true accuracies (n,).
    """
    done = [list(gathered.done[setting.label].values()) for setting in gathered.settings]
    metric = [
        [metrics.kendall_tau(run.loss, y) - metrics.kendall_tau(run.accuracy, y) for run in runs] for runs in done
    ]
    several = gathered.study.last_epochs > 1
    epochs = [
        [mean_ranks_tau(run.scores, y) - metrics.kendall_tau(run.scores[-1], y) for run in runs] for runs in done
    ]  # fmt: skip
    ensembles = [
        ensemble(setting.label, [run.scores[-1] for run in runs], y)
        for setting, runs in zip(gathered.settings, done, strict=True)
        if len(runs) > 1
    ]
    return Free(blocked(metric), blocked(epochs) if several else None, gathered.study.last_epochs, ensembles)


def mean_ranks_tau(scores: Sequence[ArrayLike] | Floats, y: ArrayLike) -> float:
    """tau-b of the ranking by mean rank of several scores of the same architectures.

    Args:
        scores: (rankings, n).
        y: (n,).
    """
    return metrics.kendall_tau(np.mean([rankdata(x) for x in scores], axis=0), y)


def ensemble(label: str, scores: Sequence[Floats], y: Floats) -> Ensemble:
    """A setting's seeds as one ranking, against a single seed.

    Args:
        scores: of two or more seeds, (n,) each.
    """
    taus = [metrics.kendall_tau(x, y) for x in scores]
    gain = mean_ranks_tau(scores, y) - float(np.mean(taus))
    left = range(len(scores))
    without = [
        mean_ranks_tau([x for j, x in enumerate(scores) if j != k], y) - float(np.mean(np.delete(taus, k)))
        for k in left
    ]
    return Ensemble(label, len(scores), float(np.mean(taus)), jackknife(gain, without))
