"""The super-net of DARTS cells: the CIFAR network of quark0/darts with every operation on every edge of its cells.

Restricted to one architecture it is that architecture's stand-alone network, parameter for parameter. Three liberties
are taken. An edge from a node that nothing reaches carries nothing, where the authors' code would convolve zeros and be
left with the shift of the batch norm. Pooling is followed by batch norm without scale and shift in stand-alone
networks, too, as in the authors' search network. There is no auxiliary classifier.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces import DARTS, Arch, space
from supernet.benchmarks.spaces.darts import NODES
from supernet.harness.supernet.darts.cell import Cell
from supernet.harness.supernet.darts.wiring import Program, edges_of, program, readers
from supernet.harness.supernet.ops import ConvBN
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Routing
from supernet.heuristics.sections import NetworkSection

STEM = 3
"""Channels of the stem as a multiple of those of a node in the first stage."""
Edges = Collection[tuple[int, int, int]]


class DARTSNet(Supernet):
    """Stem, three stages of N normal cells with a reduction cell between them, and a linear classifier.

    A cell reads the outputs of the two cells before it; the stem stands for both in the first cell. Nodes have C
    channels in the first stage and twice as many after each reduction cell.

    Args:
        classes: outputs of the classifier.
        space: the space of the cells.
        options: channels C, cells per stage N, batch norm and the weight-sharing mapping.
        only: the (node, state, operation) that normal cells and that reduction cells have; default: all.
    """

    def __init__(
        self, classes: int, space: DARTS, options: NetworkSection, only: tuple[Edges, Edges] | None = None
    ) -> None:
        super().__init__()
        self._space = space
        stem = STEM * options.channels
        self.stem = ConvBN(3, stem, 3, options.bn_affine, options.bn_track)
        self._kinds = [kind for stage in range(3) for kind in ([1] if stage else []) + [0] * options.cells]
        before, last, width, halved = stem, stem, options.channels, False
        made = []
        for kind in self._kinds:
            width *= 1 + kind
            made.append(Cell(before, last, width, bool(kind), halved, options, only and only[kind]))
            before, last, halved = last, NODES * width, bool(kind)
        self.cells = nn.ModuleList(made)
        self._cells = made
        self.classifier = nn.Linear(last, classes)
        self.global_dropout, self.path_dropout = options.global_dropout, options.path_dropout
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def cell_count(self) -> int:
        """Number of cells that may each have an architecture of their own, of which each reads one cell's half."""
        return len(self._cells)

    def set_progress(self, share: float) -> None:
        """Path dropout grows linearly with the share of the training done and with the depth of the cell (NAO)."""
        for depth, cell in enumerate(self._cells, 1):
            cell.drop_rate = self.path_dropout * share * depth / len(self._cells)

    def forward(self, x: Tensor, routing: Routing | Sequence[Routing], features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size), size at least 4.

        Args:
            routing: one for all cells, or one for each, of which a cell reads the decisions of its kind. A relaxed
                decision weighs operations on edges as `wiring` says.
            features: gets the output of every cell appended.
        """
        return self._after_stem(self.stem(x), routing, features)

    def _after_stem(
        self, x: Tensor, routing: Routing | Sequence[Routing], features: list[Tensor] | None = None
    ) -> Tensor:
        before = last = F.relu(x)
        for cell, plan in zip(self._cells, self._plans(routing), strict=True):
            x = cell(before, last, plan)
            before, last = last, F.relu(x)
            if features is not None:
                features.append(x)
        pooled = x.mean((2, 3))
        if self.training and self.global_dropout:
            pooled = F.dropout(pooled, self.global_dropout)
        logits: Tensor = self.classifier(pooled)
        return logits

    def _plans(self, routing: Routing | Sequence[Routing]) -> list[Program]:
        """What each cell computes."""
        if isinstance(routing[0], tuple):
            each = zip(self._kinds, cast(Sequence[Routing], routing), strict=True)
            return [program(self._space, kind, own) for kind, own in each]
        by_kind = [program(self._space, kind, cast(Routing, routing)) for kind in range(2)]
        return [by_kind[kind] for kind in self._kinds]

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """See `Supernet.logits_of`; the stem is computed once."""
        stem = self.stem(x)
        for arch in archs:
            yield self._after_stem(stem, arch)

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """The weights of an operation on the edges that its input can be, over all cells of its kind; none for parents.

        Two inputs of a node can be the same edge, whose weights belong to both.
        """
        return [p for modules in self.operations_of(decision, option) for m in modules for p in m.parameters()]

    def operations_of(self, decision: int, option: int) -> list[list[nn.Module]]:
        """For each cell, the modules with weights of an operation on the edges that its input can be."""
        found = readers(self._space, decision)
        if found is None:
            return []
        kind, node, states = found
        each = [
            _with_weights(cell.operation((node, state), option) for state in states) if own == kind else []
            for own, cell in zip(self._kinds, self._cells, strict=True)
        ]
        return each if any(each) else []

    def active_parameters(self, arch: Arch) -> list[nn.Parameter]:
        """The parameters of the stand-alone network of one architecture, live or not."""
        modules: list[nn.Module | None] = [self.stem, self.classifier]
        for kind, cell in zip(self._kinds, self._cells, strict=True):
            modules += [cell.before, cell.last]
            modules += [cell.operation((node, state), op) for node, state, op in edges_of(self._space, arch, kind)]
        return list({id(p): p for module in modules if module is not None for p in module.parameters()}.values())


def _with_weights(modules: Iterable[nn.Module | None]) -> list[nn.Module]:
    """Those of the modules that have weights, each once."""
    return [m for m in dict.fromkeys(modules) if m is not None and any(True for _ in m.parameters())]


def _network(recipe: Recipe, classes: int) -> Supernet:
    """The super-net; or, for a single architecture, its network, whose operations all have weights of their own."""
    within = space(recipe.space)
    assert isinstance(within, DARTS)  # NETWORKS has this function for this space only
    if recipe.sampling.architecture is None:
        return DARTSNet(classes, within, recipe.network)
    arch = within.parse(recipe.sampling.architecture)
    alone = dataclasses.replace(recipe.network, ofa_kernel="own", op_on="edge")
    return DARTSNet(classes, within, alone, (edges_of(within, arch, 0), edges_of(within, arch, 1)))


NETWORKS: Mapping[str, Callable[[Recipe, int], Supernet]] = {DARTS.name: _network}
"""Name of a space -> how to make its network for a recipe and a number of classes."""
