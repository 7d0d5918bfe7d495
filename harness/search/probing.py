"""What searches that look at untrained networks need of a benchmark: its images, and what a pass costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Maker
from supernet.heuristics.meter import Meter


@dataclass(frozen=True)
class Shape:
    """The size of networks, on which the cost of a pass depends."""

    channels: int
    """Channels of the first stage."""
    cells: int
    """Cells per stage."""
    size: int
    """Pixels per side of an image."""


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
