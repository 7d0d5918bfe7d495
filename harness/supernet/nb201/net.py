"""The super-net of NAS-Bench-201: the benchmark's own network with every operation on every edge.

Restricted to one architecture it is that architecture's stand-alone network, parameter for parameter. One liberty is
taken: an edge from a node that nothing reaches carries nothing, where the benchmark's code would convolve zeros and
be left with the shift of the batch norm.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, NONE, OPS, SKIP
from supernet.harness.supernet.ops import BatchNorm, CentreConvBN, ConvBN, average_pool, halve
from supernet.heuristics.hooks import Choice, Gate, Routing, Supernet
from supernet.heuristics.sections import NetworkSection

POOL = OPS.index("avg_pool_3x3")
BY_NODE = (0, 1, 2, 3, 4, 4)
"""Weights of each edge when operations sit on nodes: edges into a node share theirs, but for those from node 0."""


@dataclass(frozen=True)
class NodeProgram:
    """How a node is computed: what is summed over which earlier nodes."""

    skips: tuple[int, ...]
    pools: tuple[int, ...]
    convs: tuple[tuple[int, int, int], ...]
    """(source, edge, operation)"""


@cache
def program(arch: tuple[int, ...]) -> tuple[NodeProgram | None, ...]:
    """What a cell has to compute for nodes 1, 2 and 3; None where a node reaches nothing or nothing reaches it."""
    kept = [(edge, source, target) for edge, (source, target) in enumerate(EDGES) if arch[edge] != NONE]
    used = {3}
    for _, source, target in reversed(kept):
        if target in used:
            used.add(source)
    reached = {0}
    nodes: list[NodeProgram | None] = []
    for node in (1, 2, 3):
        into = [(edge, s) for edge, s, target in kept if target == node and s in reached]
        if not into or node not in used:
            nodes.append(None)
            continue
        reached.add(node)
        nodes.append(
            NodeProgram(
                skips=tuple(s for edge, s in into if arch[edge] == SKIP),
                pools=tuple(s for edge, s in into if arch[edge] == POOL),
                convs=tuple((s, edge, arch[edge]) for edge, s in into if arch[edge] in (CONV1X1, CONV3X3)),
            )
        )
    return tuple(nodes)


class Cell(nn.Module):
    """All operations on all edges of one cell."""

    def __init__(self, channels: int, options: NetworkSection) -> None:
        super().__init__()
        affine, track = options.bn_affine, options.bn_track
        slots = BY_NODE if options.op_on == "node" else tuple(range(len(EDGES)))
        self.slot = slots
        self.width = channels // options.partial_channels
        """Channels that operations see; the others pass by."""
        self.partial = options.partial_channels > 1
        self._stateless = not affine and options.ofa_kernel == "own"
        large = [ConvBN(self.width, self.width, 3, affine, track) for _ in range(max(slots) + 1)]
        small: list[nn.Module] = [ConvBN(self.width, self.width, 1, affine, track) for _ in large]
        if options.ofa_kernel != "own":
            small = [CentreConvBN(parent, options.ofa_kernel == "transform", affine, track) for parent in large]
        self.conv3, self.conv1 = nn.ModuleList(large), nn.ModuleList(small)
        self.drop_rate = 0.0
        """Path dropout at the present step."""

    def conv(self, edge: int, op: int, rectified: Tensor) -> Tensor:
        """The convolution `op` of an edge, given its source after ReLU."""
        ops = self.conv1 if op == CONV1X1 else self.conv3
        out: Tensor = ops[self.slot[edge]](rectified)
        return out

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """The cell's output for one routing; a relaxed decision weighs the outputs of its options."""
        if self.partial or not all(isinstance(choice, int) for choice in routing):
            merged = self._mixture if self._merges(routing) else self._relaxed
            return merged(x, routing)
        nodes: list[Tensor | None] = [x, None, None, None]
        rectified: list[Tensor | None] = [None] * 4
        for node, plan in enumerate(program(routing), 1):
            if plan is None:
                continue
            new = []
            for source, edge, op in plan.convs:
                if rectified[source] is None:
                    rectified[source] = F.relu(nodes[source])  # type: ignore[arg-type]
                new.append(self._dropped(self.conv(edge, op, rectified[source])))  # type: ignore[arg-type]
            if plan.pools:
                # Pooling is linear: pool the sum once.
                new.append(average_pool(_sum([], [self._dropped(nodes[s]) for s in plan.pools])))  # type: ignore[arg-type]
            nodes[node] = _sum(new, [self._dropped(nodes[s]) for s in plan.skips])  # type: ignore[arg-type]
        return torch.zeros_like(x) if nodes[3] is None else nodes[3]

    def _relaxed(self, x: Tensor, routing: Routing) -> Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            total: Tensor = torch.zeros_like(x)
            for edge, (source, target) in enumerate(EDGES):
                if target == node:
                    total = total + self._edge(edge, nodes[source], routing[edge])
            nodes.append(total)
        return nodes[3]

    def _edge(self, edge: int, x: Tensor, choice: Choice) -> Tensor:
        """What an edge adds to its node; channels that pass by are weighed with the edge."""
        if not self.partial:
            return self._mixed(edge, x, choice)
        seen = self._mixed(edge, x[:, : self.width], choice)
        passing = x[:, self.width :]
        return self._shuffled(seen, passing * choice.sum() if isinstance(choice, Tensor) else passing)

    def _mixed(self, edge: int, x: Tensor, choice: Choice) -> Tensor:
        if isinstance(choice, Gate):
            return choice.weights[choice.option] * self._mixed(edge, x, choice.option) + choice.rest
        if isinstance(choice, int):
            return torch.zeros_like(x) if choice == NONE else self._dropped(self._operate(edge, choice, x))
        terms = [choice[op] * self._dropped(self._operate(edge, op, x)) for op in range(len(OPS)) if op != NONE]
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
        kept = bn.track or bn.use_running or (self.training and self.drop_rate > 0)
        return self._stateless and not kept and all(isinstance(choice, Tensor) for choice in routing)

    def _mixture(self, x: Tensor, routing: Routing) -> Tensor:
        """`_relaxed` for mixtures on all edges: one convolution per size for all edges out of a node.

        Weights of convolutions are scales of their batch norms; pooling is linear, so that sums are pooled.
        """
        weights = [choice for choice in routing if isinstance(choice, Tensor)]
        nodes = [x]
        convolved: list[list[Tensor]] = [[], [], [], []]
        for node in (0, 1, 2):
            out = [edge for edge, (source, _) in enumerate(EDGES) if source == node]
            rectified = F.relu(nodes[node][:, : self.width])
            large = self._convolved(rectified, out, weights, self.conv3, CONV3X3)
            both = large + self._convolved(rectified, out, weights, self.conv1, CONV1X1)
            for edge, term in zip(out, both.split(self.width, 1), strict=True):
                convolved[EDGES[edge][1]].append(term)
            nodes.append(self._joined(nodes, node + 1, convolved[node + 1], weights))
        return nodes[3]

    def _convolved(
        self, rectified: Tensor, edges: list[int], routing: Sequence[Tensor], convs: nn.ModuleList, op: int
    ) -> Tensor:
        """Weighed convolutions of several edges from one node: (n, edges x width, size, size)."""
        weight = torch.cat([convs[self.slot[edge]].weight for edge in edges])  # type: ignore[misc]
        scale = torch.stack([routing[edge][op] for edge in edges]).repeat_interleave(self.width)
        convolved = F.conv2d(rectified, weight, padding=weight.shape[-1] // 2)
        return F.batch_norm(convolved, None, None, scale, torch.zeros_like(scale), training=True)

    def _joined(self, nodes: list[Tensor], node: int, terms: list[Tensor], routing: Sequence[Tensor]) -> Tensor:
        """The value of a node, given its convolved terms."""
        into = [(edge, nodes[source]) for edge, (source, target) in enumerate(EDGES) if target == node]
        skipped = sum(routing[edge][SKIP] * x[:, : self.width] for edge, x in into)
        pooled = average_pool(sum(routing[edge][POOL] * x[:, : self.width] for edge, x in into))  # type: ignore[arg-type]
        total: Tensor = sum(terms, skipped + pooled)
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

    def _dropped(self, x: Tensor) -> Tensor:
        """Drop the path for a random part of the images, scaling up the rest."""
        if not (self.training and self.drop_rate > 0):
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


class Reduction(nn.Module):
    """The residual block between stages: half the size, twice the channels."""

    def __init__(self, inputs: int, outputs: int, affine: bool, track: bool) -> None:
        super().__init__()
        self.conv_a = ConvBN(inputs, outputs, 3, affine, track, stride=2)
        self.conv_b = ConvBN(outputs, outputs, 3, affine, track)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.conv_b(F.relu(self.conv_a(F.relu(x))))
        skipped: Tensor = self.shortcut(halve(x))
        return inner + skipped


class NB201Net(Supernet):
    """Stem, three stages of cells with a reduction between them, and a linear classifier.

    Args:
        classes: outputs of the classifier.
        options: channels, cells per stage, batch norm and the weight-sharing mapping.
    """

    def __init__(self, classes: int, options: NetworkSection) -> None:
        super().__init__()
        affine, track = options.bn_affine, options.bn_track
        widths = [options.channels * factor for factor in (1, 2, 4)]
        self.stem = ConvBN(3, widths[0], 3, affine, track)
        self._stages = [[Cell(width, options) for _ in range(options.cells)] for width in widths]
        self._reductions = [Reduction(small, large, affine, track) for small, large in itertools.pairwise(widths)]
        self.cells = nn.ModuleList(self.all_cells)
        self.reductions = nn.ModuleList(self._reductions)
        self.last_bn = BatchNorm(widths[2], affine, track)
        self.classifier = nn.Linear(widths[2], classes)
        self.global_dropout, self.path_dropout = options.global_dropout, options.path_dropout
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def all_cells(self) -> list[Cell]:
        """The cells from input to output."""
        return list(itertools.chain(*self._stages))

    @property
    def cell_count(self) -> int:
        """Cells that may each have an architecture of their own."""
        return len(self.cells)

    def set_progress(self, share: float) -> None:
        """Path dropout grows linearly with the share of the training done and with the depth of the cell (NAO)."""
        for depth, cell in enumerate(self.all_cells, 1):
            cell.drop_rate = self.path_dropout * share * depth / len(self.all_cells)

    def forward(self, x: Tensor, routing: Routing | Sequence[Routing], features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size).

        Args:
            routing: one for all cells, or one for each.
            features: gets the output of every cell appended.
        """
        return self.after(self.stem(x), routing, 0, features)

    def after(
        self, x: Tensor, routing: Routing | Sequence[Routing], first: int, features: list[Tensor] | None = None
    ) -> Tensor:
        """Logits from the input of cell number `first` (before the reduction, where one stands there)."""
        per_cell = isinstance(routing[0], tuple)
        number = 0
        for stage, cells in enumerate(self._stages):
            if stage and number >= first:
                x = self._reductions[stage - 1](x)
            for cell in cells:
                if number >= first:
                    x = cell(x, routing[number] if per_cell else routing)
                    if features is not None:
                        features.append(x)
                number += 1
        return self.head(x)

    def head(self, x: Tensor) -> Tensor:
        """Logits of the last cell's output."""
        pooled = F.relu(self.last_bn(x)).mean((2, 3))
        if self.training and self.global_dropout:
            pooled = F.dropout(pooled, self.global_dropout)
        logits: Tensor = self.classifier(pooled)
        return logits

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """Weights of an operation of an edge, over all cells."""
        if option not in (CONV1X1, CONV3X3):
            return []
        modules = [(c.conv1 if option == CONV1X1 else c.conv3)[c.slot[decision]] for c in self.all_cells]
        return [p for module in modules for p in module.parameters()]

    def active_parameters(self, routing: Routing) -> list[nn.Parameter]:
        """The parameters of the benchmark's stand-alone network of one architecture, live or not."""
        chosen = []
        for cell in self.all_cells:
            for edge, op in enumerate(routing):
                if op in (CONV1X1, CONV3X3):
                    chosen.append((cell.conv1 if op == CONV1X1 else cell.conv3)[cell.slot[edge]])
        modules = [self.stem, *self.reductions, self.last_bn, self.classifier, *chosen]
        return list({id(p): p for module in modules for p in module.parameters()}.values())
