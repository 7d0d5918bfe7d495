"""Steps of single paths as one static computation: each edge has one 3x3 convolution, whose kernel is data.

The kernel of an edge is that of its 3x3 convolution; or that of its 1x1 convolution, set in the middle of zeros; which
of the two is data. So are the scale of the batch norm that follows, which is zero where the edge has no convolution,
and the factors, 0 or 1, of the skip connection and of pooling. All convolutions that read a node are one convolution
with several times the outputs, and pooling, which is linear, pools the sum of what a node pools.

This computes more than one path needs: six 3x3 convolutions per cell, where a random path has 1.2 of each kind. It is
faster nevertheless where launches of kernels cost more than what they compute, as on a GPU at the widths of the
benchmark: a cell has three convolutions, batch norms and poolings, and no launch waits for Python.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, SKIP
from supernet.harness.supernet.nb201 import static
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.flat import FlatSGD, stored
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import INTO, OUT_OF, POOL
from supernet.harness.supernet.ops import average_pool
from supernet.heuristics.hooks import Context
from supernet.heuristics.recipe import Recipe

LAWS = ("uniform", "architectures", "classes", "fair", "fixed")
"""Laws whose paths all learn from the labels."""
BY_SOURCE = tuple(edge for node in (0, 1, 2) for edge, _ in OUT_OF[node])
"""The edges, ordered by the node that they come from."""


def fits(recipe: Recipe) -> bool:
    """Whether `SingleStep` computes what the paths one by one would; each operation has to have weights of its own."""
    return static.fits(recipe) and recipe.sampling.law in LAWS and recipe.network.ofa_kernel == "own"


class SingleStep(static.StaticStep):
    """Any paths on NAS-Bench-201, one after the other, as one computation; equal to `Accumulate` up to rounding."""

    def ordered(self, network: NB201Net) -> list[nn.Parameter]:
        self._stages = [_Stage(cells) for cells in network._stages]
        stacked = [p for stage in self._stages for stack in stage.stacks for p in stack]
        own = {id(p) for p in stacked}
        self._others = [p for p in network.parameters() if id(p) not in own]
        return [*stacked, *self._others]

    def bind(self, network: NB201Net, flat: FlatSGD) -> None:
        first = 0
        for stage in self._stages:
            first = stage.bind(flat, first)
        self._leaves = [leaf for stage in self._stages for leaf in stage.leaves] + list(self._others)

    def routes(self, ops: NDArray[np.int64]) -> Sequence[Tensor]:
        return torch.from_numpy(ops), torch.from_numpy(ops[:, :, BY_SOURCE])

    def gradient(
        self, ctx: Context, images: Tensor, labels: Tensor, routes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        by_edge, by_source = routes
        paths = len(by_edge)
        parts, wanted, share = static.parts_of(ctx, images, labels, paths)
        losses, rights, total = [], [], None
        for number, y in enumerate(wanted):
            x = parts[number % len(parts)]
            logits = self._logits(ctx, x, by_edge[number], by_source[number])
            loss, right = static.cross_entropy(ctx, logits, y)
            found = torch.autograd.grad(loss * share, self._leaves)
            gradient = torch.cat([stored(g) for g in found])
            total = gradient if total is None else total + gradient
            losses.append(loss.detach())
            rights.append(right)
        assert total is not None
        return torch.stack(losses).mean(), torch.stack(rights).sum(), total

    def _logits(self, ctx: Context, images: Tensor, by_edge: Tensor, by_source: Tensor) -> Tensor:
        """Logits of one path, with its live operations: (cells, edges) each."""
        network, amp = ctx.network, ctx.recipe.training.amp
        assert isinstance(network, NB201Net)
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=amp):
            x = network.stem(images)
            first = 0
            for number, stage in enumerate(self._stages):
                if number:
                    x = network._reductions[number - 1](x)
                place = slice(first, first + stage.cells)
                x = stage.output(x, by_edge[place], by_source[place])
                first = place.stop
            return network.head(x)


class _Stage:
    """The cells of one stage, with the parameters of all their operations in a few tensors."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells, slot = len(cells), cells[0].slot
        self._width = cells[0].width
        slots = list(dict.fromkeys(slot[edge] for edge in BY_SOURCE))
        self._slots = len(slots)
        self._slot_of = [slots.index(slot[edge]) for edge in BY_SOURCE]
        convs = [[getattr(cell, kind)[s] for cell in cells for s in slots] for kind in ("conv3", "conv1")]
        self._affine = convs[0][0].bn.weight is not None
        self.stacks: list[list[nn.Parameter]] = [[conv.weight for conv in kind] for kind in convs]
        if self._affine:
            self.stacks += [[conv.bn.weight for conv in kind] for kind in convs]
            self.stacks += [[conv.bn.bias for conv in kind] for kind in convs]

    def bind(self, flat: FlatSGD, first: int) -> int:
        """Make the leaves, from the parameter with number `first` on; returns the number of the next one."""
        width = self._width
        shapes = [(width, 3, 3, width), (width, 1, 1, width), *[(width,)] * 4]
        self.leaves = []
        for stack, shape in zip(self.stacks, shapes, strict=False):
            self.leaves.append(flat.stack(first, len(stack), shape))
            first += len(stack)
        self._of_edge = torch.tensor(self._slot_of, device=flat.vector.device)
        return first

    def output(self, x: Tensor, by_edge: Tensor, by_source: Tensor) -> Tensor:
        """Output of the stage's cells, given that of the reduction or the stem."""
        kernels, scales, shifts = self._chosen(by_source, x.dtype)
        skip, pool = ((by_edge == op).to(x.dtype) for op in (SKIP, POOL))
        for kernel, scale, shift, skips, pools in zip(
            kernels.unbind(), scales.unbind(), shifts.unbind(), skip.unbind(), pool.unbind(), strict=True
        ):
            x = _cell(x, kernel, scale, shift, skips.unbind(), pools.unbind())
        return x

    def _chosen(self, ops: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Kernels, scales and shifts of all cells, for live operations (cells, edges) ordered by source.

        Kernels are (cells, edges x channels, 3, 3, channels), of the given type; scales and shifts (cells, edges x
        channels).
        """
        leaves = [self._by_edge(leaf) for leaf in self.leaves]
        large = (ops == CONV3X3)[:, :, None]
        bare = ~(large | (ops == CONV1X1)[:, :, None])
        kernel = torch.where(large[..., None, None, None], leaves[0], F.pad(leaves[1], (0, 0, 1, 1, 1, 1)))
        if self._affine:
            scale, shift = (
                torch.where(large, leaves[k], leaves[k + 1]).masked_fill(bare, 0).flatten(1) for k in (2, 4)
            )
        else:
            scale = (~bare).to(leaves[0].dtype).expand(-1, -1, self._width).flatten(1)
            shift = torch.zeros_like(scale)
        return kernel.to(dtype).flatten(1, 2), scale, shift

    def _by_edge(self, leaf: Tensor) -> Tensor:
        """A leaf as (cells, edges, ...), edges ordered by source; edges with the same weights repeat them."""
        cells = leaf.view(self.cells, self._slots, *leaf.shape[1:])
        return cells if self._slots == len(BY_SOURCE) else cells.index_select(1, self._of_edge)


def _cell(
    x: Tensor, kernel: Tensor, scale: Tensor, shift: Tensor, skips: Sequence[Tensor], pools: Sequence[Tensor]
) -> Tensor:
    """Output of a cell.

    Args:
        kernel: (edges x channels, 3, 3, channels), edges ordered by source.
        scale, shift: (edges x channels,), ordered alike.
        skips, pools: for each edge a scalar that is 1 if the edge has the operation, and 0 otherwise.
    """
    width = x.shape[1]
    sizes = [width * len(OUT_OF[node]) for node in (0, 1, 2)]
    convolutions = zip(kernel.split(sizes), scale.split(sizes), shift.split(sizes), strict=True)
    nodes, arrived = [x], {node: list[Tensor]() for node in (1, 2, 3)}
    for node, (weight, gain, offset) in enumerate(convolutions):
        convolved = F.conv2d(F.relu(nodes[node]), weight.permute(0, 3, 1, 2), padding=1)
        normal = F.batch_norm(convolved, None, None, gain, offset, training=True)
        for (_, target), term in zip(OUT_OF[node], normal.split(width, 1), strict=True):
            arrived[target].append(term)
        into = [(edge, nodes[source]) for edge, source in INTO[node + 1]]
        total = _added([*arrived[node + 1], *(value * skips[edge] for edge, value in into)])
        nodes.append(total + average_pool(_added([value * pools[edge] for edge, value in into])))
    return nodes[3]


def _added(terms: Sequence[Tensor]) -> Tensor:
    *_, total = itertools.accumulate(terms)
    return total
