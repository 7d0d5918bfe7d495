"""Operations that a super-net ranks too high or too low, beyond regression to the mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from supernet.benchmarks.spaces import SearchSpace
from supernet.harness.statistics import metrics, seeds
from supernet.harness.statistics.components import squares_and_products
from supernet.harness.statistics.spreads import squeezed
from supernet.harness.study.results import Row

Floats = NDArray[np.float64]


def with_excess(
    within: SearchSpace,
    indices: NDArray[np.int64],
    y: Floats,
    rows: Sequence[Row],
    scores: Mapping[str, Mapping[int, Floats]],
) -> list[Row]:
    """Rows with what they over-rank, on average over the uses of each operation.

    Intervals hold the spread between seeds, squeezed over all settings, and the error from the choice of architectures
    in what all seeds have in common. Those of one setting hold together with 95 % (Bonferroni).

    Args:
        y: true accuracies (n,).
        scores: label of a setting -> seed -> scores (n,).
    """
    uses = uses_of(within, indices)
    done = [row.label for row in rows if scores[row.label]]
    found = {label: over_ranked(y, np.stack([_ranks(x) for x in scores[label].values()])) for label in done}
    excess = {name: [_average(found[label].beyond, use) for label in done] for name, use in uses.items()}
    spreads = {name: squeezed(values) for name, values in excess.items()}
    level = 1 - (1 - seeds.LEVEL) / max(1, len(uses))
    out = []
    for row in rows:
        if row.label in done:
            place, ranked = done.index(row.label), found[row.label]
            errors = {name: sampling(ranked.beyond, use) for name, use in uses.items()}
            means = {
                name: seeds.mean_of(values[place], spreads[name][place], errors[name], bounded=False, level=level)
                for name, values in excess.items()
            }
            raw = {name: float(_average(ranked.displaced, use).mean()) for name, use in uses.items()}
            row = dataclasses.replace(row, over_ranked=raw, excess=means)
        out.append(row)
    return out


def uses_of(within: SearchSpace, indices: NDArray[np.int64]) -> dict[str, Floats]:
    """How often each architecture uses each operation that any of them uses: name -> (n,)."""
    archs = within.archs(indices)
    found: dict[str, Floats] = {}
    for number in within.operations:
        for option, name in enumerate(within.decisions[number].options):
            found[str(name)] = found.get(str(name), np.zeros(len(archs))) + (archs[:, number] == option)
    return {name: use for name, use in found.items() if use.any()}


@dataclass(frozen=True)
class OverRanked:
    """How far architectures are ranked above their true place, in percentile points; every array is (seeds, n)."""

    displaced: Floats
    """Predicted less true percentile."""
    beyond: Floats
    """That, less what regression to the mean makes of it."""


def over_ranked(y: Floats, ranks: Floats) -> OverRanked:
    """How far each architecture is ranked above its true place, and what of that is bias.

    A ranking that is noisy but treats all architectures alike puts good ones too low and bad ones too high on average:
    predicted percentiles regress to the mean with slope rho (Spearman's). The excess leaves that out: it is
    (predicted - true) - (rho - 1) (true - 50). Both are 0 when the ranking is perfect, and the excess also when all
    scores are equal.

    Args:
        y: true accuracies (n,).
        ranks: ranks by score of each seed, from 0 (worst) to 1 (best): (seeds, n).
    """
    truth = _ranks(y)
    rho = np.array([metrics.pearson(one, truth) if np.ptp(one) > 0 else 0.0 for one in ranks])
    displaced = 100 * (ranks - truth)
    return OverRanked(displaced, displaced - 100 * (rho[:, None] - 1) * (truth - 0.5))


def _average(values: Floats, use: Floats) -> Floats:
    """The mean of values over the uses of an operation, for each seed: (seeds, n) -> (seeds,)."""
    means: Floats = np.average(values, axis=1, weights=use)
    return means


def sampling(beyond: Floats, use: Floats) -> float:
    """Variance of the mean excess of an operation, averaged over seeds, from the choice of architectures.

    A mean over uses is a ratio of sums over architectures, whose variance follows from the residuals of each
    (Cochran, Sampling Techniques, 3rd edition, section 6.4). What belongs to one seed is in the spread between seeds
    already, and is left out; of one seed, nothing is left.

    Args:
        beyond: excess of each seed and architecture: (seeds, n).
        use: uses of the operation: (n,).
    """
    residuals = use * (beyond - _average(beyond, use)[:, None])
    return max(squares_and_products(residuals.T)[1], 0.0) / float(use.sum()) ** 2


def _ranks(x: Floats) -> Floats:
    """Mean ranks from 0 to 1: (n,)."""
    ranks: Floats = (rankdata(x) - 1) / max(1, len(x) - 1)
    return ranks
