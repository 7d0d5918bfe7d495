"""Partially pruned super-nets of NAS-Bench-201 from torch's own modules: every edge averages what is left on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.spaces.nb201 import EDGES, NONE, OPS
from supernet.harness.supernet.plain.nb201 import head, operation, stages
from supernet.harness.supernet.plain.network import PlainNetwork
from supernet.harness.supernet.plain.pool import Pool

Options = Sequence[Sequence[int]]
"""The operations that are left on each edge, one or more, none of them `none`."""


def whole(within: SearchSpace) -> tuple[tuple[int, ...], ...]:
    """The options of the super-net before any pruning: all operations but `none` on every edge.

    Raises:
        UserError: there are no such super-nets of the space.
    """
    if within.name != "nb201":
        raise UserError(
            "Operations are pruned from the edges of a cell, which all architectures of NAS-Bench-201 have; those of "
            f"{within.name} have no edges in common from which operations could be pruned."
        )
    return tuple(tuple(range(NONE + 1, len(OPS))) for _ in EDGES)


class MixedCell(nn.Module):
    """A cell whose edges average the outputs of their operations.

    With one operation on every edge it is the cell of that architecture; from one pool, both share weights.
    """

    def __init__(self, pool: Pool, number: int, channels: int, options: Options) -> None:
        super().__init__()
        self.edges = nn.ModuleList(
            nn.ModuleList(operation(pool, f"cell{number}.edge{edge}.{op}", channels, op) for op in ops)
            for edge, ops in enumerate(options)
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x, *[torch.zeros_like(x)] * 3]
        for ops, (source, target) in zip(self.edges, EDGES, strict=True):  # edges are listed by their target
            outputs = [op(nodes[source]) for op in ops]  # type: ignore[attr-defined]
            nodes[target] = nodes[target] + torch.stack(outputs).mean(0)
        return nodes[3]


def network(pool: Pool, options: Options, channels: int, cells: int, classes: int) -> PlainNetwork:
    """The network of NAS-Bench-201 with mixed cells; see `nb201.network`."""
    return stages(pool, lambda number, width: MixedCell(pool, number, width, options), channels, cells, classes)


def thin(pool: Pool, options: Options, classes: int) -> PlainNetwork:
    """A single mixed cell of one channel, which images (n, 1, height, width) enter without a stem."""
    return PlainNetwork([MixedCell(pool, 0, 1, options)], *head(pool, 1, classes))
