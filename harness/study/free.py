"""What changes a ranking without any training, compared within runs.

These are the score, the number of images, the statistics of batch norm in scoring, averaged epochs and averaged seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from supernet.harness.statistics import metrics
from supernet.harness.statistics.blocks import Blocked, blocked
from supernet.harness.statistics.components import jackknife
from supernet.harness.statistics.seeds import Mean
from supernet.harness.study.beside import QUARTER, STATISTICS, tau_name
from supernet.harness.study.gathered import Done, Gathered

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
class Statistics:
    """Other statistics of batch norm in scoring than a setting's own, on a sample of the architectures."""

    own: str
    other: str
    """Values of evaluation.bn."""
    difference: Blocked
    """tau with the other less tau with the own, over the settings that have these as their own."""


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
    images: Blocked | None = None
    """Ranking by all images less ranking by the first quarter of them; None where runs lack scores on a quarter."""
    statistics: list[Statistics] = field(default_factory=list)
    """Of batch norm; empty unless the study asks for it."""


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
        [
            mean_ranks_tau(run.scores, y) - metrics.kendall_tau(run.scores[-1], y)
            for run in runs
            if len(run.scores) == gathered.study.last_epochs  # trainings that are shorter have fewer
        ]
        for runs in done
    ]
    ensembles = [
        ensemble(setting.label, [run.scores[-1] for run in runs], y)
        for setting, runs in zip(gathered.settings, done, strict=True)
        if len(runs) > 1
    ]
    return Free(
        metric=blocked(metric),
        epochs=blocked(epochs) if several else None,
        last_epochs=gathered.study.last_epochs,
        ensembles=ensembles,
        images=blocked([_metric_differences(runs, "kendall_tau", QUARTER) for runs in done]),
        statistics=_statistics(gathered, done),
    )


def _metric_differences(runs: Sequence[Done], metric: str, less: str) -> list[float]:
    """One metric less another, of the runs that have both."""
    pairs = [(run.metrics.get(metric), run.metrics.get(less)) for run in runs]
    return [one - other for one, other in pairs if one is not None and other is not None]


def _statistics(gathered: Gathered, done: Sequence[Sequence[Done]]) -> list[Statistics]:
    """Every other statistics of batch norm against every own one that settings have."""
    owns = [setting.recipe.evaluation.bn for setting in gathered.settings]
    found = []
    for own, other in itertools.permutations(STATISTICS, 2):
        runs = [of for of, of_setting in zip(done, owns, strict=True) if of_setting == own]
        difference = blocked([_metric_differences(of, tau_name(other), tau_name(own)) for of in runs])
        found += [Statistics(own, other, difference)] if difference else []
    return found


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
