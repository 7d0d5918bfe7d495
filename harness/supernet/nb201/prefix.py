"""The first cell for many architectures on one batch, without computing again what it shares with the one before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.spaces.nb201 import EDGES, NONE
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.plan import INTO, OUT_OF


class FirstCell:
    """The first cell on one batch, with its nodes and edges of the architecture before.

    An edge's output depends on its operation and its source, so it holds until the source changes.
    """

    def __init__(self, cell: Cell, start: Tensor) -> None:
        self._cell = cell
        self._nodes: list[Tensor | None] = [start, None, None]
        self._rectified: list[Tensor | None] = [None] * 3
        self._outputs: dict[tuple[int, int], Tensor] = {}
        """(Edge, operation) -> output, given the present value of the edge's source."""
        self._start = start
        self._before: Arch = (-1,) * len(EDGES)

    def output(self, arch: Arch) -> Tensor:
        """The cell's output for an architecture."""
        changed = False
        for node in (1, 2):
            changed |= any(arch[edge] != self._before[edge] for edge, _ in INTO[node])
            if changed:
                self._forget(node)
                self._nodes[node] = self._total(node, arch)
        self._before = arch
        end = self._total(3, arch)
        return torch.zeros_like(self._start) if end is None else end

    def _forget(self, node: int) -> None:
        """Drop what depends on a node's value."""
        self._rectified[node] = None
        out = {edge for edge, _ in OUT_OF[node]}
        for edge, op in list(self._outputs):
            if edge in out:
                del self._outputs[edge, op]

    def _total(self, node: int, arch: Arch) -> Tensor | None:
        """Sum over the edges into a node; None where no edge carries anything."""
        terms = [
            term for edge, source in INTO[node] if (term := self._contribution(edge, arch[edge], source)) is not None
        ]
        if len(terms) < 2:
            return terms[0] if terms else None
        value = terms[0] + terms[1]
        for term in terms[2:]:
            value += term
        return value

    def _contribution(self, edge: int, option: int, source: int) -> Tensor | None:
        """The contribution of an option of an edge to the edge's target."""
        value, op = self._nodes[source], self._cell.operations[option]
        if op == NONE or value is None:
            return None
        if (edge, op) not in self._outputs:
            self._outputs[edge, op] = self._computed(edge, op, source, value)
        return self._outputs[edge, op]

    def _computed(self, edge: int, op: int, source: int, value: Tensor) -> Tensor:
        if not self._cell.is_convolution(op):
            return self._cell.pass_through(op, value)
        positive = self._rectified[source]
        if positive is None:
            positive = self._rectified[source] = F.relu(value)
        return self._cell.conv(edge, op, positive)
