"""Successive cells of NAS-Bench-201 for several paths at once, by kernels in Triton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from supernet.harness.supernet.kernels.triton import cell_kernels as kernels
from supernet.harness.supernet.kernels.triton.layout import INTERPRETED

EDGES, CONVOLUTIONS, SLICES, NODES = 6, 12, 10, 4
WIDEST = 128
"""Most channels: a program holds a matrix of channels x channels."""
ELEMENTS, CONVOLVED, PULLED = 4096, 4096, 4096
"""Values that one program computes: of a node, of a convolution, and of the gradient of a node."""
WARPS, STAGES = 4, 3
"""Warps of a program that multiplies matrices, and how many of its loads are under way at once."""
CORRELATED = 64
"""Rows that a program reads at a time for the gradient of a matrix."""
SHARE, PARTS = 1024, 64
"""Rows over which one program sums the gradient of a matrix, unless that makes more than PARTS parts."""
MERGED = 16384
"""Most values of blocks' statistics that a program reads at a time."""


def cells_fit(device: torch.device, channels: int) -> bool:
    """Whether the kernels compute cells with so many channels on a device."""
    return channels <= WIDEST and (device.type == "cuda" or INTERPRETED)


def cells(
    x: Tensor, weight: Tensor, gain: Tensor | None, shift: Tensor | None, ops: Tensor, path: Tensor, eps: float
) -> Tensor:
    """Outputs of successive cells, with the statistics of each path's batch in batch norms: like x.

    Args:
        x: input of the first cell for each path, float32 or bfloat16: (paths, n, height, width, channels).
        weight: matrices of the convolutions, (cells, 6 edges, 10, outputs, inputs): the nine of the 3x3 convolution,
            row by row, then that of the 1x1 convolution.
        gain: scales of batch norms, 1x1 before 3x3: (cells, 6, 2, channels). None for no scale and no shift.
        shift: shifts alike.
        ops: live operation of each path: int64, (cells, 6, paths), or (1, 6, paths) for the same in all cells.
        path: the path that the 1x1 and the 3x3 convolution of each edge serve, or -1: int64, (cells or 1, 6, 2).
        eps: what batch norm adds to variances.
    """
    ops, path = (table.expand(len(weight), -1, -1) for table in (ops, path))
    y: Tensor = _Cells.apply(x, weight, gain, shift, ops, path, eps, torch.is_grad_enabled())
    return y


class _Grid:
    """Sizes of the kernels for inputs of one shape."""

    def __init__(self, x: Tensor) -> None:
        self.paths, n, self.height, self.width, self.channels = x.shape
        self.rows = n * self.height * self.width
        self.wide = max(16, triton.next_power_of_2(self.channels))
        self.tile, self.convolved, self.pulled = (max(16, n // self.wide) for n in (ELEMENTS, CONVOLVED, PULLED))
        self.blocks, self.convolved_blocks = triton.cdiv(self.rows, self.tile), triton.cdiv(self.rows, self.convolved)
        self.share = max(SHARE, triton.cdiv(triton.cdiv(self.rows, PARTS), CORRELATED) * CORRELATED)
        self.parts = triton.cdiv(self.rows, self.share)
        # As PyTorch's convolutions: products in TF32 for float32, unless that is switched off.
        tf32 = x.dtype == torch.float32 and torch.backends.cudnn.allow_tf32
        self.precision = "tf32" if tf32 else "ieee"

    def merged(self, blocks: int) -> dict[str, int]:
        """Constants of kernels that merge what was found for each block."""
        at_once = min(triton.next_power_of_2(blocks), max(1, MERGED // self.wide))
        return {**self.channelled, "BLOCKS": at_once, "num_warps": 8}

    @property
    def channelled(self) -> dict[str, int]:
        """Constants of kernels that read no neighbours."""
        return {"C": self.channels, "WIDE": self.wide}

    @property
    def imaged(self) -> dict[str, int]:
        """Constants of kernels that read neighbours."""
        return {"H": self.height, "W": self.width, **self.channelled}

    @property
    def multiplied(self) -> dict[str, Any]:
        """Constants of kernels that multiply matrices."""
        return {**self.imaged, "PRECISION": self.precision, "num_warps": WARPS, "num_stages": STAGES}


@dataclass(frozen=True)
class _Cell:
    """What kernels read and write of one cell."""

    base: int
    """Slot of its input among the nodes, before the remainder is taken."""
    matrices: Tensor
    ops: Tensor
    path: Tensor
    outs: Tensor
    """Outputs of its convolutions: (12, rows, channels)."""
    saved: Tensor
    """Their means and inverse standard deviations: (12, 2, channels)."""
    gain: Tensor | None
    shift: Tensor | None

    @property
    def affine(self) -> dict[str, Any]:
        """Scales, with a tensor in their place that is not read where there are none."""
        return {"gain": self.saved if self.gain is None else self.gain, "AFFINE": self.gain is not None}


def _cell(number: int, outs: Tensor, **stacked: Tensor | None) -> _Cell:
    """A cell from the tensors of all cells; of `outs`, there may be one for all."""
    own = {name: None if tensor is None else tensor[number] for name, tensor in stacked.items()}
    return _Cell(base=3 * number, outs=outs[number % len(outs)], **own)  # type: ignore[arg-type]


class _Cells(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        gain: Tensor | None,
        shift: Tensor | None,
        ops: Tensor,
        path: Tensor,
        eps: float,
        keep: bool,
    ) -> Tensor:
        grid, count = _Grid(x), len(weight)
        # A cell's output is the next one's input. Where nothing is kept, it overwrites what only the one before read.
        slots = 3 * count + 1 if keep else NODES
        nodes = torch.empty((slots, *x.shape), dtype=x.dtype, device=x.device)
        nodes[0].copy_(x)
        matrices = weight.to(x.dtype).contiguous()
        outs = x.new_empty((count if keep else 1, CONVOLUTIONS, grid.rows, grid.channels))
        saved = torch.empty((count, CONVOLUTIONS, 2, grid.channels), dtype=torch.float32, device=x.device)
        found = torch.empty(
            (CONVOLUTIONS, 2, grid.convolved_blocks, grid.channels), dtype=torch.float32, device=x.device
        )
        stacked = {"matrices": matrices, "ops": ops, "path": path, "saved": saved, "gain": gain, "shift": shift}
        for number in range(count):
            _forward(grid, nodes, _cell(number, outs, **stacked), found, eps)
        ctx.save_for_backward(nodes, outs, saved, matrices, gain, ops, path)
        return nodes[3 * count % slots]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        nodes, outs, saved, matrices, gain, ops, path = ctx.saved_tensors
        grid, count = _Grid(nodes[0]), len(matrices)
        grads, dx = nodes.new_empty((NODES, *nodes.shape[1:])), torch.empty_like(outs[0])
        grads[3 * count % NODES].copy_(grad)
        sums = torch.empty_like(saved)
        found = saved.new_empty((CONVOLUTIONS, 2, grid.blocks, grid.channels))
        parts = saved.new_empty((count, grid.parts, EDGES * SLICES, grid.channels, grid.channels))
        stacked = {"matrices": matrices, "ops": ops, "path": path, "saved": saved, "gain": gain, "shift": None}
        for number in reversed(range(count)):
            cell = _cell(number, outs, **stacked)
            _backward(grid, nodes, grads, cell, sums[number], found, dx)
            _correlate(grid, nodes, cell, dx, parts[number])
        shape = (count, EDGES, SLICES, grid.channels, grid.channels)
        affine = (None, None) if gain is None else (sums[:, :, 1].view(gain.shape), sums[:, :, 0].view(gain.shape))
        return grads[0], parts.sum(1).view(shape), *affine, None, None, None, None


def _forward(grid: _Grid, nodes: Tensor, cell: _Cell, found: Tensor, eps: float) -> None:
    """Nodes 1 to 3 of one cell; fills `outs` and `saved` on the way."""
    slots, blocks = len(nodes), grid.convolved_blocks
    shift = cell.saved if cell.shift is None else cell.shift
    for target in range(1, NODES):
        first, convolutions = target * (target - 1) // 2, 2 * target
        kernels.convolve[(blocks, convolutions)](
            nodes, cell.matrices, cell.path, cell.outs, found, cell.base, slots, first, grid.paths, grid.rows, blocks,
            **grid.multiplied, ROWS=grid.convolved,
        )  # fmt: skip
        kernels.merge[(convolutions,)](
            cell.path, found, cell.saved, eps, first, grid.rows, blocks, grid.convolved, **grid.merged(blocks)
        )
        kernels.join[(grid.blocks, grid.paths)](
            nodes, cell.ops, cell.outs, cell.saved, shift=shift, base=cell.base, slots=slots, target=target,
            paths=grid.paths, rows=grid.rows, **cell.affine, **grid.imaged, ROWS=grid.tile,
        )  # fmt: skip


def _backward(grid: _Grid, nodes: Tensor, grads: Tensor, cell: _Cell, sums: Tensor, found: Tensor, dx: Tensor) -> None:
    """Gradients of a cell: of its input in `grads`, of scales and shifts in `sums`, of convolutions in `dx`."""
    for target in reversed(range(1, NODES)):
        first, convolutions = target * (target - 1) // 2, 2 * target
        kernels.reduce[(grid.blocks, convolutions)](
            grads, cell.path, cell.outs, cell.saved, found, cell.base, target, grid.paths, grid.rows, grid.blocks,
            **grid.channelled, ROWS=grid.tile,
        )  # fmt: skip
        kernels.total[(convolutions,)](cell.path, found, sums, first, grid.blocks, **grid.merged(grid.blocks))
        kernels.spread[(grid.blocks, convolutions)](
            grads, cell.path, cell.outs, cell.saved, sums=sums, dx=dx, base=cell.base, target=target,
            paths=grid.paths, rows=grid.rows, **cell.affine, **grid.channelled, ROWS=grid.tile,
        )  # fmt: skip
        kernels.pull[(triton.cdiv(grid.rows, grid.pulled), grid.paths)](
            nodes, grads, cell.matrices, cell.ops, dx, cell.base, len(nodes), target - 1, grid.paths, grid.rows,
            **grid.multiplied, ROWS=grid.pulled,
        )  # fmt: skip


def _correlate(grid: _Grid, nodes: Tensor, cell: _Cell, dx: Tensor, parts: Tensor) -> None:
    """Gradients of a cell's matrices, over parts of the rows."""
    kernels.correlate[(grid.parts, EDGES * SLICES)](
        nodes, cell.path, dx, parts, cell.base, len(nodes), grid.paths, grid.rows, grid.share,
        **grid.multiplied, ROWS=CORRELATED,
    )  # fmt: skip
