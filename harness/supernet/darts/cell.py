"""One cell of the super-net of DARTS cells: all operations on all edges, of which a program names those to compute."""

from __future__ import annotations

import operator
from collections.abc import Collection
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces.darts import AVG_POOL, MAX_POOL, NODES, NONE, OPS, SKIP
from supernet.harness.supernet.darts.ops import KERNELS, LARGE, FactorisedReduction, Pool, convolution
from supernet.harness.supernet.darts.wiring import Program
from supernet.harness.supernet.ops import ConvBN, drop_path
from supernet.heuristics.sections import NetworkSection

INPUTS = 2
"""Number of inputs of a cell, which are its first states."""
Edge = tuple[int, int]
"""(node, state): the edge from a state to a node."""


class Cell(nn.Module):
    """The operations on the edges of a cell, and what makes its two inputs alike.

    Args:
        before, last: channels of the output of the cell before last and of the last cell.
        channels: channels of a node.
        reduction: whether edges from the inputs halve the size.
        after_reduction: whether the last cell halved the size, so that the other input is twice as large.
        options: batch norm and the weight-sharing mapping.
        only: the (node, state, operation) that there are; default: all.
    """

    def __init__(
        self,
        before: int,
        last: int,
        channels: int,
        reduction: bool,
        after_reduction: bool,
        options: NetworkSection,
        only: Collection[tuple[int, int, int]] | None = None,
    ) -> None:
        super().__init__()
        affine, track = options.bn_affine, options.bn_track
        self.channels, self.reduction = channels, reduction
        self._by_node = options.op_on == "node"
        self.before: nn.Module = (
            FactorisedReduction(before, channels, affine, track)
            if after_reduction
            else ConvBN(before, channels, 1, affine, track)
        )
        self.last = ConvBN(last, channels, 1, affine, track)
        wanted: dict[Edge, set[int]] = {}
        for node in range(NODES):
            for state in range(node + INPUTS):
                ops = {op for op in range(NONE + 1, len(OPS)) if only is None or (node, state, op) in only}
                wanted.setdefault(self._owner((node, state)), set()).update(ops)
        self.edges = nn.ModuleDict({_name(edge): self._operations(edge, ops, options) for edge, ops in wanted.items()})
        self.drop_rate = 0.0
        """Probability of path dropout at the current step."""

    def _owner(self, edge: Edge) -> Edge:
        """The edge whose weights an edge has.

        With operations on nodes, the two edges into a node from inputs of the cell share weights, and so do the other
        edges into it: in a reduction cell, only the former have a stride.
        """
        node, state = edge
        return (node, 0 if state < INPUTS else INPUTS) if self._by_node else edge

    def _operations(self, edge: Edge, ops: Collection[int], options: NetworkSection) -> nn.ModuleDict:
        stride = 2 if self.reduction and edge[1] < INPUTS else 1
        affine, track, made = options.bn_affine, options.bn_track, nn.ModuleDict()
        for op in sorted(ops, reverse=True):  # large kernels first
            if op in KERNELS:
                large = made[OPS[LARGE[op]]] if op in LARGE and options.ofa_kernel != "own" else None
                made[OPS[op]] = convolution(op, self.channels, stride, options, large)  # type: ignore[arg-type]
            elif op in (MAX_POOL, AVG_POOL):
                made[OPS[op]] = Pool(self.channels, stride, track, op == AVG_POOL)
            elif stride > 1:
                made[OPS[op]] = FactorisedReduction(self.channels, self.channels, affine, track)
        return made

    def forward(self, before: Tensor, last: Tensor, plan: Program) -> Tensor:
        """The output of the cell: (n, 4 channels, height, width).

        Args:
            before, last: the outputs of the cell before last and of the last cell, after a ReLU.
            plan: what to compute.
        """
        states: list[Tensor | None] = [self.before(before), self.last(last)]
        rectified: list[Tensor | None] = [None] * (INPUTS + NODES)
        for node, step in enumerate(plan):
            terms = []
            for state, op, share in step.terms:
                value = states[state]
                assert value is not None  # a program reads no node that carries nothing
                if op in KERNELS or (op == SKIP and self._strides(state)):
                    if rectified[state] is None:
                        rectified[state] = F.relu(value)
                    value = rectified[state]
                out = drop_path(self._operate((node, state), op, value), self._rate)  # type: ignore[arg-type]
                terms.append(out if share is None else share * out)
            # What gates add is 0 with a gradient, which every reader of the node passes back (GDAS).
            terms += [step.rest] if terms and step.rest is not None else []
            states.append(reduce(operator.add, terms) if terms else None)
        return self._concatenated(states, plan)

    def _concatenated(self, states: list[Tensor | None], plan: Program) -> Tensor:
        (n, _, height, width), like = states[0].shape, states[0]  # type: ignore[union-attr]
        if self.reduction:
            height, width = -(-height // 2), -(-width // 2)
        outputs = []
        for value, step in zip(states[INPUTS:], plan, strict=True):
            if value is None:
                value = like.new_zeros(n, height, width, self.channels).permute(0, 3, 1, 2)  # type: ignore[union-attr]
                value = value if step.rest is None else value + step.rest
            outputs.append(value)
        return torch.cat(outputs, 1)

    def _strides(self, state: int) -> bool:
        return self.reduction and state < INPUTS

    def _operate(self, edge: Edge, op: int, x: Tensor) -> Tensor:
        """The output of an operation of an edge for its input, after a ReLU where the operation begins with one."""
        if op == SKIP and not self._strides(edge[1]):
            return x
        out: Tensor = self.operation(edge, op)(x)  # type: ignore[misc]
        return out

    def operation(self, edge: Edge, op: int) -> nn.Module | None:
        """The module of an operation of an edge; None for `none` and for skip connections that keep the size."""
        made = self.edges[_name(self._owner(edge))]
        assert isinstance(made, nn.ModuleDict)
        if OPS[op] not in made:
            return None
        return made[OPS[op]]

    @property
    def _rate(self) -> float:
        return self.drop_rate if self.training else 0.0


def _name(edge: Edge) -> str:
    node, state = edge
    return f"{node + INPUTS}<-{state}"
