"""Several paths through one cell by fused operations, where no two use the same operation of an edge.

Each operation of each edge runs once, for the path that uses it. The operations out of a node read their paths at
once, and all terms of a node are normalised and added at once, each to its path.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, SKIP
from supernet.harness.supernet.kernels import relu_slots
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.plan import INNER, INTO, OUT_OF, POOL
from supernet.harness.supernet.ops import average_pool, joinable, joined

CONVS, OTHERS = (CONV1X1, CONV3X3), (SKIP, POOL)
WORKING = (SKIP, CONV1X1, CONV3X3, POOL)
"""The operations that are computed: all but `none`, which is the first."""
SOURCES = (0, 1, 2)
"""The nodes that operations read."""


def routed_cell(cell: Cell, x: Tensor, take: Tensor, path: Tensor, paths: int) -> Tensor:
    """Outputs of one cell for all paths: (paths, n, channels, height, width).

    Args:
        x: the cell's input of each path: (paths, n, channels, height, width).
        take: the path whose input each operation of each edge gets, for all operations but `none`: int64, (edges, 4).
        path: the path that gets the output, -1 for an output that is dropped: int64, (edges, 4).
        paths: how many paths there are.
    """
    order, sizes = _order(x.device), _sizes()
    reads = take.flatten().index_select(0, order).split(sizes)[: len(SOURCES)]
    adds = path.flatten().index_select(0, order).split(sizes)[len(SOURCES) :]
    nodes = [x]
    read: dict[tuple[int, int], Tensor] = {}
    for source, target in zip(SOURCES, INNER, strict=True):
        rectified = [(edge, op) for edge, _ in OUT_OF[source] for op in CONVS]
        plain = [(edge, op) for edge, _ in OUT_OF[source] for op in OTHERS]
        read |= zip(rectified + plain, relu_slots(nodes[source], reads[source], len(rectified)), strict=True)
        convs = [(edge, op) for edge, _ in INTO[target] for op in CONVS]
        skips = [
            average_pool(read[edge, op]) if op == POOL else read[edge, op] for edge, _ in INTO[target] for op in OTHERS
        ]
        modules = [cell.convolution(edge, op) for edge, op in convs]
        nodes.append(joined(modules, [read[place] for place in convs], skips, adds[target - 1], paths))
    return nodes[3]


def takes(cell: Cell) -> bool:
    """Whether `routed_cell` computes with this cell's modules what they would."""
    return joinable([cell.convolution(edge, op) for edge in range(len(EDGES)) for op in CONVS])


def _places() -> list[list[tuple[int, int]]]:
    """(Edge, operation) of what is read of each source, and then of the terms of each inner node, in their orders."""
    ends = [[edge for edge, _ in OUT_OF[s]] for s in SOURCES] + [[edge for edge, _ in INTO[t]] for t in INNER]
    return [[(edge, op) for ops in (CONVS, OTHERS) for edge in edges for op in ops] for edges in ends]


@cache
def _sizes() -> list[int]:
    return [len(places) for places in _places()]


@cache
def _order(device: torch.device) -> Tensor:
    """Where the places stand among all edges and operations."""
    with torch.inference_mode(False):
        return torch.tensor(
            [edge * len(WORKING) + op - 1 for places in _places() for edge, op in places], device=device
        )
