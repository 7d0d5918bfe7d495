"""Operations that a super-net ranks too high or too low, beyond regression to the mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from supernet.benchmarks.spaces import SearchSpace
from supernet.harness.statistics import metrics, seeds
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
    """Rows with what they over-rank; the spread between seeds of all settings says how sure that is.

    Args:
        y: true accuracies (n,).
        scores: label of a setting -> seed -> scores (n,).
    """
    done = [row.label for row in rows if scores[row.label]]
    raw, excess = {}, {}
    for label in done:
        found = [over_ranked(within, indices, y, _ranks(x)) for x in scores[label].values()]
        raw[label] = {name: float(np.mean([one[name][0] for one in found])) for name in found[0]}
        excess[label] = {name: np.array([one[name][1] for one in found]) for name in found[0]}
    spreads = {name: squeezed([excess[label][name] for label in done]) for name in excess[done[0]]}
    out = []
    for row in rows:
        if row.label in done:
            place = done.index(row.label)
            means = {
                name: seeds.mean_of(values, spreads[name][place], bounded=False)
                for name, values in excess[row.label].items()
            }
            row = dataclasses.replace(row, over_ranked=raw[row.label], excess=means)
        out.append(row)
    return out


def over_ranked(
    within: SearchSpace, indices: NDArray[np.int64], y: Floats, ranks: Floats
) -> dict[str, tuple[float, float]]:
    """How far architectures with each operation are ranked above their true place, and what of that is bias.

    A ranking that is noisy but treats all operations alike puts good architectures too low and bad ones too high on
    average: predicted percentiles regress to the mean with slope rho (Spearman's). The excess leaves that out: it is
    the mean over uses of (predicted - true) - (rho - 1) (true - 50).

    Args:
        y: true accuracies (n,).
        ranks: ranks by score from 0 (worst) to 1 (best): (n,).

    Returns:
        Operation -> (mean over its uses of predicted less true percentile, the excess), in percentile points. Both are
        0 for all operations when the ranking is perfect; the excess also when all scores are equal.
    """
    truth = _ranks(y)
    rho = metrics.pearson(ranks, truth) if np.ptp(ranks) > 0 else 0.0
    displaced = 100 * (ranks - truth)
    beyond = displaced - 100 * (rho - 1) * (truth - 0.5)
    archs = within.archs(indices)
    totals: dict[str, list[tuple[float, float]]] = {}
    for number, decision in enumerate(within.decisions):
        if number not in within.operations:
            continue
        for option, name in enumerate(decision.options):
            uses = archs[:, number] == option
            totals.setdefault(str(name), []).extend(zip(displaced[uses].tolist(), beyond[uses].tolist(), strict=True))
    out = {}
    for name, uses in totals.items():
        if uses:
            means = np.mean(uses, axis=0)
            out[name] = (float(means[0]), float(means[1]))
    return out


def _ranks(x: Floats) -> Floats:
    """Mean ranks from 0 to 1: (n,)."""
    ranks: Floats = (rankdata(x) - 1) / max(1, len(x) - 1)
    return ranks
