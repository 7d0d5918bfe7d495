"""The range of values that each number of a recipe can have.

Upper bounds keep a recipe within the arithmetic of NumPy and PyTorch and within the memory of common machines, so that
an impossible request is refused before anything is allocated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from supernet.benchmarks.spaces import space as space_named
from supernet.benchmarks.wording import quoted

MOST_EPOCHS = 1_000_000
"""Largest number of epochs, our choice. It is below 1,000,003, so that no two seeds of torch coincide (see below)."""
MOST_SEED = (2**64 - 1) // 1_000_003 - 1
"""Largest seed. Training seeds torch with seed * 1,000,003 + epoch, which has to stay below 2^64."""
MOST_PARAMETERS = 2**29
"""Largest number of weights of a super-net: 2 GiB in float32, and three times that with gradients and momentum."""
_LARGE = 1e30
"""Upper bound of numbers that have no natural one; numbers below it are finite in float32."""
_COUNT = 1_000_000
"""Upper bound of counts of images, batches and updates, our choice."""


@dataclass(frozen=True)
class Range:
    """An interval of numbers."""

    low: float
    high: float
    above: bool = False
    """Whether `low` itself is excluded."""
    below: bool = False
    """Whether `high` itself is excluded."""

    def problem(self, name: str, value: float) -> str | None:
        """Say what is wrong with the value of the key `name`; None if the value lies in the interval."""
        low_fits = value > self.low if self.above else value >= self.low
        high_fits = value < self.high if self.below else value <= self.high
        if low_fits and high_fits:
            return None
        if self.high <= 1:
            wanted = f"lie in {'(' if self.above else '['}{self.low:g}, {self.high:g}{')' if self.below else ']'}"
        elif isinstance(value, float) and math.isnan(value):
            wanted = "be a number"
        elif not low_fits:
            wanted = f"be {'above' if self.above else 'at least'} {self.low:g}"
        else:
            wanted = f"be at most {self.high:,}" if isinstance(self.high, int) else f"be at most {self.high:g}"
        return f"{name} is {quoted(value)}, but must {wanted}"


_SHARE = Range(0, 1, below=True)
_SIZE = Range(0, _LARGE)
_POSITIVE = Range(0, _LARGE, above=True)
_IMAGES = Range(1, _COUNT)

RANGES: dict[str, Range] = {
    "seed": Range(0, MOST_SEED),
    "task.size": Range(4, 1024),
    "task.train_portion": Range(0, 1, above=True),
    "task.train_images": _IMAGES,
    "task.valid_images": _IMAGES,
    "task.test_images": _IMAGES,
    "task.seed": Range(0, 2**63 - 1),
    "network.channels": Range(1, 10_000),
    "network.cells": Range(1, 100),
    "network.path_dropout": _SHARE,
    "network.global_dropout": _SHARE,
    "network.partial_channels": Range(1, 10_000),
    "training.epochs": Range(1, MOST_EPOCHS),
    "training.batch_size": _IMAGES,
    "training.learning_rate": _SIZE,
    "training.final_learning_rate": _SIZE,
    "training.warmup_epochs": Range(0, MOST_EPOCHS),
    "training.momentum": _SIZE,
    "training.weight_decay": _SIZE,
    "training.clip": _SIZE,
    "training.label_smoothing": _SHARE,
    "sampling.paths": Range(1, 1_000),
    "distribution.learning_rate": _SIZE,
    "distribution.weight_decay": _SIZE,
    "distribution.beta1": _SHARE,
    "distribution.epsilon": _SIZE,
    "distribution.start_epoch": Range(0, MOST_EPOCHS),
    "distribution.floor": _SHARE,
    "distribution.entropy": Range(-_LARGE, _LARGE),
    "distribution.temperature": _POSITIVE,
    "distribution.final_temperature": _POSITIVE,
    "distribution.radius": _SIZE,
    "distribution.final_radius": _SIZE,
    "distribution.kept_options": Range(1, 10_000),
    "distribution.prune_from": _SHARE,
    "distribution.samples": Range(1, 10_000),
    "distribution.likelihood": _SIZE,
    "distribution.updates": Range(1, _COUNT),
    "evaluation.recalibration_batches": Range(1, _COUNT),
    "evaluation.images": _IMAGES,
    "evaluation.batch_size": _IMAGES,
}
"""Key -> its range, for every number of a recipe. The value None, where a key allows it, is not compared."""


def network_parameters(space: str, channels: int, cells: int, wide_nodes: bool) -> int:
    """Estimate the number of weights of a super-net, which grows with the square of its width.

    Args:
        space: name of a space that has a super-net.
        channels: number of channels of the first of three stages, each of which is twice as wide as the one before.
        cells: number of cells per stage.
        wide_nodes: whether nodes with operations are as wide as the widest architecture needs (a `channel_mode` other
            than `fixed`).
    """
    within = space_named(space)
    if within.operations_on == "edges":
        # 280 counts the kernels of the two reductions between stages; the rest is roughly the kernels of all cells.
        return channels**2 * (210 * len(within.operations) * cells + 280)
    return channels**2 * cells * (900 if wide_nodes else 250)
