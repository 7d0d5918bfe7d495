"""The stand-alone network of a NAS-Bench-201 cell (Dong and Yang, ICLR 2020) from torch's own modules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from supernet.benchmarks.spaces import NB201, Arch, Archs
from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, NONE, SKIP
from supernet.benchmarks.spaces.nb201_part import NB201Topology, in_nb201
from supernet.harness.supernet.plain.network import AveragePool, Build, Halve, PlainNetwork, norm, relu_conv_bn
from supernet.harness.supernet.plain.pool import Pool

KERNELS = {CONV1X1: 1, CONV3X3: 3}


class Cell(nn.Module):
    """The operations of one cell on its edges; an edge with `none` has no module."""

    def __init__(self, pool: Pool, number: int, channels: int, arch: Arch) -> None:
        super().__init__()
        self.edges = nn.ModuleDict()
        self._into: list[list[tuple[str, int]]] = [[], [], []]
        for edge, ((source, target), op) in enumerate(zip(EDGES, arch, strict=True)):
            if op != NONE:
                self.edges[str(edge)] = operation(pool, f"cell{number}.edge{edge}.{op}", channels, op)
                self._into[target - 1].append((str(edge), source))

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for into in self._into:
            terms = [self.edges[edge](nodes[source]) for edge, source in into]
            nodes.append(_added(terms) if terms else torch.zeros_like(x))
        return nodes[3]


def operation(pool: Pool, name: str, channels: int, op: int) -> nn.Module:
    """The operation of an edge, other than `none`, with weights under this name."""
    if op in KERNELS:
        return pool.get(name, lambda: relu_conv_bn(channels, channels, KERNELS[op]))
    return nn.Identity() if op == SKIP else AveragePool()


def _added(terms: list[Tensor]) -> Tensor:
    total, *rest = terms
    for term in rest:
        total = total + term
    return total


class Reduction(nn.Module):
    """The residual block between stages: half the size, twice the channels."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(relu_conv_bn(inputs, outputs, 3, stride=2), relu_conv_bn(outputs, outputs, 3))
        self.shortcut = nn.Sequential(Halve(), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x) + self.shortcut(x)
        return out


def network(pool: Pool, arch: Arch, channels: int, cells: int, classes: int) -> PlainNetwork:
    """Stem, three stages of cells with a residual block between them, and a linear classifier.

    Args:
        pool: where its modules come from.
        arch: the cell.
        channels, cells: channels of the first stage, and cells per stage.
        classes: number of outputs.
    """
    return stages(pool, lambda number, width: Cell(pool, number, width, arch), channels, cells, classes)


def stages(pool: Pool, cell: Callable[[int, int], nn.Module], channels: int, cells: int, classes: int) -> PlainNetwork:
    """The network whose cells a function of their number and their channels makes; see `network`."""
    widths = [channels, 2 * channels, 4 * channels]
    conv = lambda: nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), norm(channels))  # noqa: E731
    blocks: list[nn.Module] = [pool.get("stem", conv)]
    for stage, (before, width) in enumerate(itertools.pairwise([channels, *widths])):
        if stage:
            blocks.append(pool.get(f"reduction{stage}", lambda i=before, o=width: Reduction(i, o)))  # type: ignore[misc]
        blocks += [cell(stage * cells + k, width) for k in range(cells)]
    return PlainNetwork(blocks, *head(pool, widths[2], classes))


def head(pool: Pool, channels: int, classes: int) -> tuple[nn.Module, nn.Linear]:
    """What follows the last cell: batch norm and ReLU, and the classifier."""
    last = pool.get("last", lambda: nn.Sequential(norm(channels), nn.ReLU()))
    return last, pool.get("classifier", lambda: nn.Linear(channels, classes))


def _network(pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    return network(pool, tuple(arch[0].tolist()), channels, cells, classes)


def _network_of_part(pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    return _network(pool, in_nb201(arch), channels, cells, classes)


NETWORKS: Mapping[str, Build] = {NB201.name: _network, NB201Topology.name: _network_of_part}
"""Name of a space -> how the network of an architecture is made."""
