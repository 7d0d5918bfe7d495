"""Strictly fair steps as one static computation: every operation of every edge runs exactly once, for one path.

Which path an operation serves is data, a permutation per edge, not code. So all paths of a step go forward and
backward together in a computation that is the same in every step: on a GPU it is captured once as a CUDA graph and
replayed, without a launch from Python per operation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.spaces.nb201 import EDGES, NONE, OPS, SKIP
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import INNER, INTO, POOL
from supernet.harness.supernet.ops import average_pool
from supernet.heuristics.hooks import Context, Method, Step, StepResult
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Path


def fits(recipe: Recipe) -> bool:
    """Whether static fair steps compute what the paths one by one would.

    With `none`, some operations have no part in a path's output: here they get gradients of zero instead of none,
    and convolutions of nodes that nothing reaches leave the shift of their batch norm. Dropout would draw other
    numbers, running statistics would take in a step once instead of once per path, and parts of a batch have to be
    of one size.
    """
    alike = recipe.training.unsampled == "zero" and not recipe.network.bn_affine
    dropout = recipe.network.path_dropout or recipe.network.global_dropout
    fair = recipe.space == "nb201" and recipe.sampling.law == "fair"
    partial = recipe.network.partial_channels > 1
    paths = len(OPS) - (not recipe.sampling.with_none) * (NONE + 1)
    uneven = recipe.sampling.batch == "split" and recipe.training.batch_size % paths
    other = dropout or partial or recipe.network.bn_track or uneven
    return fair and (alike or not recipe.sampling.with_none) and not other


class FairStep(Method):
    """Strictly fair plans on NAS-Bench-201 as one computation; equal to `Accumulate` up to rounding.

    Memory holds the graphs of all paths of a step at once.

    Args:
        capture: replay the step as a CUDA graph.
    """

    WARM_UP = 3
    """Steps run as they are before the graph is captured, in which libraries choose and allocate."""

    def __init__(self, capture: bool) -> None:
        self._capture = capture
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def take_step(self, ctx: Context, plan: Sequence[Path], step: Step) -> StepResult:
        routes = _routes(plan, ctx.network).to(ctx.images.device, non_blocking=True)
        training = ctx.recipe.training
        if self._capture and self._steps >= self.WARM_UP:
            loss, correct = self._replayed(ctx, routes, len(plan))
        else:
            ctx.optimiser.zero_grad(set_to_none=True)
            loss, correct = self._passes(ctx, ctx.images, ctx.labels, routes, len(plan))
        self._steps += 1
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(ctx.network.parameters(), training.clip)
        ctx.optimiser.step()
        seen = len(ctx.labels) * (1 if ctx.recipe.sampling.batch == "split" else len(plan))
        ctx.meter.forward += seen
        ctx.meter.backward += seen
        return StepResult(loss, correct, seen)

    def _replayed(self, ctx: Context, routes: Tensor, paths: int) -> tuple[Tensor, Tensor]:
        if self._graph is None:
            self._images, self._labels, self._routes = ctx.images.clone(), ctx.labels.clone(), routes.clone()
            ctx.optimiser.zero_grad(set_to_none=True)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._out = self._passes(ctx, self._images, self._labels, self._routes, paths)
        self._images.copy_(ctx.images, non_blocking=True)
        self._labels.copy_(ctx.labels, non_blocking=True)
        self._routes.copy_(routes, non_blocking=True)
        self._graph.replay()
        loss, correct = self._out
        return loss.clone(), correct.clone()

    @staticmethod
    def _passes(ctx: Context, images: Tensor, labels: Tensor, routes: Tensor, paths: int) -> tuple[Tensor, Tensor]:
        """Forward and backward of all paths; mean loss and correct images."""
        sampling = ctx.recipe.sampling
        split = sampling.batch == "split"
        each = len(images) // paths
        parts = [images[k * each : (k + 1) * each] for k in range(paths)] if split else [images]
        wanted = [labels[k * each : (k + 1) * each] for k in range(paths)] if split else [labels] * paths
        share = 1 / paths if sampling.reduce == "mean" else 1.0
        assert isinstance(ctx.network, NB201Net)
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=ctx.recipe.training.amp):
            logits = forward(ctx.network, parts, routes, paths)
        total = torch.zeros((), device=images.device)
        correct = torch.zeros((), device=images.device, dtype=torch.int64)
        sums = total
        for output, y in zip(logits, wanted, strict=True):
            output = output.float()
            # A fair plan has main paths alone, whose loss is the cross-entropy.
            value = F.cross_entropy(output, y, label_smoothing=ctx.recipe.training.label_smoothing)
            sums = sums + value * share
            total = total + value.detach() / paths
            correct = correct + (output.detach().argmax(1) == y).sum()
        sums.backward()
        return total, correct


def _routes(plan: Sequence[Path], network: torch.nn.Module) -> Tensor:
    """For every cell, edge and operation the path that takes it: (cells, edges, operations), -1 where none does."""
    assert isinstance(network, NB201Net)
    cells = network.cell_count
    routes = torch.full((cells, len(EDGES), len(OPS)), -1)
    for number, path in enumerate(plan):
        per_cell = path.routing if isinstance(path.routing[0], tuple) else (path.routing,) * cells
        table = torch.tensor(per_cell)
        routes.scatter_(2, table[:, :, None], number)
    return routes


def forward(network: NB201Net, parts: Sequence[Tensor], routes: Tensor, paths: int) -> list[Tensor]:
    """Logits of every path.

    Args:
        parts: images of each path, or one tensor for all.
        routes: as `_routes` gives them; operations from the first that any path takes on must all be taken.
    """
    stem = [network.stem(part) for part in parts]
    x = torch.stack(stem * (paths // len(stem)))  # (paths, n, channels, height, width)
    number = 0
    for stage, cells in enumerate(network._stages):
        if stage:
            x = torch.stack([network._reductions[stage - 1](path) for path in x.unbind()])
        for cell in cells:
            x = _cell(cell, x, routes[number], paths)
            number += 1
    return [network.head(path) for path in x.unbind()]


def _cell(cell: Cell, x: Tensor, routes: Tensor, paths: int) -> Tensor:
    """Outputs of one cell for all paths."""
    first = len(OPS) - paths  # the options before it (none) are not sampled
    back = routes[:, first:].argsort(1)  # for each edge and path the operation it takes
    nodes = [x]
    rectified: list[Tensor] = []
    for target in INNER:
        rectified.append(F.relu(nodes[-1]))
        total: Tensor | None = None
        for edge, source in INTO[target]:
            outputs = [
                _operate(cell, edge, op, nodes[source], rectified[source], routes[edge, op : op + 1])
                for op in range(first, len(OPS))
            ]
            term = torch.cat(outputs).index_select(0, back[edge])
            total = term if total is None else total + term
        assert total is not None
        nodes.append(total)
    return nodes[3]


def _operate(cell: Cell, edge: int, op: int, x: Tensor, rectified: Tensor, path: Tensor) -> Tensor:
    """One operation on the one path that takes it: (1, n, channels, height, width)."""
    if op == NONE:
        return torch.zeros_like(x[:1])
    if op in (SKIP, POOL):
        taken = x.index_select(0, path)
        return taken if op == SKIP else average_pool(_channels_last(taken[0]))[None]
    return cell.conv(edge, op, _channels_last(rectified.index_select(0, path)[0]))[None]


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
