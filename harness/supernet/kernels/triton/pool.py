"""3x3 average pooling by a kernel in Triton."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from supernet.harness.supernet.kernels.triton.layout import images_of, rows_of, tile

SHARE = 4
"""A program computes this part of a tile, because it reads nine pixels for each that it writes; not tuned on a GPU."""


def avg_pool3x3(x: Tensor) -> Tensor:
    """See `operations.avg_pool3x3`."""
    pooled: Tensor = _AveragePool.apply(x)
    return pooled


class _AveragePool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _pooled(x, False)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _pooled(grad, True)


def _pooled(x: Tensor, adjoint: bool) -> Tensor:
    rows = rows_of(x)
    y = torch.empty_like(rows)
    _, height, width, channels = rows.shape
    pixels = rows.numel() // channels
    tile_rows, wide = tile(channels)
    tile_rows = max(1, tile_rows // SHARE)
    _pool[(triton.cdiv(pixels, tile_rows), triton.cdiv(channels, wide))](
        rows, y, pixels, ADJOINT=adjoint, HEIGHT=height, WIDTH=width, C=channels, ROWS=tile_rows, CHANNELS=wide
    )
    return images_of(y)


@triton.jit
def _count(place, size: tl.constexpr):
    """Pixels along one side of the window around a place that are inside of the image."""
    return tl.minimum(place + 1, size - 1) - tl.maximum(place - 1, 0) + 1


@triton.jit(do_not_specialize=["pixels"])
def _pool(
    x, y, pixels,
    ADJOINT: tl.constexpr, HEIGHT: tl.constexpr, WIDTH: tl.constexpr,
    C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Means over windows; or the adjoint, which sums over a window the values, each divided by its window's count."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = (channel < C)[None, :]
    at = row.to(tl.int64)[:, None] * C + channel[None, :]
    down, right = (row // WIDTH) % HEIGHT, row % WIDTH
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    for i in tl.static_range(3):
        for j in tl.static_range(3):
            h, w = down + (i - 1), right + (j - 1)
            inside = (row < pixels) & (h >= 0) & (h < HEIGHT) & (w >= 0) & (w < WIDTH)
            value = tl.load(x + at + ((i - 1) * WIDTH + j - 1) * C, mask=inside[:, None] & known, other=0.0)
            value = value.to(tl.float32)
            if ADJOINT:
                value /= (_count(h, HEIGHT) * _count(w, WIDTH)).to(tl.float32)[:, None]
            total += value
    if not ADJOINT:
        total /= (_count(down, HEIGHT) * _count(right, WIDTH)).to(tl.float32)[:, None]
    tl.store(y + at, total.to(y.dtype.element_ty), mask=(row < pixels)[:, None] & known)
