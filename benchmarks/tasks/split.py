"""Images and labels as two tensors, and smaller versions of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError

_CHUNK = 500


def is_whole(number: object) -> bool:
    """Whether this is a whole number; booleans are not."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a task's data."""

    images: torch.Tensor
    """uint8 (n, 3, size, size), channels_last."""
    labels: torch.Tensor
    """int64 (n,), from 0."""

    @classmethod
    def of(cls, pixels: NDArray[np.uint8], labels: NDArray[np.integer]) -> Split:
        """Make a split from pixels (n, size, size, 3), which are not copied if they are contiguous, and labels (n,)."""
        images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
        return cls(images, torch.from_numpy(np.asarray(labels, dtype=np.int64)))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> torch.Tensor:
        """The images as a contiguous view (n, size, size, 3)."""
        return self.images.permute(0, 2, 3, 1)

    def take(self, rows: torch.Tensor | slice) -> Split:
        """The images in these rows, in this order: a view for a slice, a copy for int64 row numbers."""
        if isinstance(rows, slice):
            return Split(self.images[rows], self.labels[rows])
        rows = rows.to(self.labels.device)
        return Split(self.pixels.index_select(0, rows).permute(0, 3, 1, 2), self.labels.index_select(0, rows))

    def to(self, device: torch.device | str) -> Split:
        return Split(self.images.to(device), self.labels.to(device))


def shrink(split: Split, size: int) -> Split:
    """The images reduced to `size` x `size` pixels: means of square blocks, halves rounded up.

    Raises:
        UserError: `size` does not divide the size of the images.
    """
    n, now = len(split), split.images.shape[-1]
    if size == now:
        return split
    if size < 1 or now % size:
        raise UserError(f"Images of {now} pixels per side cannot be averaged down to {size}: it does not divide {now}.")
    small = torch.empty((n, 3, size, size), dtype=torch.uint8, memory_format=torch.channels_last)
    for start in range(0, n, _CHUNK):  # in parts, because floats take four times the room
        rows = slice(start, start + _CHUNK)
        small[rows] = F.avg_pool2d(split.images[rows].float(), now // size).add_(0.5)
    return Split(small, split.labels)
