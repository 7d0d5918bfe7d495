"""The super-net of the NAS-Bench-1Shot1 spaces: NAS-Bench-101's network with a choice block at every node.

Where the widths of nodes agree with the benchmark's, the super-net restricted to one architecture has the same
parameters as that architecture's stand-alone network.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces import space as space_named
from supernet.benchmarks.spaces.nb1shot1 import PARENTS, SPACES, NB1Shot1
from supernet.benchmarks.spaces.nb101 import CONV1X1, CONV3X3, MAXPOOL, SHORT_OPS
from supernet.harness.supernet.nb101 import NB101Net
from supernet.harness.supernet.ops import (
    CentrePartConv,
    ConvBN,
    Part,
    PartConv,
    PartNorm,
    Projection,
    drop_path,
    max_pool,
)
from supernet.harness.supernet.wiring import NodeProgram, Parents, Share, Wiring
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.routes import Routing
from supernet.heuristics.sections import NetworkSection


def _sum(terms: Iterable[tuple[Tensor, Share]]) -> Tensor:
    """The weighted sum of one or more tensors."""
    return reduce(operator.add, (x if share is None else x * share for x, share in terms))


class Node(nn.Module):
    """The choice block of a node and its projection of the cell's input.

    Args:
        inputs, width: channels of the cell's input and of the node.
        averages: channels of the node's narrower form, in the channel mode `interpolate`.
        sets: the possible parents of the node.
        options: batch norm and the weight-sharing mapping.
    """

    def __init__(
        self, inputs: int, width: int, averages: int | None, sets: Sequence[Parents], options: NetworkSection
    ) -> None:
        super().__init__()
        affine, track = options.bn_affine, options.bn_track
        self.projection = Projection(inputs, width, affine, track, averages)
        large = PartConv(width, width, 3)
        small: nn.Module = PartConv(width, width, 1)
        if options.ofa_kernel != "own":
            small = CentrePartConv(large, options.ofa_kernel == "transform")
        self.conv3, self.conv1 = large, small
        self.ws_bn, self.centre = options.ws_bn, options.ofa_kernel != "own"
        names = map(_name, sets) if options.ws_bn else (SHORT_OPS[CONV3X3], SHORT_OPS[CONV1X1])
        self.norms = nn.ModuleDict({name: PartNorm(width, affine, track, averages) for name in names})

    def forward(self, x: Tensor, plan: NodeProgram, part: Part | None) -> Tensor:
        """The node's output (n, width, size, size) for the sum of its sources, of the same shape.

        Args:
            part: the channels of the node that are used; all by default.
        """
        out = _sum((self._operate(op, x, plan, part), share) for op, share in plan.ops)
        return out if plan.rest is None else out + plan.rest

    def _operate(self, op: int, x: Tensor, plan: NodeProgram, part: Part | None) -> Tensor:
        if op == MAXPOOL:
            return max_pool(x)
        y = (self.conv3 if op == CONV3X3 else self.conv1)(x, part, part)
        return F.relu(_sum((self.norms[name](y, part), share) for name, share in self._norms(op, plan)), inplace=True)

    def _norms(self, op: int, plan: NodeProgram) -> list[tuple[str, Share]]:
        """Names of the batch norms that follow a convolution, with the weight of each."""
        if self.ws_bn:
            return [(_name(parents), share) for parents, share in plan.parent_sets]
        return [(SHORT_OPS[op], None)]

    def active(self, plan: NodeProgram) -> list[nn.Module]:
        """The modules that compute the node under a plan."""
        chosen: list[nn.Module] = [self.projection] if any(source == 0 for source, _ in plan.sources) else []
        for op, _ in plan.ops:
            if op != MAXPOOL:
                chosen += [self.norms[name] for name, _ in self._norms(op, plan)]
                chosen += [self.conv1] if op == CONV1X1 else []
                chosen += [self.conv3] if op == CONV3X3 or self.centre else []
        return chosen


def _name(parents: Parents) -> str:
    return ",".join(map(str, parents))


class Cell(nn.Module):
    """All nodes of one cell, from `inputs` to `outputs` channels.

    Raises:
        RecipeError: there are too few channels for the parents of the output.
    """

    def __init__(self, space: NB1Shot1, inputs: int, outputs: int, options: NetworkSection) -> None:
        super().__init__()
        most = PARENTS[space.number][-1]
        if outputs < most:
            raise RecipeError(f"network.channels is {outputs}, but {space.name} needs at least {most}.")
        self.outputs, self.mode, self._wiring = outputs, options.channel_mode, Wiring.of(space)
        self.width = outputs // (most if self.mode == "fixed" else most - 1)
        averages = outputs // most if self.mode == "interpolate" else None
        self._nodes = [Node(inputs, self.width, averages, sets, options) for sets in self._wiring.options[:-1]]
        self.nodes = nn.ModuleList(self._nodes)
        self.shortcut = Projection(inputs, outputs, options.bn_affine, options.bn_track)
        self.drop_rate = 0.0
        """Probability of path dropout at the current step."""

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """The cell's output for one routing; see `NB1Shot1Net`."""
        plan = self._wiring.program(routing)
        if self.mode != "fixed" and not all(isinstance(choice, int) for choice in routing):
            raise ValueError(f"relaxed decisions need channel_mode fixed, not {self.mode}: widths cannot be mixed")
        part = self._part(len(plan.output), x.device)
        values: dict[int, Tensor] = {}
        for step in plan.nodes:
            node = self._nodes[step.node - 1]
            terms = [
                (drop_path(values[source], self._rate) if source else node.projection(x, part), share)
                for source, share in step.sources
            ]
            values[step.node] = node(_sum(terms), step, part)
        last = sorted({node for place in plan.output for node, _ in place})
        ends = {node: drop_path(values[node], self._rate) for node in last}
        pieces = [_sum((ends[node], share) for node, share in place) for place in plan.output]
        missing = self.outputs - sum(piece.shape[1] for piece in pieces)
        if missing:
            n, _, height, width = x.shape
            pieces.append(pieces[0].new_zeros(n, height, width, missing).permute(0, 3, 1, 2))
        out = torch.cat(pieces, 1) if len(pieces) > 1 else pieces[0]
        return _sum([(out, None), *((self.shortcut(x), share) for _, share in plan.shortcut)])

    def _part(self, ends: int, device: torch.device) -> Part | None:
        """The channels used by an architecture that concatenates `ends` nodes; None for all channels."""
        count = self.outputs // ends
        if self.mode == "fixed" or count == self.width:
            return None
        if self.mode == "interpolate":
            return Part(count, averages=True)
        if self.training and self.mode == "random_chunk":
            return Part(count, int(torch.randint(self.width - count + 1, ())))
        if self.training and self.mode == "shuffle":
            return Part(count, selection=torch.randperm(self.width, device=device)[:count])
        return Part(count)

    @property
    def _rate(self) -> float:
        return self.drop_rate if self.training else 0.0

    def active(self, routing: Routing) -> list[nn.Module]:
        """The modules that compute the output for a routing."""
        plan = self._wiring.program(routing)
        nodes = itertools.chain.from_iterable(self._nodes[step.node - 1].active(step) for step in plan.nodes)
        return [*nodes, *([self.shortcut] if plan.shortcut else [])]


class NB1Shot1Net(Supernet):
    """Stem, three stacks of cells with max-pooling between them, and a linear classifier.

    A routing may hold weights over a decision's options. Then the weighted sum over operations, parent sets or
    concatenations is computed.

    Args:
        classes: number of outputs of the classifier.
        space: the search space.
        options: channels of the stem and first stack, cells per stack, batch norm and the weight-sharing mapping.

    Raises:
        RecipeError: there are fewer channels than the output has parents.
    """

    def __init__(self, classes: int, space: NB1Shot1, options: NetworkSection) -> None:
        super().__init__()
        widths = [options.channels * factor for factor in (1, 2, 4)]
        self.stem = ConvBN(3, widths[0], 3, options.bn_affine, options.bn_track)
        self._per_stack = options.cells
        self._cells = [
            Cell(space, width if number else before, width, options)
            for before, width in itertools.pairwise([widths[0], *widths])
            for number in range(options.cells)
        ]
        self.cells = nn.ModuleList(self._cells)
        self.classifier = nn.Linear(widths[2], classes)
        self.global_dropout, self.path_dropout = options.global_dropout, options.path_dropout
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def all_cells(self) -> list[Cell]:
        """The cells in order, from input to output."""
        return self._cells

    @property
    def cell_count(self) -> int:
        """Number of cells, each of which may have an architecture of its own."""
        return len(self.cells)

    def set_progress(self, share: float) -> None:
        """Path dropout grows linearly with the share of the training done and with the depth of the cell (NAO)."""
        for depth, cell in enumerate(self._cells, 1):
            cell.drop_rate = self.path_dropout * share * depth / self.cell_count

    def forward(self, x: Tensor, routing: Routing | Sequence[Routing], features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size), size at least 4.

        Args:
            routing: one for all cells, or one for each.
            features: a list to which the output of every cell is appended.

        Raises:
            ValueError: a decision is relaxed but channel_mode is not fixed, or there is not one routing for each cell.
        """
        x = F.relu(self.stem(x))
        for number, (cell, choices) in enumerate(zip(self._cells, self._per_cell(routing), strict=True)):
            if number and number % self._per_stack == 0:
                x = F.max_pool2d(x, 2)
            x = cell(x, choices)
            if features is not None:
                features.append(x)
        pooled = x.mean((2, 3))
        if self.training and self.global_dropout:
            pooled = F.dropout(pooled, self.global_dropout)
        logits: Tensor = self.classifier(pooled)
        return logits

    def _per_cell(self, routing: Routing | Sequence[Routing]) -> Sequence[Routing]:
        return routing if isinstance(routing[0], tuple) else [routing] * self.cell_count  # type: ignore[return-value, list-item]

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """The weights of an operation of a node, in all cells; none for decisions on parents and for max-pooling."""
        return [p for modules in self.operations_of(decision, option) for p in modules[0].parameters()]

    def operations_of(self, decision: int, option: int) -> list[list[nn.Module]]:
        """For each cell, the convolution of a node, without batch norm; none for parents and for max-pooling."""
        if decision >= len(self._cells[0].nodes) or option == MAXPOOL:
            return []
        name = "conv3" if option == CONV3X3 else "conv1"
        return [[getattr(cell.nodes[decision], name)] for cell in self._cells]

    def active_parameters(self, routing: Routing | Sequence[Routing]) -> list[nn.Parameter]:
        """The parameters that the output depends on: each once, and whole even if an architecture uses a part of it."""
        chosen = [c.active(r) for c, r in zip(self._cells, self._per_cell(routing), strict=True)]
        modules = [self.stem, self.classifier, *itertools.chain(*chosen)]
        return list({id(p): p for module in modules for p in module.parameters()}.values())


class StandAloneCell(Supernet):
    """The benchmark's stand-alone network of one NAS-Bench-101 cell, as a super-net with a single path.

    Args:
        network: the network, which has the benchmark's widths whatever `channel_mode` is.
        path_dropout: probability of path dropout in the last cell at the end of training.
    """

    def __init__(self, network: NB101Net, path_dropout: float = 0.0) -> None:
        super().__init__()
        self.network, self.path_dropout = network, path_dropout

    def set_progress(self, share: float) -> None:
        """See `NB1Shot1Net.set_progress`."""
        for depth, cell in enumerate(self.network.all_cells, 1):
            cell.drop_rate = self.path_dropout * share * depth / len(self.network.cells)

    def forward(self, x: Tensor, routing: object, features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size); the routing has no effect.

        Args:
            features: a list to which the output of every cell is appended.
        """
        logits: Tensor = self.network(x, features)
        return logits

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """An empty list, because the network has no options."""
        return []


def _network(recipe: Recipe, classes: int) -> Supernet:
    """The super-net; or, for a single architecture, its network as NAS-Bench-101 builds it, with its widths."""
    options, within = recipe.network, space_named(recipe.space)
    assert isinstance(within, NB1Shot1)  # NETWORKS has this function for these spaces only
    if recipe.sampling.architecture is None:
        return NB1Shot1Net(classes, within, options)
    cell = within.cells(within.parse(recipe.sampling.architecture))
    network = NB101Net(
        classes, cell, options.channels, options.cells, options.bn_affine, options.bn_track, options.global_dropout
    )
    return StandAloneCell(network, options.path_dropout)


NETWORKS: Mapping[str, Callable[[Recipe, int], Supernet]] = dict.fromkeys(SPACES, _network)
"""Name of a space -> how to make its network for a recipe and a number of classes."""
