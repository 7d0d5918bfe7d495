"""What searches that look at untrained networks need of a benchmark: its images, and what a pass costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.search.algorithms.ask import Maker
from supernet.harness.search.costs import Shape, seconds_of, timed_epochs
from supernet.heuristics.meter import Meter


@dataclass(frozen=True)
class Site:
    """A benchmark as such a search sees it."""

    task: str
    """Name of the task whose training images are looked at."""
    seconds: Callable[[float, Shape], float] | None = None
    """Maps images that pass forward and backward, and the shape of their network, to simulated seconds; None if the
    benchmark has no training times."""
    among: tuple[Arch, ...] = ()
    """The architectures that can be queried; empty for all of the space."""

    def costs(self, meter: Meter, batch: int, shape: Shape, wall: float) -> dict[str, float]:
        """Return what passes cost: kind -> amount; nothing if there were none.

        Args:
            meter: the images that passed, which is all that is charged.
            batch: images of a path pass.
            shape: the shape of the networks.
            wall: seconds by the clock that they took.
        """
        if not (meter.forward or meter.backward):
            return {}
        seconds = {} if self.seconds is None else {"seconds": self.seconds(meter.passes(1), shape)}
        return {"passes": meter.passes(batch), "wall": wall, **seconds}


@runtime_checkable
class Probing(Protocol):
    """Makes algorithms that look at untrained networks, once it knows the benchmark."""

    def on_site(self, site: Site) -> Maker:
        """Return the maker for a benchmark.

        Raises:
            UserError: the benchmark has no such images, or something else is missing.
        """
        ...


def site_of(within: SearchSpace, truth: GroundTruth, observed: Measure, known: np.ndarray) -> Site:
    """Return the site of searches on a table.

    Args:
        observed: the accuracies that searches observe.
        known: indices of the architectures that the table has: (known,).
    """

    def seconds(images: float, shape: Shape) -> float:
        return seconds_of(images, shape, within, truth, observed)

    complete = len(known) == len(within)
    among = () if complete else tuple(tuple(arch) for arch in within.archs(known).tolist())
    timed = bool(timed_epochs(truth, observed))
    return Site(observed.dataset.removesuffix("-valid"), seconds if timed else None, among)
