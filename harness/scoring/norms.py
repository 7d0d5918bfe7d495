"""Batch norm while architectures are scored: whose statistics it uses, and how they are computed again."""

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
    """A context manager that sets batch norm for a protocol, and restores it at the end."""

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
    """Images of `count` training batches: those of one epoch, then of the following epochs."""
    batches = (
        images
        for epoch in itertools.count()
        for images, *_ in train_batches(run.task.train, run.task, size, seed=run.recipe.seed, epoch=epoch)
    )
    return list(itertools.islice(batches, count))


def recalibrated(
    network: torch.nn.Module, parts: Sequence[Tensor], archs: Sequence[Arch], calibration: Sequence[Tensor]
) -> Iterator[Tensor]:
    """Logits with statistics that each architecture recomputes on the same training batches (Guo et al., 2020)."""
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
