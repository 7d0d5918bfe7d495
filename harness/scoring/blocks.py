"""Scores of architectures in blocks: when that pays, how architectures are put in order, and what a batch adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.harness.supernet.nb201.blocks import SPARE, Blocks, fits, memory, packed
from supernet.harness.training.run import Run


def pay(run: Run, bn: str, images: Tensor) -> bool:
    """Whether blocks compute a ranking, and faster than one architecture after the other: on a GPU with enough memory.

    Args:
        bn: batch norm of the protocol. Recalibration, which is by architecture, has no blocks.
        images: a batch of images, on the device: (n, 3, size, size).
    """
    network = run.network
    if run.device.type != "cuda" or bn == "recalibrate" or not fits(network):
        return False
    free, _ = torch.cuda.mem_get_info(run.device)
    return memory(network, images, run.recipe.training.amp) < SPARE * free


def made(run: Run, bn: str, archs: NDArray[np.integer[Any]]) -> tuple[Blocks, NDArray[np.int64]]:
    """Blocks of these architectures, and the order in which the blocks have them: (architectures,).

    Args:
        bn: batch norm of the protocol.
        archs: (architectures, decisions).

    Raises:
        UserError: the network or the protocol has no blocks.
    """
    network = run.network
    if bn == "recalibrate" or not fits(network):
        raise UserError(
            "This ranking cannot be computed in blocks: they need a plain super-net of NAS-Bench-201, without partial "
            "channels, and evaluation.bn=batch or running. Leave out in_blocks."
        )
    rows = [tuple(arch) for arch in archs.tolist()]
    places = packed(rows)
    grouped = [[rows[place] for place in block] for block in places]
    blocks = Blocks(network, grouped, run.device, run.recipe.training.amp, capture=run.device.type == "cuda")
    return blocks, np.array([place for block in places for place in block])


def summed(blocks: Blocks, images: Tensor, labels: Tensor, first: int) -> Iterator[Tensor]:
    """Yield the summed loss, the number of correct images, and 1 for the batch: (architectures of a block, 3).

    Args:
        first: number of the architecture, in the order of the blocks, to begin with.
    """
    before = 0
    for number, size in enumerate(blocks.sizes):
        if before + size > first:
            logits = blocks.logits(images, number)[max(0, first - before) :]
            every = labels.expand(len(logits), -1)
            kept = logits.float() if logits.dtype.itemsize < 4 else logits
            loss = F.cross_entropy(kept.transpose(1, 2), every, reduction="none").sum(1)
            correct = (logits.argmax(2) == every).sum(1)
            yield torch.stack([loss, correct, torch.ones_like(loss)], 1)
        before += size
