"""One draw of weights and images in which TE-NAS looks at partially pruned super-nets."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from supernet.benchmarks.tasks.loader import eval_batches
from supernet.benchmarks.tasks.task import Task
from supernet.harness.scoring.proxies.metered import counted
from supernet.harness.scoring.proxies.pruning import condition_number, linear_regions
from supernet.harness.supernet.plain import mixture
from supernet.harness.supernet.plain.pool import Pool
from supernet.heuristics.meter import Meter

SIDE = 3
"""Pixels per side of a patch, as in the released code."""


@dataclass(frozen=True)
class Sizes:
    """How much a draw has; see `TENAS`."""

    images: int
    channels: int
    patches: int
    batches: int


class Trials:
    """Both quantities of TE-NAS for any options, with the weights and images of one draw.

    Args:
        sizes: sizes of networks and batches.
        task: its training images are looked at, without augmentation.
        draw: seed of images, patches and weights.
        meter: where passes are counted.
    """

    def __init__(self, sizes: Sizes, task: Task, draw: int, meter: Meter) -> None:
        self._sizes, self._task, self._draw, self._meter = sizes, task, draw, meter
        wide, thin = np.random.SeedSequence(draw).generate_state(2).tolist()
        self._wide, self._thin = Pool(wide), Pool(thin)

    def condition(self, options: mixture.Options) -> float:
        """The condition number of the neural tangent kernel."""
        task = self._task
        network = mixture.network(self._wide, options, self._sizes.channels, 1, task.classes).train()
        with self._counted(network, options):
            return condition_number(network, self.images)

    def regions(self, options: mixture.Options) -> int:
        """The number of linear regions."""
        network = mixture.thin(self._thin, options, self._task.classes).train()
        with self._counted(network, options):
            return linear_regions(network, self.patches)

    def _counted(self, network: torch.nn.Module, options: mixture.Options) -> AbstractContextManager[None]:
        paths = sum(map(len, options)) / len(options)
        return counted(network, self._meter, self._task.size, paths)

    @cached_property
    def images(self) -> Tensor:
        """The images of the kernel: (images, 3, size, size)."""
        return self._drawn(self._sizes.images, 0)

    @cached_property
    def patches(self) -> list[Tensor]:
        """Batches of random patches, each one colour of one image: (patches, 1, 3, 3) each."""
        count, found = self._sizes.patches, []
        for number in range(1, self._sizes.batches + 1):
            images, generator = self._drawn(count, number), self._generator(number)
            room = images.shape[-1] - SIDE + 1
            channel, top, left = (torch.randint(high, (count,), generator=generator) for high in (3, room, room))
            windows = images.unfold(2, SIDE, 1).unfold(3, SIDE, 1)
            found.append(windows[torch.arange(count), channel, top, left][:, None].contiguous())
        return found

    def _drawn(self, count: int, number: int) -> Tensor:
        """Random training images, normalised, each once as long as there are enough: (count, 3, size, size)."""
        split = self._task.train
        order = torch.randperm(len(split), generator=self._generator(number))
        rows = order.repeat(-(-count // len(order)))[:count]
        ((images, _),) = eval_batches(split.take(rows), self._task, count)
        return images

    def _generator(self, number: int) -> torch.Generator:
        seed = int(np.random.SeedSequence([self._draw, number]).generate_state(1)[0])
        return torch.Generator().manual_seed(seed)
