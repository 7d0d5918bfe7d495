"""Reading the paths' nodes, with and without ReLU, by kernels in Triton."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from supernet.harness.supernet.kernels.triton.layout import images_of, rows_of

BLOCK = 4096
"""Elements that one program copies; not tuned on a GPU."""


def relu_gather(nodes: Tensor, index: Tensor) -> Tensor:
    """See `operations.relu_gather`."""
    read: Tensor = _Gather.apply(nodes, index)
    return read


def relu_slots(nodes: Tensor, index: Tensor, rectified: int) -> tuple[Tensor, ...]:
    """See `operations.relu_slots`."""
    slots: tuple[Tensor, ...] = _Slots.apply(nodes, index, rectified)
    return slots


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: Tensor, index: Tensor) -> Tensor:
        rows = rows_of(nodes)
        ctx.save_for_backward(rows, index)
        return images_of(gathered(rows, index, len(index)))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        rows, index = ctx.saved_tensors
        return images_of(_collected(rows, index, rows_of(grad).unbind(), len(index))), None


class _Slots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, nodes: Tensor, index: Tensor, rectified: int) -> tuple[Tensor, ...]:
        rows = rows_of(nodes)
        ctx.save_for_backward(rows, index)
        ctx.rectified = rectified
        return images_of(gathered(rows, index, rectified)).unbind()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        rows, index = ctx.saved_tensors
        return images_of(_collected(rows, index, tuple(map(rows_of, grads)), ctx.rectified)), None, None


def gathered(rows: Tensor, index: Tensor, rectified: int) -> Tensor:
    """`rows[index]`, the first of them after ReLU, and 0 for -1: (m, ...) of rows (paths, ...), which is contiguous."""
    out = rows.new_empty((len(index), *rows.shape[1:]))
    size = rows[0].numel()
    _gather[(triton.cdiv(size, BLOCK), len(index))](rows, index, out, size, rectified, BLOCK=BLOCK)
    return out


def _collected(rows: Tensor, index: Tensor, grads: tuple[Tensor, ...], rectified: int) -> Tensor:
    """The gradient of `rows`: for each path, the sum of the gradients of what was read of it."""
    out = torch.empty_like(rows)
    size = rows[0].numel()
    _collect[(triton.cdiv(size, BLOCK), len(rows))](
        rows, index, grads, out, size, COUNT=len(grads), RECTIFIED=rectified, BLOCK=BLOCK
    )
    return out


@triton.jit
def _gather(nodes, index, out, size, rectified, BLOCK: tl.constexpr):
    j = tl.program_id(1)
    first = tl.program_id(0).to(tl.int64) * BLOCK
    at = tl.arange(0, BLOCK)
    inside = at < size - first
    source = tl.load(index + j)
    x = tl.load(nodes + source * size + first + at, mask=inside & (source >= 0), other=0.0).to(tl.float32)
    x = tl.where((j < rectified) & (x < 0), 0.0, x)  # not-a-number stays
    tl.store(out + j.to(tl.int64) * size + first + at, x.to(out.dtype.element_ty), mask=inside)


@triton.jit
def _collect(nodes, index, grads, out, size, COUNT: tl.constexpr, RECTIFIED: tl.constexpr, BLOCK: tl.constexpr):
    p = tl.program_id(1).to(tl.int64)
    first = tl.program_id(0).to(tl.int64) * BLOCK
    at = tl.arange(0, BLOCK)
    inside = at < size - first
    here = p * size + first
    x = tl.load(nodes + here + at, mask=inside, other=0.0).to(tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    for j in tl.static_range(COUNT):
        if tl.load(index + j) == p:
            grad = tl.load(grads[j] + first + at, mask=inside, other=0.0).to(tl.float32)
            if j < RECTIFIED:
                grad = tl.where(x <= 0, 0.0, grad)
            total += grad
    tl.store(out + here + at, total.to(out.dtype.element_ty), mask=inside)
