"""Several paths through the super-net at once by fused kernels, where no two use the same operation of an edge.

The cells of a stage are one function (`kernels.triton.cells`), which computes the operations that paths use and no
others. Convolutions outside of cells see the images of all paths at once; their batch norms see those of each path.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3
from supernet.harness.supernet import kernels
from supernet.harness.supernet.kernels.operations import EPS
from supernet.harness.supernet.nb201 import static
from supernet.harness.supernet.nb201.flat import FlatSGD, stored
from supernet.harness.supernet.nb201.net import NB201Net, Reduction
from supernet.harness.supernet.nb201.stacked import StackedStage, stackable
from supernet.harness.supernet.ops import BatchNorm
from supernet.heuristics.hooks import Context
from supernet.heuristics.recipe import Recipe

LAWS = ("uniform", "architectures", "classes", "fair", "fixed")
"""Laws whose paths all learn from the labels."""
CONVOLUTIONS = np.array([CONV1X1, CONV3X3])
STAGES = 3


def fits(recipe: Recipe, device: torch.device) -> bool:
    """Whether `FusedStep` computes what a recipe's paths one by one would, with kernels that are chosen on a device."""
    own = recipe.network.ofa_kernel == "own" and recipe.sampling.law in LAWS
    widest = recipe.network.channels * 2 ** (STAGES - 1)
    return own and static.fits(recipe) and kernels.cells_fit(device, widest)


def computes(network: NB201Net, device: torch.device) -> bool:
    """Whether `forward` computes what a network would, with kernels that are chosen on a device."""
    single = network.stem.weight.dtype == torch.float32
    return single and stackable(network) and kernels.cells_fit(device, network._stages[-1][0].width)


def tables(ops: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """What kernels need to know of paths: their operations, and which path each convolution serves, or -1.

    Args:
        ops: live operations of the paths: (..., paths, edges).

    Returns:
        int64: (..., edges, paths), and (..., edges, 2) with 1x1 before 3x3.
    """
    per_edge = np.ascontiguousarray(np.swapaxes(ops, -1, -2))
    serves = per_edge[..., None, :] == CONVOLUTIONS[:, None]  # (..., edges, 2, paths)
    assert (serves.sum(-1) <= 1).all(), "two paths use the same convolution of an edge"
    path = np.where(serves.any(-1), serves.argmax(-1), -1)
    return torch.from_numpy(per_edge), torch.from_numpy(path)


def stem(network: NB201Net, images: Tensor) -> Tensor:
    """What the first cell gets from images (paths or 1, n, 3, size, size); batch norm sees n images at once."""
    return _normed(network.stem.bn, network.stem.convolved(images.flatten(0, 1)).unflatten(0, images.shape[:2]))


def forward(
    network: NB201Net, weights: Sequence[Sequence[Tensor | None]], x: Tensor, ops: Tensor, path: Tensor
) -> Tensor:
    """Logits of every path: (paths, n, classes).

    Args:
        weights: those of each stage; see `StackedStage.weights`.
        x: the stem's output for each path, or once for all paths: (paths or 1, n, channels, height, width).
        ops, path: the tables of all cells, (cells, edges, ...), or of one for all cells, (1, edges, ...).
    """
    from supernet.harness.supernet.kernels.triton import cells

    paths = ops.shape[-1]
    x = x.expand(paths, -1, -1, -1, -1)
    first = 0
    for stage, (matrices, gain, shift) in enumerate(weights):
        if stage:
            x = _reduced(network._reductions[stage - 1], x)
        assert matrices is not None
        place = slice(first, first + len(matrices)) if len(ops) > 1 else slice(0, 1)
        y = cells(x.movedim(2, -1), matrices, gain, shift, ops[place], path[place], EPS)
        x, first = y.movedim(-1, 2), first + len(matrices)
    pooled = F.relu(_normed(network.last_bn, x)).mean((3, 4))
    return network.classifier(pooled.flatten(0, 1)).unflatten(0, (paths, -1))


def _normed(bn: BatchNorm, x: Tensor, skips: Tensor | None = None) -> Tensor:
    """Batch norm with the statistics of each path, and what is added to it: (paths, n, channels, height, width)."""
    from supernet.harness.supernet.kernels.triton import batch_norm_add

    paths = len(x)
    parts, added = list(x.unbind()), [] if skips is None else list(skips.unbind())
    weight = None if bn.weight is None else [bn.weight] * paths
    bias = None if bn.bias is None else [bn.bias] * paths
    path = None if paths == 1 else torch.arange(paths, device=x.device).repeat(1 if skips is None else 2)
    y = batch_norm_add(parts, weight, bias, EPS, added, path, paths)
    return y[None] if path is None else y


def _reduced(block: Reduction, x: Tensor) -> Tensor:
    """A residual block between stages for all paths."""
    every, shape = x.flatten(0, 1), x.shape[:2]
    inner = _normed(block.conv_a.bn, block.conv_a.convolved(F.relu(every)).unflatten(0, shape))
    convolved = block.conv_b.convolved(F.relu(inner).flatten(0, 1))
    # The mean of four pixels and then a 1x1 convolution, as one convolution.
    skipped = F.conv2d(every, block.shortcut.weight.expand(-1, -1, 2, 2) * 0.25, stride=2)
    return _normed(block.conv_b.bn, convolved.unflatten(0, shape), skipped.unflatten(0, shape))


class FusedStep(static.StaticStep):
    """Training steps by fused kernels; equal to `Accumulate` up to rounding.

    Args:
        capture: replay the step as a CUDA graph.
        at_once: how many successive paths of a plan are computed at once, of which no two may share an operation.
    """

    def __init__(self, capture: bool, at_once: int) -> None:
        super().__init__(capture)
        self._at_once = at_once

    def ordered(self, network: NB201Net) -> list[nn.Parameter]:
        self._stages = [StackedStage(cells) for cells in network._stages]
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
        return tables(ops.reshape(-1, self._at_once, *ops.shape[1:]).swapaxes(1, 2))

    def gradient(
        self, ctx: Context, images: Tensor, labels: Tensor, routes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert isinstance(ctx.network, NB201Net)
        amp, count = ctx.recipe.training.amp, self._at_once
        parts, wanted, share = static.parts_of(ctx, images, labels, count * len(routes[0]))
        losses, rights, total = [], [], None
        for number, (ops, path) in enumerate(zip(*routes, strict=True)):
            place = slice(number * count, (number + 1) * count)
            x = parts[0][None] if len(parts) == 1 else _joined(images, parts[place])
            with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=amp):
                weights = [stage.weights() for stage in self._stages]
                logits = forward(ctx.network, weights, stem(ctx.network, x), ops, path)
            loss, right = static.cross_entropy(ctx, logits.flatten(0, 1), torch.cat(wanted[place]))
            found = torch.autograd.grad(loss * (share * count), self._leaves)
            gradient = torch.cat([stored(g) for g in found])
            total = gradient if total is None else total + gradient
            losses.append(loss.detach())
            rights.append(right)
        assert total is not None
        return torch.stack(losses).mean(), torch.stack(rights).sum(), total


def _joined(images: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """The images of some paths as one tensor, without a copy if they are all images: (paths, n, 3, size, size)."""
    if sum(map(len, parts)) == len(images):
        return images.unflatten(0, (len(parts), -1))
    return parts[0][None] if len(parts) == 1 else torch.stack(list(parts))
