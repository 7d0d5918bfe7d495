"""How settings rank beyond parameter count: partial taus as a second outcome, and tau within and between sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.statistics.seeds import Comparisons, Mean
from supernet.harness.statistics.spreads import squeezed
from supernet.harness.statistics.strata import pairs_within, split_tau, strata_of

Floats = NDArray[np.float64]
Scores = Mapping[str, Mapping[int, Floats]]
"""Label of a setting -> seed -> one number per architecture, or per resample."""

RESAMPLES = 200
"""Resamples behind the variance from the choice of architectures: it is the smaller part, and this gives its standard
deviation to 5 %."""


@dataclass(frozen=True)
class GivenSize:
    """Kendall's partial taus given parameter count."""

    means: dict[str, Mean]
    """Label of a setting -> mean over seeds."""
    comparisons: Comparisons
    """Every setting against the base, in the order in which they were given."""


@dataclass(frozen=True)
class Sizes:
    """How one setting ranks within and between strata of parameter count; means over seeds, for these architectures."""

    label: str
    partial: Mean
    """Kendall's partial tau given parameter count."""
    within: Mean | None
    """tau-b of the pairs within strata; None where none of them has an order."""
    between: Mean | None
    """tau-b of the pairs between strata."""
    from_within: float
    """What pairs within strata add to the tau-b of all pairs: with `from_between` it adds up to tau, exactly."""
    from_between: float


@dataclass(frozen=True)
class Strata:
    """Strata of parameter count."""

    count: int
    equal: bool
    """Whether a stratum holds one parameter count alone; otherwise strata are tenths of the ranking by it."""
    pairs: float
    """Share of all pairs of architectures that lie within strata."""
    params_between: float | None
    """tau-b of parameter count itself among the pairs between strata."""


def given_size(scores: Scores, draws: Scores, labels: Sequence[str], params: Floats, y: Floats) -> GivenSize:
    """Partial taus of all settings, compared with the base as taus are.

    Args:
        draws: tau-b of every run on the resamples that `stats.bootstrap` takes by default: (resamples,).
        labels: settings with a run, the base first.
        params, y: parameter counts and true accuracies (n,).
    """
    count = min(RESAMPLES, len(next(iter(draws[labels[0]].values()))))
    each = [(label, seed) for label in labels for seed in scores[label]]
    statistics = {key: stats.kendall_statistic(scores[key[0]][key[1]], params) for key in each}
    control = {f"{label}\0{seed}": statistics[label, seed] for label, seed in each}
    resampled = stats.bootstrap({**control, "": stats.kendall_statistic(params, y)}, len(y), count=count)
    values = {label: np.array([metrics.partial_tau(x, y, params) for x in scores[label].values()]) for label in labels}
    mean_draws = {
        label: np.mean(
            [
                metrics.partial_of(draws[label][seed][:count], resampled[f"{label}\0{seed}"], resampled[""])
                for seed in scores[label]
            ],
            axis=0,
        )
        for label in labels
    }
    base, *others = labels
    sampling = [float(np.var(mean_draws[label] - mean_draws[base], ddof=1)) for label in others]
    found = seeds.compare(values[base], [values[label] for label in others], sampling)
    means = {
        label: seeds.mean_of(values[label], spread, float(np.var(mean_draws[label], ddof=1)))
        for label, spread in zip(labels, found.spreads, strict=True)
    }
    return GivenSize(means, found)


def by_size(scores: Scores, given: GivenSize, params: Floats, y: Floats) -> tuple[Strata, list[Sizes]]:
    """tau within and between strata of parameter count, of every setting that `given` knows.

    Intervals are over seeds alone: they hold for these architectures.
    """
    strata, equal = strata_of(params)
    labels = list(given.means)
    splits = {label: [split_tau(x, y, strata) for x in scores[label].values()] for label in labels}
    within = _means([[one.within for one in splits[label]] for label in labels])
    between = _means([[one.between for one in splits[label]] for label in labels])
    about = Strata(
        int(strata.max()) + 1, equal, pairs_within(strata), split_tau(params, y, strata).between
    )  # fmt: skip
    return about, [
        Sizes(
            label,
            given.means[label],
            inside,
            outside,
            float(np.mean([one.from_within for one in splits[label]])),
            float(np.mean([one.from_between for one in splits[label]])),
        )
        for label, inside, outside in zip(labels, within, between, strict=True)
    ]


def _means(values: Sequence[Sequence[float | None]]) -> list[Mean | None]:
    """Mean over the seeds of each setting; None where one of its seeds has no value."""
    known = [np.array(each, dtype=np.float64) if None not in each else None for each in values]
    there = [each for each in known if each is not None]
    spreads = iter(squeezed(there) if there else [])
    return [None if each is None else seeds.mean_of(each, next(spreads)) for each in known]
