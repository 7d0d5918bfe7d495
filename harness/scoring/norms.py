"""Batch norm while architectures are scored: which statistics it uses, and how they are recalibrated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.tasks.loader import train_batches
from supernet.harness.supernet.ops import BatchNorm
from supernet.harness.training.run import Run


class statistics:
    """A context manager that sets batch norm for a protocol, and restores it at the end.

    Args:
        network: the network whose batch norm is set.
        bn: `running` for running statistics; otherwise those of each batch.
    """

    def __init__(self, network: torch.nn.Module, bn: str) -> None:
        self._norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
        self._bn = bn

    def __enter__(self) -> None:
        self._before = [(m.track, m.use_running, m.momentum, m.mean, m.var, m.batches) for m in self._norms]
        for m in self._norms:
            m.track, m.use_running = False, self._bn == "running"

    def __exit__(self, *_: object) -> None:
        for m, before in zip(self._norms, self._before, strict=True):
            m.track, m.use_running, m.momentum, m.mean, m.var, m.batches = before


def calibration_images(run: Run, size: int, count: int) -> list[Tensor]:
    """The images (size, 3, height, width) of `count` training batches: those of the first epoch, then of the next ones.

    Args:
        size: images of a batch.
    """
    batches = (
        images
        for epoch in itertools.count()
        for images, *_ in train_batches(run.task.train, run.task, size, seed=run.recipe.seed, epoch=epoch)
    )
    return list(itertools.islice(batches, count))


def recalibrated(
    network: torch.nn.Module, parts: Sequence[Tensor], archs: Sequence[Arch], calibration: Sequence[Tensor]
) -> Iterator[Tensor]:
    """Yield the logits (n, classes) of each architecture, with batch norm recalibrated for it (Guo et al., 2020).

    Args:
        parts: the n images to score, in batches.
        calibration: the training batches on which every architecture recomputes its statistics.
    """
    norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
    kept = [(torch.zeros_like(m.mean), torch.ones_like(m.var)) for m in norms]
    for arch in archs:
        for m, (mean, var) in zip(norms, kept, strict=True):
            m.mean, m.var, m.momentum, m.track, m.use_running = mean, var, None, True, False
            m.reset()
        for images in calibration:
            network(images, arch)
        for m in norms:
            m.track, m.use_running = False, True
        yield torch.cat([network(x, arch) for x in parts])
