"""The untrained networks and the images that training-free scores look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.tasks.loader import eval_batches
from supernet.benchmarks.wording import did_you_mean, quoted
from supernet.harness.scoring.proxies.proxy import Look
from supernet.harness.supernet.plain.build import plain_network
from supernet.harness.supernet.plain.network import PlainNetwork
from supernet.harness.supernet.plain.pool import Init, Pool
from supernet.harness.training.run import task_of
from supernet.heuristics.sections import TaskSection

MOST = 4096
"""Most images that a score looks at at once: our choice."""


Networks = Literal["shared", "fresh"]


@dataclass(frozen=True)
class Probe:
    """How architectures are looked at before any training."""

    space: str
    task: str = "cifar10"
    """The task whose training images are looked at; `digits` ships with the project."""
    size: int | None = 16
    """Pixels per side to which its images are averaged down; None keeps their size."""
    images: int = 64
    """Number of images, from the training images in their order of the draw, without augmentation."""
    channels: int = 16
    """Channels of the first stage."""
    cells: int = 1
    """Cells per stage."""
    networks: Networks = "shared"
    """`shared`: all architectures take their weights from one random super-net, in which an operation at a place of a
    cell has one set of weights (for each width). `fresh`: the weights of every architecture are drawn anew, which is
    the published definition."""
    dead: bool = False
    """Whether networks keep operations that their output does not depend on, as those of NAS-Bench-1Shot1 never do.
    Published scores that count activations or layers see them."""

    def __post_init__(self) -> None:
        if self.networks not in get_args(Networks):
            kinds = get_args(Networks)
            raise UserError(f"There are no networks {quoted(self.networks)}; {did_you_mean(self.networks, kinds)}")
        if space(self.space).idle_option is None and self.dead:
            raise UserError(
                f"The benchmark builds networks of {self.space} without dead operations: leave --dead (`dead`) out."
            )
        for name in ("size", "images", "channels", "cells"):
            value, least = getattr(self, name), {"images": 2, "size": 4}.get(name, 1)
            if name == "size" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
                raise UserError(f"The {name} of a probe are a whole number from {least} to {MOST:,}, not {value!r}.")

    @property
    def within(self) -> SearchSpace:
        """The search space."""
        return space(self.space)

    @classmethod
    def of(cls, within: str, settings: Mapping[str, Any]) -> Probe:
        """The probe of a space with these settings.

        Raises:
            UserError: there is no such setting, or one is out of its range.
        """
        names = [field.name for field in fields(cls) if field.name != "space"]
        for name in settings:
            if name not in names:
                raise UserError(f"A probe has no setting {quoted(name)}; {did_you_mean(name, names)}")
        return cls(within, **settings)

    def as_dict(self) -> dict[str, Any]:
        """All settings, for JSON."""
        return asdict(self)

    def first_alike(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each architecture the first one that has the same network: (n,)."""
        return indices if self.dead or self.networks == "fresh" else self.within.same_computation(indices)


class Sight:
    """One draw of images and weights: looks at one architecture after the other.

    Args:
        probe: what is looked at, and how.
        draw: number of the draw, from 0; it is the seed of images and weights.
        device: where to compute.
    """

    def __init__(self, probe: Probe, draw: int, device: torch.device | str = "cpu") -> None:
        self._probe, self._draw, self._device = probe, draw, torch.device(device)
        self._within = probe.within
        self._pools: dict[Init, Pool] = {}

    def look(self, index: int, init: Init) -> Look:
        """The network of an architecture whose output depends on its input, and the images."""
        images, labels, classes = self._batch
        return Look(self.network(index, init, classes), images, labels, classes, self._draw)

    def network(self, index: int, init: Init, classes: int) -> PlainNetwork:
        """The untrained network of an architecture."""
        probe, within = self._probe, self._within
        arch = within.archs([index])
        if not probe.dead:
            arch = within.live(arch)
        shape = probe.channels, probe.cells, classes
        return plain_network(within.name, self._pool(index, init), arch, *shape).train()

    def _pool(self, index: int, init: Init) -> Pool:
        if self._probe.networks == "fresh":
            numbers: Sequence[int] = np.random.SeedSequence([self._draw, index]).generate_state(1).tolist()
            return Pool(numbers[0], init, self._device)
        if init not in self._pools:
            self._pools[init] = Pool(self._draw, init, self._device)
        return self._pools[init]

    @property
    def size(self) -> int:
        """Pixels per side of the images."""
        return int(self._batch[0].shape[-1])

    @cached_property
    def _batch(self) -> tuple[Tensor, Tensor, int]:
        """Images, labels and the number of classes."""
        probe = self._probe
        task = task_of(TaskSection(name=probe.task, size=probe.size))
        count = len(task.train)
        if probe.images > count:
            raise UserError(f"{probe.images:,} images were asked for; {probe.task} has {count:,} for training.")
        rows = torch.randperm(count, generator=torch.Generator().manual_seed(self._draw))[: probe.images]
        ((images, labels),) = eval_batches(task.train.take(rows), task, probe.images)
        images = images.contiguous(memory_format=torch.channels_last)
        return images.to(self._device), labels.to(self._device), task.classes
