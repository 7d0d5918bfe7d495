"""Batches from a split that is one tensor on the device: no worker processes, no copy per batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.split import Split, is_whole
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.wording import quoted

EvalBatch = tuple[torch.Tensor, torch.Tensor]
"""Images and labels as in `Batch`."""


class Batch(NamedTuple):
    """Images and labels, on the device."""

    images: torch.Tensor
    """float32, normalised, channels last: (n, 3, size, size)."""
    labels: torch.Tensor
    """int64: (n,)."""
    rows: torch.Tensor
    """Numbers of the images in their split, int64: (n,)."""


def train_batches(
    split: Split, task: Task, batch_size: int, *, seed: int, epoch: int, weights: torch.Tensor | None = None
) -> Iterator[Batch]:
    """One epoch in random order, with the task's random crops and flips; the incomplete last batch is dropped.

    Args:
        weights: draw images with replacement in proportion to these instead of visiting each once: (images,).

    Order, crops and flips are drawn on the host and depend only on `seed`, `epoch` and the number of images, so
    that a resumed run continues as if it had not stopped, on any device. Crops reach over the edge by up to the task's
    padding; the pixels there are black before normalisation.

    Raises:
        UserError: the split has fewer than `batch_size` images; the batch size, seed or epoch is invalid; or the
            weights are not one non-negative number per image.
    """
    _check_batch(batch_size)
    if len(split) < batch_size:
        raise UserError(
            f"A batch of {batch_size} cannot be made of {len(split)} training images; choose a smaller one."
        )
    generator = epoch_generator(seed, epoch)
    return _train_batches(split, task, batch_size, generator, _order(len(split), weights, generator))


def _order(images: int, weights: torch.Tensor | None, generator: torch.Generator) -> torch.Tensor:
    """Image numbers in the order of an epoch: (images,)."""
    if weights is None:
        return torch.randperm(images, generator=generator)
    weights = weights.detach().double().cpu()
    if weights.shape != (images,) or not weights.isfinite().all() or (weights < 0).any() or weights.sum() <= 0:
        raise UserError(
            f"Weights of images must be {images:,} finite numbers from 0 on, not all 0; these have the shape "
            f"{tuple(weights.shape)}."
        )
    edges = weights.cumsum(0)
    drawn = torch.rand(images, generator=generator, dtype=torch.float64) * edges[-1]
    return torch.searchsorted(edges, drawn, right=True)


def eval_batches(split: Split, task: Task, batch_size: int) -> Iterator[EvalBatch]:
    """All images in order, without augmentation; the last batch may be smaller.

    Raises:
        UserError: the batch size is not a whole number of at least 1.
    """
    _check_batch(batch_size)
    return _eval_batches(split, task, batch_size)


def _check_batch(batch_size: int) -> None:
    if not is_whole(batch_size) or batch_size < 1:
        raise UserError(f"A batch has a whole number of images, at least 1, not {quoted(batch_size)}.")


def _eval_batches(split: Split, task: Task, batch_size: int) -> Iterator[EvalBatch]:
    normalise = _Normalise(task, split.images.device)
    for start in range(0, len(split), batch_size):
        rows = slice(start, start + batch_size)
        yield normalise(split.pixels[rows]), split.labels[rows]


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The host's random generator for one epoch, independent of those of other seeds and epochs.

    Raises:
        UserError: the seed or the epoch is not a whole number of at least 0.
    """
    if any(not is_whole(number) or number < 0 for number in (seed, epoch)):
        raise UserError(f"Seeds and epochs are whole numbers from 0 on, not {quoted(seed)} and {quoted(epoch)}.")
    state = int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state)


def _train_batches(
    split: Split, task: Task, batch_size: int, generator: torch.Generator, order: torch.Tensor
) -> Iterator[Batch]:
    device, size, n = split.images.device, split.images.shape[-1], len(split)
    top, left = torch.randint(2 * task.crop_padding + 1, (2, n), generator=generator)
    flip = torch.randint(2, (n,), generator=generator) * task.flip
    plan = torch.stack([order, top, left, flip]).to(device, non_blocking=True)
    normalise = _Normalise(task, device)
    crop = _Crop(batch_size, size, task.crop_padding, device)
    for start in range(0, n - batch_size + 1, batch_size):
        rows, top, left, flip = plan[:, start : start + batch_size]
        images = normalise(crop(split.pixels.index_select(0, rows), top, left, flip))
        yield Batch(images, split.labels.index_select(0, rows), rows)


class _Crop:
    """Cuts a window out of each padded image of a batch by one gather over its pixels."""

    def __init__(self, batch_size: int, size: int, padding: int, device: torch.device) -> None:
        self.size, self.padding = size, padding
        self.wide = size + 2 * padding
        self.steps = torch.arange(size, device=device)
        self.first_row = torch.arange(batch_size, device=device)[:, None] * self.wide

    def __call__(self, pixels: torch.Tensor, top: torch.Tensor, left: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
        """Pixels (n, size, size, 3) from corner (top, left) of the padded images, mirrored where `flip` is 1."""
        n, size, wide = len(pixels), self.size, self.wide
        padded = F.pad(pixels, (0, 0) + 4 * (self.padding,)).view(n * wide * wide, 3)
        rows = self.first_row + top[:, None] + self.steps
        columns = left[:, None] + torch.where(flip[:, None] == 1, self.steps.flip(0), self.steps)
        index = rows[:, :, None] * wide + columns[:, None, :]
        return padded.index_select(0, index.view(-1)).view(n, size, size, 3)


class _Normalise:
    """(pixel / 255 - mean) / std as one multiply and add over whole image rows, which is fast on a CPU."""

    def __init__(self, task: Task, device: torch.device) -> None:
        mean, std = torch.tensor([task.mean, task.std], dtype=torch.float64)
        self.scale = (1 / (255 * std)).float().repeat(task.size).to(device)
        self.offset = (-mean / std).float().repeat(task.size).to(device)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Images (n, 3, size, size) of pixels (n, size, size, 3)."""
        rows = torch.addcmul(self.offset, pixels.flatten(2).float(), self.scale)
        return rows.view(pixels.shape).permute(0, 3, 1, 2)
