"""The stand-alone network of a NAS-Bench-101 cell (Ying et al., ICML 2019) from torch's own modules."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping
from functools import partial, reduce

import numpy as np
import torch
from torch import Tensor, nn

from supernet.benchmarks.spaces import Archs, NB1Shot1, space
from supernet.benchmarks.spaces.nb1shot1 import SPACES
from supernet.benchmarks.spaces.nb101 import MAXPOOL, OUTPUT, Cells
from supernet.harness.supernet.plain.network import Build, PlainNetwork, conv_bn_relu
from supernet.harness.supernet.plain.pool import Pool

KERNELS = (3, 1)
"""Kernel sizes of the first two operations."""


class Cell(nn.Module):
    """One cell without loose ends, from `inputs` to `outputs` channels.

    `Cells.vertex_channels` gives the width of each vertex; a vertex reads the first channels of a wider one. Modules in
    the pool are named by cell, vertex, operation and width, so that architectures share those of equal shape.
    """

    def __init__(self, pool: Pool, number: int, cell: Cells, inputs: int, outputs: int) -> None:
        super().__init__()
        edges = cell.pruned().edges[0]
        self._widths: list[int] = cell.vertex_channels(inputs, outputs)[0].tolist()
        self._parents = {
            slot: np.flatnonzero(edges[:, slot]).tolist() for slot in np.flatnonzero(edges.any(axis=0)).tolist()
        }
        self.projections, self.operations = nn.ModuleDict(), nn.ModuleDict()
        for slot, parents in self._parents.items():
            width, name = self._widths[slot], f"cell{number}.vertex{slot}"
            if 0 in parents:
                self.projections[str(slot)] = self._conv(pool, f"{name}.projection", inputs, width, 1)
            if slot != OUTPUT:
                op = int(cell.ops[0, slot - 1])
                pooled = op == MAXPOOL
                self.operations[str(slot)] = (
                    nn.MaxPool2d(3, 1, 1) if pooled else self._conv(pool, f"{name}.{op}", width, width, KERNELS[op])
                )

    @staticmethod
    def _conv(pool: Pool, name: str, inputs: int, outputs: int, kernel: int) -> nn.Module:
        return pool.get(f"{name}.{inputs}-{outputs}", lambda: conv_bn_relu(inputs, outputs, kernel))

    def forward(self, x: Tensor) -> Tensor:
        values: dict[int, Tensor] = {}
        for slot, parents in self._parents.items():
            inner = [values[parent] for parent in parents if parent]
            if slot == OUTPUT and len(inner) > 1:
                inner = [torch.cat(inner, 1)]
            terms = [value[:, : self._widths[slot]] for value in inner]
            if 0 in parents:
                terms.append(self.projections[str(slot)](x))
            total: Tensor = reduce(operator.add, terms)
            values[slot] = total if slot == OUTPUT else self.operations[str(slot)](total)
        return values[OUTPUT]


def network(pool: Pool, cell: Cells, channels: int, cells: int, classes: int) -> PlainNetwork:
    """Stem, three stacks of cells with max-pooling between them, and a linear classifier.

    Args:
        pool: where its modules come from.
        cell: exactly one cell, whose output depends on its input.
        channels, cells: channels of the stem and first stack, and cells per stack.
        classes: number of outputs.
    """
    widths = [channels, 2 * channels, 4 * channels]
    blocks: list[nn.Module] = [pool.get("stem", lambda: conv_bn_relu(3, channels, 3))]
    for stack, (before, width) in enumerate(itertools.pairwise([channels, *widths])):
        if stack:
            blocks.append(nn.MaxPool2d(2))
        blocks += [Cell(pool, stack * cells + k, cell, width if k else before, width) for k in range(cells)]
    classifier = pool.get("classifier", lambda: nn.Linear(widths[2], classes))
    return PlainNetwork(blocks, nn.Identity(), classifier)


def _network(name: str, pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    within = space(name)
    assert isinstance(within, NB1Shot1)  # NETWORKS has this function for these spaces only
    return network(pool, within.cells(arch), channels, cells, classes)


NETWORKS: Mapping[str, Build] = {name: partial(_network, name) for name in SPACES}
"""Name of a space -> how the network of an architecture is made."""
