"""Several paths through the super-net as one static computation: every operation of every edge runs once.

No two of the paths may use the same operation on the same edge of the same cell. Which path an operation serves is
data, not code, so that the computation is the same whatever the paths are: on a GPU it is captured once as a CUDA graph
and replayed. An operation that no path uses is computed on any input, and its output is dropped.

Inside, activations are stored as (paths, n, height, width, channels), so that the images of one path are a tensor in
channels-last layout without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, NONE, SKIP
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import INNER, INTO, POOL
from supernet.harness.supernet.ops import average_pool

WORKING = (SKIP, CONV1X1, CONV3X3, POOL)
"""The operations that are computed: all but `none`, which is the first."""


@dataclass(frozen=True)
class Routes:
    """Which path every operation serves. The cells may have routes of their own, or share one table."""

    take: Tensor
    """int64: (cells or 1, edges, working operations): the path whose input an operation gets; 0 where none uses it."""
    back: Tensor
    """int64: (cells or 1, edges, paths): the row of the outputs that a path gets."""
    used: Tensor
    """float32: (cells or 1, edges, working operations): 1 where a path uses the operation, 0 elsewhere."""
    idle: bool
    """Whether paths may use no operation on an edge. Row 0 of the outputs is then zero, and others are shifted by 1."""

    @property
    def paths(self) -> int:
        """The number of paths."""
        return self.back.shape[-1]


def tables(ops: NDArray[np.int64], idle: bool) -> tuple[Tensor, Tensor, Tensor]:
    """The tensors `take`, `back` and `used` of `Routes`.

    Args:
        ops: the live operation of every path, (..., paths, edges): `none` on edges that carry nothing.
        idle: as in `Routes`; without it, every path uses an operation on every edge.
    """
    per_edge = np.swapaxes(ops, -1, -2)  # (..., edges, paths)
    matches = per_edge[..., None, :] == np.array(WORKING)[:, None]  # (..., edges, working, paths)
    assert (matches.sum(-1) <= 1).all(), "two paths use the same operation of an edge"
    assert idle or (per_edge != NONE).all()
    take, used = matches.argmax(-1), matches.any(-1).astype(np.float32)
    return torch.from_numpy(take), torch.from_numpy(per_edge - (not idle)), torch.from_numpy(used)


def forward(network: NB201Net, parts: Sequence[Tensor], routes: Routes) -> list[Tensor]:
    """Logits (n, classes) of every path.

    Args:
        parts: images of each path, or one tensor for all: (n, 3, size, size).
    """
    stem = [_stored(network.stem(part)) for part in parts]
    x = torch.stack(stem * (routes.paths // len(stem)))
    rows = iter(range(network.cell_count) if len(routes.take) > 1 else [0] * network.cell_count)
    for stage, cells in enumerate(network._stages):
        if stage:
            x = torch.stack([_stored(network._reductions[stage - 1](_images(path))) for path in x.unbind()])
        for cell in cells:
            x = _cell(cell, x, routes, next(rows))
    return [network.head(_images(path)) for path in x.unbind()]


def _stored(x: Tensor) -> Tensor:
    """Images (n, channels, height, width) as (n, height, width, channels)."""
    return x.permute(0, 2, 3, 1)


def _images(x: Tensor) -> Tensor:
    """The reverse of `_stored`: images in channels-last layout."""
    return x.permute(0, 3, 1, 2)


def _cell(cell: Cell, x: Tensor, routes: Routes, number: int) -> Tensor:
    """Outputs of one cell for all paths; `number` is the row of the routes."""
    nodes = [x]
    for target in INNER:
        total: Tensor | None = None
        for edge, source in INTO[target]:
            take, back, used = routes.take[number, edge], routes.back[number, edge], routes.used[number, edge]
            taken = _Deal.apply(nodes[source], take, back, routes.idle).unbind()
            outputs = [_operate(cell, edge, op, x) for op, x in zip(WORKING, taken, strict=True)]
            term = _Collect.apply(take, back, used, routes.idle, *outputs)
            total = term if total is None else total + term
        assert total is not None
        nodes.append(total)
    return nodes[3]


def _operate(cell: Cell, edge: int, op: int, x: Tensor) -> Tensor:
    """One operation on the images of one path: (n, height, width, channels)."""
    if op == SKIP:
        return x
    if op == POOL:
        return _stored(average_pool(_images(x)))
    return _stored(cell.conv(edge, op, F.relu(_images(x))))


class _Deal(torch.autograd.Function):
    """Gives every operation of an edge the input of the path that it serves: (working operations, ...).

    No path uses two operations of an edge. The backward pass is therefore another selection of rows and no sum.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, take: Tensor, back: Tensor, idle: bool) -> Tensor:
        ctx.save_for_backward(back)
        ctx.idle = idle
        return x.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (back,) = ctx.saved_tensors
        rows = torch.cat([torch.zeros_like(grad[:1]), grad]) if ctx.idle else grad
        return rows.index_select(0, back), None, None, None


class _Collect(torch.autograd.Function):
    """Gives every path the output of the operation that it uses on an edge, or zeros: (paths, ...)."""

    @staticmethod
    def forward(ctx: Any, take: Tensor, back: Tensor, used: Tensor, idle: bool, *outputs: Tensor) -> Tensor:
        ctx.save_for_backward(take, used)
        ctx.idle = idle
        rows = torch.stack([*([torch.zeros_like(outputs[0])] if idle else []), *outputs])
        return rows.index_select(0, back)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        take, used = ctx.saved_tensors
        rows = grad.index_select(0, take)
        if ctx.idle:  # what no path uses gets the gradient of path 0, which is not its own
            rows = rows * used.to(rows.dtype).view(-1, 1, 1, 1, 1)
        return None, None, None, None, *rows.unbind()
