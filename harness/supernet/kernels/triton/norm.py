"""Batch norms that are summed, by kernels in Triton."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from supernet.harness.supernet.kernels import eager
from supernet.harness.supernet.kernels.triton import norm_kernels as kernels
from supernet.harness.supernet.kernels.triton.gather import gathered
from supernet.harness.supernet.kernels.triton.layout import WARPS, images_of, rows_of, tile


def batch_norm_add(
    parts: Sequence[Tensor],
    weight: Sequence[Tensor] | None,
    bias: Sequence[Tensor] | None,
    eps: float,
    skips: Sequence[Tensor],
    path: Tensor | None,
    paths: int,
) -> Tensor:
    """See `operations.batch_norm_add`."""
    n, _, height, width = parts[0].shape
    if n * height * width == 1 or any(x.shape != parts[0].shape for x in (*parts, *skips)):
        return eager.batch_norm_add(parts, weight, bias, eps, skips, path, paths)  # it has the message for the error
    scale = None if weight is None else torch.stack(list(weight))
    shift = None if bias is None else torch.stack(list(bias))
    y: Tensor = _BatchNormAdd.apply(eps, len(parts), paths, path, scale, shift, *parts, *skips)
    return y


class _BatchNormAdd(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        eps: float,
        count: int,
        paths: int,
        path: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        *terms: Tensor,
    ) -> Tensor:
        rows = [rows_of(x) for x in terms]
        xs, skips = tuple(rows[:count]), tuple(rows[count:])
        saved = _statistics(xs, eps)
        y = _joined(xs, skips, saved, weight, bias, path, paths)
        ctx.save_for_backward(saved, path, weight, *xs)
        ctx.skips = len(skips)
        return images_of(y)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved, path, weight, *xs = ctx.saved_tensors
        dy = rows_of(grad)
        sums = _sums(tuple(xs), saved, dy, path)
        dx = images_of(_spread(tuple(xs), saved, weight, sums, dy, path))
        if path is None:
            passed: tuple[Tensor, ...] = (grad,) * ctx.skips
        else:
            passed = images_of(gathered(dy, path[len(xs) :])).unbind() if ctx.skips else ()
        affine = (None, None) if weight is None else (sums[1].to(weight.dtype), sums[0].to(weight.dtype))
        return None, None, None, None, *affine, *dx.unbind(), *passed


class _Grid:
    """Sizes that the kernels for some tensors of one shape need."""

    def __init__(self, x: Tensor) -> None:
        self.channels = x.shape[-1]
        self.rows = x.numel() // self.channels
        self.tile_rows, self.wide = tile(self.channels)
        self.blocks = triton.cdiv(self.rows, self.tile_rows)
        self.tiles = triton.cdiv(self.channels, self.wide)

    @property
    def sizes(self) -> dict[str, int]:
        """Constants of kernels that read tiles."""
        return {"C": self.channels, "ROWS": self.tile_rows, "CHANNELS": self.wide, "num_warps": WARPS}

    @property
    def turns(self) -> dict[str, int]:
        """Constants of kernels that read what was found for each tile."""
        return {"TURNS": triton.cdiv(self.blocks, self.tile_rows), "BLOCKS": self.tile_rows}

    def empty(self, *leading: int, like: Tensor) -> Tensor:
        """A float32 value for each channel."""
        return like.new_empty((*leading, self.channels), dtype=torch.float32)


def _statistics(xs: tuple[Tensor, ...], eps: float) -> Tensor:
    """Mean and inverse standard deviation: (2, parts, channels)."""
    grid, count = _Grid(xs[0]), len(xs)
    found = grid.empty(2, count, grid.blocks, like=xs[0])
    saved = grid.empty(2, count, like=xs[0])
    kernels.statistics[(grid.blocks, count, grid.tiles)](xs, found, grid.rows, grid.blocks, COUNT=count, **grid.sizes)
    kernels.merge[(count, grid.tiles)](
        found, saved, eps, grid.rows, grid.blocks, COUNT=count, **grid.turns, **grid.sizes
    )
    return saved


def _joined(
    xs: tuple[Tensor, ...],
    skips: tuple[Tensor, ...],
    saved: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    path: Tensor | None,
    paths: int,
) -> Tensor:
    """The sum of each path: (paths, n, height, width, channels), without the first of these if there is no `path`."""
    grid, routed = _Grid(xs[0]), path is not None
    y = xs[0].new_empty((paths, *xs[0].shape) if routed else xs[0].shape)
    kernels.join[(grid.blocks, paths if routed else 1, grid.tiles)](
        xs, skips or xs, saved, weight, bias, path, y, grid.rows,  # a tuple may not be empty
        COUNT=len(xs), SKIPS=len(skips), AFFINE=weight is not None, ROUTED=routed, **grid.sizes,
    )  # fmt: skip
    return y


def _sums(xs: tuple[Tensor, ...], saved: Tensor, dy: Tensor, path: Tensor | None) -> Tensor:
    """Sums over pixels of dy, and of dy times the normalised part: (2, parts, channels)."""
    grid, count = _Grid(xs[0]), len(xs)
    found = grid.empty(2, count, grid.blocks, like=dy)
    sums = grid.empty(2, count, like=dy)
    kernels.reduce[(grid.blocks, count, grid.tiles)](
        xs, saved, dy, path, found, grid.rows, grid.blocks, COUNT=count, ROUTED=path is not None, **grid.sizes
    )
    kernels.total[(count, grid.tiles)](
        found, sums, grid.blocks, COUNT=count, **grid.turns, C=grid.channels, CHANNELS=grid.wide,
        num_warps=WARPS,
    )  # fmt: skip
    return sums


def _spread(
    xs: tuple[Tensor, ...], saved: Tensor, weight: Tensor | None, sums: Tensor, dy: Tensor, path: Tensor | None
) -> Tensor:
    """Gradients of the parts: (parts, n, height, width, channels)."""
    grid, count = _Grid(xs[0]), len(xs)
    dx = xs[0].new_empty((count, *xs[0].shape))
    kernels.spread[(grid.blocks, count, grid.tiles)](
        xs, saved, weight, sums, dy, path, dx, grid.rows,
        COUNT=count, AFFINE=weight is not None, ROUTED=path is not None, **grid.sizes,
    )  # fmt: skip
    return dx
