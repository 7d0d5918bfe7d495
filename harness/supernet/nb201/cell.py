"""One cell of the NAS-Bench-201 super-net: all operations on all edges, and the ways to compute with them.

An option is a number that a routing has for an edge, an operation is its number in NAS-Bench-201. The two are the same
unless the space has only some of the operations.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, NONE, SKIP
from supernet.harness.supernet import kernels
from supernet.harness.supernet.nb201.plan import ALL, BY_NODE, INNER, INTO, OUT_OF, program
from supernet.harness.supernet.ops import BatchNorm, CentreConvBN, ConvBN, average_pool, joinable, joined
from supernet.heuristics.routes import Choice, Gate, Routing
from supernet.heuristics.sections import NetworkSection


class Cell(nn.Module):
    """All operations on all edges of one cell.

    Args:
        channels: channels of its input and output.
        options: batch norm and the weight-sharing mapping.
        operations: the operation of each option. Those that no option stands for have no weights.
    """

    def __init__(self, channels: int, options: NetworkSection, operations: Sequence[int] = ALL) -> None:
        super().__init__()
        self.operations = tuple(operations)
        affine, track = options.bn_affine, options.bn_track
        slots = BY_NODE if options.op_on == "node" else tuple(range(len(EDGES)))
        self.slot = slots
        self.width = channels // options.partial_channels
        """Channels that operations see; the others pass by."""
        self.partial = options.partial_channels > 1
        self._stateless = not affine and options.ofa_kernel == "own"
        large = [ConvBN(self.width, self.width, 3, affine, track) for _ in range(max(slots) + 1)]
        small: list[nn.Module] = []
        if CONV1X1 in self.operations and options.ofa_kernel == "own":
            small = [ConvBN(self.width, self.width, 1, affine, track) for _ in large]
        elif CONV1X1 in self.operations:
            small = [CentreConvBN(parent, options.ofa_kernel == "transform", affine, track) for parent in large]
        self.conv3, self.conv1 = nn.ModuleList(large), nn.ModuleList(small)
        self.drop_rate = 0.0
        """Path dropout at the present step."""

    def convolution(self, edge: int, op: int) -> nn.Module:
        """The module of the convolution `op` of an edge; methods may have put another one in its place."""
        return (self.conv1 if op == CONV1X1 else self.conv3)[self.slot[edge]]

    def conv(self, edge: int, op: int, rectified: Tensor) -> Tensor:
        """The convolution `op` of an edge with its batch norm, given the edge's source after ReLU."""
        out: Tensor = self.convolution(edge, op)(rectified)
        return out

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """The cell's output for one routing; a relaxed decision weighs the outputs of its options."""
        if self.partial or not all(isinstance(choice, int) for choice in routing):
            merged = self._mixture if self._merges(routing) else self._relaxed
            return merged(x, routing)
        nodes: list[Tensor | None] = [x, None, None, None]
        rectified: list[Tensor | None] = [None] * 4
        fused = kernels.fused("batch_norm_add", x) and not self._drops
        chosen = routing if self.operations == ALL else tuple(self.operations[option] for option in routing)  # type: ignore[index]
        for node, plan in enumerate(program(chosen), 1):
            if plan is None:
                continue
            for source, _, _ in plan.convs:
                if rectified[source] is None:
                    rectified[source] = F.relu(nodes[source])  # type: ignore[arg-type]
            convs = [self.convolution(edge, op) for _, edge, op in plan.convs]
            inputs = [rectified[source] for source, _, _ in plan.convs]
            together = fused and bool(convs) and joinable(convs)
            new = [] if together else [self._dropped(conv(r)) for conv, r in zip(convs, inputs, strict=True)]
            if plan.pools:
                # Pooling is linear: pool the sum once.
                new.append(average_pool(_sum([], [self._dropped(nodes[s]) for s in plan.pools])))  # type: ignore[arg-type]
            skips = [self._dropped(nodes[s]) for s in plan.skips]  # type: ignore[arg-type]
            nodes[node] = joined(convs, inputs, new + skips) if together else _sum(new, skips)  # type: ignore[arg-type]
        return torch.zeros_like(x) if nodes[3] is None else nodes[3]

    def _relaxed(self, x: Tensor, routing: Routing) -> Tensor:
        nodes = [x]
        for node in INNER:
            total: Tensor = torch.zeros_like(x)
            for edge, source in INTO[node]:
                total = total + self._edge(edge, nodes[source], routing[edge])
            nodes.append(total)
        return nodes[3]

    def _edge(self, edge: int, x: Tensor, choice: Choice) -> Tensor:
        """The contribution of an edge to its node; with partial channels, the others are weighted with the edge."""
        if not self.partial:
            return self._mixed(edge, x, choice)
        seen = self._mixed(edge, x[:, : self.width], choice)
        passing = x[:, self.width :]
        return self._shuffled(seen, passing * choice.sum() if isinstance(choice, Tensor) else passing)

    def _mixed(self, edge: int, x: Tensor, choice: Choice) -> Tensor:
        if isinstance(choice, Gate):
            return choice.weights[choice.option] * self._mixed(edge, x, choice.option) + choice.rest
        if isinstance(choice, int):
            op = self.operations[choice]
            return torch.zeros_like(x) if op == NONE else self._dropped(self._operate(edge, op, x))
        terms = [
            choice[option] * self._dropped(self._operate(edge, op, x))
            for option, op in enumerate(self.operations)
            if op != NONE
        ]
        return torch.stack(terms).sum(0)

    def _shuffled(self, seen: Tensor, passing: Tensor) -> Tensor:
        """Both together, with channels taken in turn from all parts of the width, so that all get seen."""
        whole = torch.cat([seen, passing], 1)
        n, channels, height, width = whole.shape
        grouped = whole.view(n, channels // self.width, self.width, height, width)
        return grouped.transpose(1, 2).reshape(n, channels, height, width).contiguous(memory_format=torch.channels_last)

    def _merges(self, routing: Routing) -> bool:
        """Whether all edges out of a node can be computed at once: mixtures, and nothing kept or dropped on the way."""
        bn = self.conv3[0].bn
        assert isinstance(bn, BatchNorm)
        kept = bn.track or bn.use_running or self._drops
        return self._stateless and not kept and all(isinstance(choice, Tensor) for choice in routing)

    def _mixture(self, x: Tensor, routing: Routing) -> Tensor:
        """`_relaxed` for mixtures on all edges: one convolution per size for all edges out of a node.

        Weights of convolutions are scales of their batch norms; pooling is linear, so that sums are pooled.
        """
        weights = [choice for choice in routing if isinstance(choice, Tensor)]
        nodes = [x]
        convolved: list[list[Tensor]] = [[], [], [], []]
        for node in (0, 1, 2):
            out = [edge for edge, _ in OUT_OF[node]]
            rectified = F.relu(nodes[node][:, : self.width])
            kinds = [op for op in (CONV3X3, CONV1X1) if op in self.operations]
            first, *others = [self._convolved(rectified, out, weights, op) for op in kinds]
            both = sum(others, first)
            for (_, target), term in zip(OUT_OF[node], both.split(self.width, 1), strict=True):
                convolved[target].append(term)
            nodes.append(self._joined(nodes, node + 1, convolved[node + 1], weights))
        return nodes[3]

    def _convolved(self, rectified: Tensor, edges: list[int], routing: Sequence[Tensor], op: int) -> Tensor:
        """Weighed convolutions of several edges from one node: (n, edges x width, size, size)."""
        convs, option = self.conv1 if op == CONV1X1 else self.conv3, self.operations.index(op)
        weight = torch.cat([convs[self.slot[edge]].weight for edge in edges])  # type: ignore[misc]
        scale = torch.stack([routing[edge][option] for edge in edges]).repeat_interleave(self.width)
        convolved = F.conv2d(rectified, weight, padding=weight.shape[-1] // 2)
        return F.batch_norm(convolved, None, None, scale, torch.zeros_like(scale), training=True)

    def _joined(self, nodes: list[Tensor], node: int, terms: list[Tensor], routing: Sequence[Tensor]) -> Tensor:
        """The value of a node, given its convolved terms."""
        into = [(edge, nodes[source]) for edge, source in INTO[node]]
        # The options without weights are linear, so that sums of what enters them are enough.
        first, *others = [
            self.pass_through(op, sum(routing[edge][option] * x[:, : self.width] for edge, x in into))  # type: ignore[arg-type]
            for option, op in enumerate(self.operations)
            if op != NONE and not self.is_convolution(op)
        ]
        total: Tensor = sum([*others, *terms], first)
        if not self.partial:
            return total
        return self._shuffled(total, sum(routing[edge].sum() * x[:, self.width :] for edge, x in into))  # type: ignore[arg-type]

    def _operate(self, edge: int, op: int, x: Tensor) -> Tensor:
        return self.conv(edge, op, F.relu(x)) if self.is_convolution(op) else self.pass_through(op, x)

    @staticmethod
    def is_convolution(op: int) -> bool:
        """Whether the operation has weights (and a ReLU before it)."""
        return op in (CONV1X1, CONV3X3)

    @staticmethod
    def pass_through(op: int, x: Tensor) -> Tensor:
        """The operations without weights: skip connection and pooling."""
        return x if op == SKIP else average_pool(x)

    @property
    def _drops(self) -> bool:
        """Whether paths are dropped at the present step."""
        return self.training and self.drop_rate > 0

    def _dropped(self, x: Tensor) -> Tensor:
        """Drop the path for a random part of the images, scaling up the rest."""
        if not self._drops:
            return x
        keep = 1 - self.drop_rate
        return x * (torch.rand(len(x), 1, 1, 1, device=x.device) < keep) / keep


def _sum(new: list[Tensor], others: list[Tensor]) -> Tensor:
    """The sum of tensors, formed in the first of the new ones, which nothing else needs."""
    first, *rest = new + others
    if not new and rest:
        first = first + rest.pop()
    for term in rest:
        first.add_(term)
    return first
