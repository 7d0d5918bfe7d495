"""Which architectures the settings of a study displace and why, put together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.harness.study.displaced import Displaced, Effect, displaced, displacements, effects
from supernet.harness.study.features import choices, groups_of
from supernet.harness.study.sizes import Floats, GivenSize, Scores, Sizes, Strata, by_size


@dataclass(frozen=True)
class Structure:
    """The structure of the errors of rankings; lists are in the order of the settings, the base first."""

    displaced: list[Displaced]
    effects: list[Effect]
    """Effects of operations and connections on the base's ranks; empty where the architectures cannot tell them."""
    strata: Strata
    sizes: list[Sizes]


def structure_of(
    within: SearchSpace, indices: NDArray[np.int64], y: Floats, params: Floats, scores: Scores, given: GivenSize
) -> Structure:
    """The structure of the errors of all settings that `given` knows.

    Args:
        indices: of the architectures in their space (n,).
        y, params: true accuracies and parameter counts (n,).
    """
    archs = within.archs(indices)
    runs = {label: np.stack([displacements(x, y) for x in scores[label].values()], axis=1) for label in given.means}
    taken = [*choices(within, archs, operations=True), *choices(within, archs, operations=False)]
    strata, sizes = by_size(scores, given, params, y)
    first = next(iter(runs.values()))
    return Structure(
        displaced(runs, groups_of(within, archs, params), y), effects(taken, first, y), strata, sizes
    )  # fmt: skip
