"""Rankings from the cheapest to the most expensive, each with its tau, its top decile, its regret and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supernet.harness.scoring.rules import RULES
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.statistics.fusion import Floats, fuse, mean_of_ranks, over_classes
from supernet.harness.statistics.seeds import Mean
from supernet.harness.statistics.spreads import squeezed

SIZE, JACOB, NETS = "live-params", "jacob-cov", "trained"
RULE = RULES["free-1+supernet"]
WEIGHT = RULE.trained or 0.0
"""The weight of super-nets in the rule."""
TOP = 0.1


@dataclass(frozen=True)
class Scores:
    """What is known of n architectures before any of them is trained alone."""

    params: Floats
    """Parameter counts: (n,)."""
    live: Floats
    """Parameters on live edges: (n,)."""
    draws: Floats
    """jacob_cov: (draws, n), NaN where it has no value."""
    nets: Floats
    """Scores by trained super-nets: (super-nets, n)."""
    twins: NDArray[np.int64]
    """Class of architectures that compute the same function with the same weights: (n,)."""

    def take(self, where: NDArray[np.int64]) -> Scores:
        """The same of some architectures."""
        return Scores(
            self.params[where], self.live[where], self.draws[:, where], self.nets[:, where], self.twins[where]
        )


@dataclass(frozen=True)
class Stage:
    """A ranking and how well it agrees with one ground truth."""

    name: str
    tau: Mean
    """tau-b: of several repeats their mean, whose interval covers repeats and the choice of architectures."""
    top10: Mean | None
    """The same within the truly best 10 %; None where these are too few."""
    regret: float
    """regret@1, percentage points of true accuracy, mean over repeats."""
    gain: Mean | None
    """tau-b less that of the training-free ranking, paired; None of rankings that come before it."""
    seconds: float
    """What it takes to compute, with everything that it is fused from."""


FREE = "free-1"


def rankings(scores: Scores) -> dict[str, list[Floats]]:
    """Name of each stage -> its rankings, one for each repeat, (n,), the cheapest first."""
    draws, nets = len(scores.draws), len(scores.nets)
    one = {SIZE: scores.live, JACOB: scores.draws[:1]}
    free = {SIZE: scores.live, JACOB: scores.draws}
    found = {
        "parameter count": [scores.params],
        "parameters on live edges": [scores.live],
        "jacob_cov alone": [mean_of_ranks(scores.draws)],
    }
    if draws > 1:
        found["free-1 with one draw"] = [fuse(one)]
    found[FREE] = [fuse(free)]
    found["super-net alone"] = list(scores.nets)
    found["free-1 + one super-net"] = [fuse({**free, NETS: net}, {NETS: WEIGHT}) for net in scores.nets]
    if nets > 1:
        found[f"free-1 + {nets} super-nets"] = [fuse({**free, NETS: scores.nets}, {NETS: WEIGHT})]
    return found


def variants(scores: Scores) -> dict[str, Floats]:
    """Other ways to fuse the same scores, all of which were tried: name -> ranking (n,).

    All but the last are of all super-nets with the training-free scores; the last is of the latter alone.
    """
    free = {SIZE: scores.live, JACOB: scores.draws}
    found = {f"{how} ranks": fuse({**free, NETS: scores.nets}, {NETS: WEIGHT}, how) for how in ("harmonic", "linear")}
    for weight in (0.1, 0.5, 1.0):
        found[f"weight {weight:g}"] = fuse({**free, NETS: scores.nets}, {NETS: weight})
    twins = {
        SIZE: scores.live,
        JACOB: over_classes(mean_of_ranks(scores.draws), scores.twins),
        NETS: over_classes(mean_of_ranks(scores.nets), scores.twins),
    }
    found["averaged over equal functions"] = fuse(twins, {NETS: WEIGHT})
    found[f"{FREE}, averaged over equal functions"] = fuse({SIZE: twins[SIZE], JACOB: twins[JACOB]})
    return found


def measured(
    scores: Scores, y: Floats, costs: Mapping[str, float], resamples: int, level: float = 0.95
) -> tuple[list[Stage], dict[str, tuple[float, float | None, float]]]:
    """The stages against one ground truth, and (tau, tau in the top 10 %, regret@1) of the variants.

    Args:
        y: true accuracies in percent: (n,).
        costs: name of a stage -> seconds.
        resamples: of the architectures.
    """
    top = metrics.true_top(y, TOP)
    enough = top.sum() >= stats.LEAST
    found = rankings(scores)
    statistics = {}
    for name, of in found.items():
        for number, x in enumerate(of):
            statistics[f"{name}\0{number}"] = stats.kendall_statistic(x, y)
            if enough:
                statistics[f"{name}\0{number}\0top"] = stats.kendall_statistic(x, y, top)
    draws = stats.bootstrap(statistics, len(y), count=resamples)
    out, free_draws = [], draws[f"{FREE}\0{0}"]
    (free,) = found[FREE]
    for name, of in found.items():
        each = np.stack([draws[f"{name}\0{number}"] for number in range(len(of))])
        values = [metrics.kendall_tau(x, y) for x in of]
        best = None
        if enough:
            inside = np.stack([draws[f"{name}\0{number}\0top"] for number in range(len(of))])
            best = _mean([metrics.tau_in_true_top(x, y, TOP) for x in of], inside, level)
        gain = None
        if name.startswith(f"{FREE} +"):
            gain = _mean([v - metrics.kendall_tau(free, y) for v in values], each - free_draws, level, bounded=False)
        regret = float(np.mean([metrics.regret_at(x, y, 1) for x in of]))
        out.append(Stage(name, _mean(values, each, level), best, regret, gain, costs.get(name, 0.0)))
    tried = {
        name: (
            metrics.kendall_tau(x, y),
            metrics.tau_in_true_top(x, y, TOP) if enough else None,
            metrics.regret_at(x, y, 1),
        )
        for name, x in variants(scores).items()
    }
    return out, tried


def _mean(values: Sequence[float], draws: Floats, level: float, *, bounded: bool = True) -> Mean:
    """A mean over repeats with its interval; of one repeat, the percentile interval of its draws (1, resamples)."""
    if len(values) == 1:
        return Mean(values[0], *stats.interval(draws[0], level), 1)
    (spread,) = squeezed([np.array(values)])
    return seeds.mean_of(values, spread, float(np.var(draws.mean(axis=0), ddof=1)), bounded=bounded, level=level)
