"""What the kernels take, and the layout in which they read and write it: channels are next to each other."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
import triton
from torch import Tensor

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's interpreter runs the kernels."""
TILE = 8192
"""Elements that one program reads of a tensor: 16 KB in bfloat16. A power of 2; not tuned on a GPU."""
WIDEST = 128
"""Most channels that one program reads."""
WARPS = 8


def takes(tensors: Sequence[Tensor]) -> bool:
    """Whether the kernels compute with these tensors: on one GPU, of one precision, and not empty.

    Kernels do not compute derivatives of derivatives.
    """
    first = tensors[0]
    alike = all((x.device, x.dtype) == (first.device, first.dtype) and x.numel() for x in tensors)
    return alike and first.dtype in DTYPES and (first.is_cuda or INTERPRETED)


def tile(channels: int) -> tuple[int, int]:
    """Rows and channels of the block that a program reads, both powers of 2."""
    wide = min(WIDEST, triton.next_power_of_2(channels))
    return max(1, TILE // wide), wide


def rows_of(x: Tensor) -> Tensor:
    """The same values, with channels last and contiguous: (..., height, width, channels)."""
    return x.movedim(-3, -1).contiguous()


def images_of(rows: Tensor) -> Tensor:
    """A view with the channels where PyTorch has them: (..., channels, height, width)."""
    return rows.movedim(-1, -3)
