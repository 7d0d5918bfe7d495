"""Measurements in the course of training, by methods that read the super-net and leave its training as it is.

A `Measure` works on a copy of the network, on images and architectures that the recipe's seed determines, and with
random numbers of its own. Training with it is therefore the same, bit for bit, as training without it. Its passes and
seconds are metered apart from those of the training.
"""

from __future__ import annotations

import copy
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch

from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context, Method
from supernet.heuristics.meter import Meter
from supernet.heuristics.options import trained_options

PAIRS_SEED = 71
"""Sets the random numbers of pairs apart from all others of the same recipe seed."""
TRIES = 100
"""Draws of a pair until both architectures depend on their common operation; in a tiny space, some never do."""


@dataclass(frozen=True)
class Pair:
    """Two architectures that have one operation in common and differ in a given number of decisions."""

    number: int
    first: Arch
    second: Arch
    kept: int
    """The decision about the common operation."""
    distance: int
    """Number of decisions in which they differ."""

    def columns(self, space: SearchSpace) -> dict[str, Any]:
        """Return the columns of the pair in the rows of a measurement.

        They are `pair`, `first`, `second`, `distance`, and `parents`, the number of the differing decisions that are
        about parents.
        """
        first, second = space.string(self.first), space.string(self.second)
        differing = [place for place, (a, b) in enumerate(zip(self.first, self.second, strict=True)) if a != b]
        parents = len(set(differing) - set(space.operations))
        return {"pair": self.number, "first": first, "second": second, "distance": self.distance, "parents": parents}


@dataclass(eq=False)
class Measure(Method):
    """A method that measures the super-net after some epochs and changes nothing that training depends on."""

    splits: ClassVar[tuple[str, ...]] = ("train", "valid")
    """The splits on whose images it measures."""

    every: int = 1
    """Number of epochs between measurements; the last epoch is always measured."""
    images: int = 64
    """Number of images of a split on which it measures: the same ones each time, without augmentation."""
    pairs: int = 8
    """Number of pairs of architectures for each number of differing decisions: the same ones each time."""
    rows: list[dict[str, Any]] = field(default_factory=list, init=False)
    source: Callable[[str, int], Batch] | None = field(default=None, init=False)
    _batches: dict[str, Batch] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if not (1 <= self.every <= 10_000 and 1 <= self.images <= 100_000 and 1 <= self.pairs <= 1000):
            raise ValueError("every must lie in 1 to 10000, images in 1 to 100000, and pairs in 1 to 1000")

    def start_epoch(self, ctx: Context) -> None:
        assert self.source is not None
        self._batches = self._batches or {split: self.source(split, self.images) for split in self.splits}

    def end_epoch(self, ctx: Context) -> None:
        if self.due(ctx):
            with measuring(ctx):
                self.rows += [{"epoch": ctx.epoch + 1, **row} for row in self.measure(ctx)]

    def due(self, ctx: Context) -> bool:
        """Tell whether this epoch is measured."""
        done = ctx.epoch + 1
        return done % self.every == 0 or done == ctx.recipe.training.epochs

    @abstractmethod
    def measure(self, ctx: Context) -> list[dict[str, Any]]:
        """Return the rows of one measurement: column -> a number, a text or None. `ctx.network` is a copy."""

    def batch(self, split: str) -> Batch:
        """Return the images of a split on which the method measures."""
        return self._batches[split]

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self.rows = [dict(row) for row in state["rows"]]


@contextmanager
def measuring(ctx: Context) -> Iterator[None]:
    """Put a copy of the network, in evaluation mode, and an own meter into the context while the block runs.

    The copy normalises with the statistics of each batch, as training does, but drops no paths. Torch's random numbers
    go on afterwards as if nothing had been drawn, and the cost is added to `ctx.meter.measured`.
    """
    began, network, meter = time.perf_counter(), ctx.network, ctx.meter
    device = next(network.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        ctx.network, ctx.meter = copy.deepcopy(network).eval(), Meter()
        try:
            yield
        finally:
            spent, ctx.network, ctx.meter = ctx.meter, network, meter
    meter.measured.forward += spent.forward
    meter.measured.backward += spent.backward
    meter.measured.seconds += time.perf_counter() - began


def pairs_of(ctx: Context, count: int) -> list[Pair]:
    """Return `count` pairs for each distance from 1 to one less than the number of decisions.

    The pairs depend on the recipe's seed, on its space, and on whether it trains the operation none. The common
    operation is uniform over operations with weights, and the other decisions are uniform over their options. A pair is
    drawn again while the output of one of its architectures does not depend on the common operation.
    """
    options, rng = trained_options(ctx), np.random.default_rng([ctx.recipe.seed, PAIRS_SEED])
    return [
        _drawn(ctx, options, rng, (distance - 1) * count + k, distance)
        for distance in range(1, len(options))
        for k in range(count)
    ]


def _drawn(ctx: Context, options: list[list[int]], rng: np.random.Generator, number: int, distance: int) -> Pair:
    """Draw a pair of this distance."""
    for _ in range(TRIES):
        kept = int(rng.choice(ctx.space.operations))
        first = [int(rng.choice(choices)) for choices in options]
        weighted = [option for option in options[kept] if ctx.network.operations_of(kept, option)]
        first[kept] = int(rng.choice(weighted or options[kept]))
        second = list(first)
        others = [place for place in range(len(options)) if place != kept]
        for place in rng.choice(others, size=distance, replace=False).tolist():
            second[place] = int(rng.choice([option for option in options[place] if option != first[place]]))
        if all(_depends(ctx.space, arch, kept, options[kept]) for arch in (first, second)):
            break
    return Pair(number, tuple(first), tuple(second), kept, distance)


def _depends(space: SearchSpace, arch: list[int], decision: int, options: list[int]) -> bool:
    """Tell whether what an architecture computes depends on a decision: whether another option stays live."""
    changed = list(arch)
    changed[decision] = next(option for option in reversed(options) if option != arch[decision])
    live = space.live([arch, changed])
    return bool((live[0] != live[1]).any())
