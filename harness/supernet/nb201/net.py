"""The super-net of NAS-Bench-201: the benchmark's own network with every operation on every edge.

Restricted to one architecture it is that architecture's stand-alone network, parameter for parameter. One liberty is
taken: an edge from a node that nothing reaches carries nothing, where the benchmark's code would convolve zeros and
be left with the shift of the batch norm.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces import NB201, Arch
from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3
from supernet.benchmarks.spaces.nb201_part import OPERATIONS, NB201Topology
from supernet.harness.supernet.nb201 import prefix
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.plan import ALL
from supernet.harness.supernet.ops import BatchNorm, ConvBN, halve
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Routing
from supernet.heuristics.sections import NetworkSection


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
        operations: the number in NAS-Bench-201 of the operation that each option of an edge stands for.
    """

    def __init__(self, classes: int, options: NetworkSection, operations: Sequence[int] = ALL) -> None:
        super().__init__()
        self.operations = tuple(operations)
        affine, track = options.bn_affine, options.bn_track
        widths = [options.channels * factor for factor in (1, 2, 4)]
        self.stem = ConvBN(3, widths[0], 3, affine, track)
        self._stages = [[Cell(width, options, operations) for _ in range(options.cells)] for width in widths]
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

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """See `Supernet.logits_of`; fastest when sorted, because what the first cell shares is computed once."""
        if self.all_cells[0].partial:  # channels pass by its operations
            yield from super().logits_of(x, archs)
            return
        first = prefix.FirstCell(self.all_cells[0], self.stem(x))
        for arch in archs:
            yield self.after(first.output(arch), arch, 1)

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """Weights of an operation of an edge, over all cells."""
        return [p for modules in self.operations_of(decision, option) for p in modules[0].parameters()]

    def operations_of(self, decision: int, option: int) -> list[list[nn.Module]]:
        """For each cell, the convolution with its batch norm that is an operation of an edge; empty for others."""
        op = self.operations[option]
        if op not in (CONV1X1, CONV3X3):
            return []
        return [[(c.conv1 if op == CONV1X1 else c.conv3)[c.slot[decision]]] for c in self.all_cells]

    def active_parameters(self, routing: Routing) -> list[nn.Parameter]:
        """The parameters of the benchmark's stand-alone network of one architecture, live or not."""
        chosen = []
        for cell in self.all_cells:
            for edge, option in enumerate(routing):
                op = self.operations[option]  # type: ignore[index]
                if op in (CONV1X1, CONV3X3):
                    chosen.append((cell.conv1 if op == CONV1X1 else cell.conv3)[cell.slot[edge]])
        modules = [self.stem, *self.reductions, self.last_bn, self.classifier, *chosen]
        return list({id(p): p for module in modules for p in module.parameters()}.values())


def _network(recipe: Recipe, classes: int) -> Supernet:
    # A super-net with a single architecture is the stand-alone network, so that no other network is needed.
    return NB201Net(classes, recipe.network)


def _part(recipe: Recipe, classes: int) -> Supernet:
    return NB201Net(classes, recipe.network, OPERATIONS)


NETWORKS: Mapping[str, Callable[[Recipe, int], Supernet]] = {NB201.name: _network, NB201Topology.name: _part}
"""Name of a space -> how to make its network for a recipe and a number of classes."""
