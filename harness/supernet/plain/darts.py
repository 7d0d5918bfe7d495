"""The stand-alone network of a pair of DARTS cells (Liu et al., ICLR 2019) from torch's own modules.

See `supernet.darts.net` for the points in which it differs from the authors' code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from supernet.benchmarks.spaces import Archs, space
from supernet.benchmarks.spaces.darts import AVG_POOL, DARTS, DIL3, DIL5, MAX_POOL, NODES, NONE, SEP3, SEP5, SKIP
from supernet.benchmarks.spaces.darts import Edges as Inputs
from supernet.harness.supernet.plain.network import Build, PlainNetwork, norm, relu_conv_bn
from supernet.harness.supernet.plain.pool import Pool

SHAPES = {SEP3: (3, 1), SEP5: (5, 1), DIL3: (3, 2), DIL5: (5, 2)}
"""Convolution -> size of its kernel and dilation."""
INPUTS = 2
STEM = 3
"""Channels of the stem as a multiple of those of a node in the first stage."""


class FactorisedReduction(nn.Module):
    """ReLU, two 1x1 convolutions with stride 2 of which the second sees other pixels than the first, batch norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.relu, self.shift = nn.ReLU(), nn.ZeroPad2d((-1, 1, -1, 1))
        widths = (outputs // 2, outputs - outputs // 2)
        self.convs = nn.ModuleList(nn.Conv2d(inputs, width, 1, 2, bias=False) for width in widths if width)
        self.norm = norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        halves = [conv(part) for conv, part in zip(self.convs, (x, self.shift(x)), strict=False)]
        out: Tensor = self.norm(torch.cat(halves, 1))
        return out


def operation(op: int, channels: int, stride: int) -> nn.Module:
    """An operation other than `none`."""
    if op == SKIP:
        return FactorisedReduction(channels, channels) if stride > 1 else nn.Identity()
    if op in (MAX_POOL, AVG_POOL):
        average = nn.AvgPool2d(3, stride, 1, count_include_pad=False)
        pool = average if op == AVG_POOL else nn.MaxPool2d(3, stride, 1)
        return nn.Sequential(pool, nn.BatchNorm2d(channels, affine=False, track_running_stats=False))
    rounds = (stride, 1) if op in (SEP3, SEP5) else (stride,)
    return nn.Sequential(*(layer for s in rounds for layer in _separable(op, channels, s)))


def _separable(op: int, channels: int, stride: int) -> Sequence[nn.Module]:
    kernel, dilation = SHAPES[op]
    padding = dilation * (kernel // 2)
    spread = nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)
    return nn.ReLU(), spread, nn.Conv2d(channels, channels, 1, bias=False), norm(channels)


class Cell(nn.Module):
    """A cell of four nodes, each the sum of at most two operations on earlier states.

    Modules in the pool are named by cell, edge and operation, so that architectures share those of one edge.

    Args:
        number: number of the cell, from 0.
        before, last: channels of the outputs of the cell before last and of the last cell.
        channels: channels of a node.
        reduction, halved: whether this cell and the last cell halve the size.
        nodes: the inputs of every node.
    """

    def __init__(
        self,
        pool: Pool,
        number: int,
        before: int,
        last: int,
        channels: int,
        reduction: bool,
        halved: bool,
        nodes: Sequence[Inputs],
    ) -> None:
        super().__init__()
        self._reduction, self._channels = reduction, channels
        name = f"cell{number}"
        self.before: nn.Module = (
            pool.get(f"{name}.before", lambda: FactorisedReduction(before, channels))
            if halved
            else pool.get(f"{name}.before", lambda: relu_conv_bn(before, channels, 1))
        )
        self.last = pool.get(f"{name}.last", lambda: relu_conv_bn(last, channels, 1))
        self.edges = nn.ModuleDict()
        self._into: list[list[tuple[str, int]]] = []
        carrying = set(range(INPUTS))
        for node, (low, first, high, second) in enumerate(nodes, INPUTS):
            into = []
            for state, op in ((low, first), (high, second)):
                if op == NONE:
                    continue
                edge, stride = f"{node}<-{state}", 2 if reduction and state < INPUTS else 1
                self.edges[edge] = pool.get(
                    f"{name}.{edge}.{op}",
                    lambda op=op, stride=stride: operation(op, channels, stride),  # type: ignore[misc]
                )
                if state in carrying:
                    into.append((edge, state))
            self._into.append(into)
            if into:
                carrying.add(node)

    def forward(self, before: Tensor, last: Tensor) -> Tensor:
        states = [self.before(before), self.last(last)]
        n, _, height, width = states[0].shape
        if self._reduction:
            height, width = -(-height // 2), -(-width // 2)
        for into in self._into:
            terms = [self.edges[edge](states[state]) for edge, state in into]
            empty = states[0].new_zeros(n, self._channels, height, width)
            states.append(sum(terms[1:], terms[0]) if terms else empty)
        return torch.cat(states[INPUTS:], 1)


class Network(PlainNetwork):
    """A network whose cells read the outputs of the two blocks before them; the stem stands for both in the first."""

    def step(self, number: int, before: Sequence[Tensor]) -> Tensor:
        if number == 0:
            return super().step(number, before)
        out: Tensor = self.blocks[number](before[-1 if number == 1 else -2], before[-1])
        return out


def network(pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    """Stem, three stages of normal cells with a reduction cell between them, and a linear classifier.

    Args:
        pool: where its modules come from.
        arch: one architecture: (1, decisions).
        channels, cells: channels of a node in the first stage, and normal cells per stage.
        classes: number of outputs.
    """
    within = space(DARTS.name)
    assert isinstance(within, DARTS)
    kinds, stem = within.cells(arch[0].tolist()), STEM * channels
    conv = lambda: nn.Sequential(nn.Conv2d(3, stem, 3, padding=1, bias=False), norm(stem))  # noqa: E731
    blocks: list[nn.Module] = [pool.get("stem", conv)]
    before, last, width, halved = stem, stem, channels, False
    for number in range(3 * cells + 2):
        reduction = number in (cells, 2 * cells + 1)
        width *= 2 if reduction else 1
        blocks.append(Cell(pool, number, before, last, width, reduction, halved, kinds[reduction]))
        before, last, halved = last, NODES * width, reduction
    classifier = pool.get("classifier", lambda: nn.Linear(last, classes))
    return Network(blocks, nn.Identity(), classifier)


NETWORKS: Mapping[str, Build] = {DARTS.name: network}
"""Name of a space -> how the network of an architecture is made."""
