"""Selected rows of a tensor, by a kernel in Triton."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 4096
"""Elements that one program copies."""


def gathered(rows: Tensor, index: Tensor) -> Tensor:
    """`rows[index]`, and 0 for -1: (m, ...) of rows (paths, ...), which is contiguous."""
    out = rows.new_empty((len(index), *rows.shape[1:]))
    size = rows[0].numel()
    _gather[(triton.cdiv(size, BLOCK), len(index))](rows, index, out, size, BLOCK=BLOCK)
    return out


@triton.jit
def _gather(nodes, index, out, size, BLOCK: tl.constexpr):
    j = tl.program_id(1)
    first = tl.program_id(0).to(tl.int64) * BLOCK
    at = tl.arange(0, BLOCK)
    inside = at < size - first
    source = tl.load(index + j)
    x = tl.load(nodes + tl.maximum(source, 0) * size + first + at, mask=inside, other=0.0).to(tl.float32)
    x = tl.where(source >= 0, x, 0.0).to(out.dtype.element_ty)
    tl.store(out + j.to(tl.int64) * size + first + at, x, mask=inside)
