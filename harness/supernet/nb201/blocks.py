"""Many architectures in blocks of a few that share no operation of an edge, so that a block is one static computation.

A block costs what one strictly fair step costs without its backward pass: every operation of every edge runs once. On a
GPU, the computation is captured once per shape of a batch as a CUDA graph, and replayed for all blocks and batches. On
a CPU the prefix that architectures share (`prefix.FirstCell`) saves more than blocks do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.spaces.nb201 import EDGES, NONE
from supernet.harness.supernet.nb201 import fused, together
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import ALL, live
from supernet.harness.supernet.nb201.stacked import StackedStage
from supernet.heuristics.hooks import Supernet

PATHS = 4
"""Architectures of a block: as many as there are working operations. Live edges of more would rarely fit together."""
SPARE = 0.8
"""Share of the free memory of a GPU that blocks may need; more than that is left to one architecture at a time."""
COPIES = 12
"""Tensors of the size of all paths' activations in the first stage that are alive at once, at most."""


def fits(network: Supernet) -> TypeGuard[NB201Net]:
    """Whether a network computes architectures in blocks; batch norm must not keep what it sees.

    Blocks hold all operations of NAS-Bench-201 in their order, which networks of a part of the space do not have.
    """
    return isinstance(network, NB201Net) and network.operations == ALL and not network.all_cells[0].partial


def memory(network: NB201Net, images: Tensor, amp: bool) -> int:
    """Bytes that a block of architectures needs at most for its activations, apart from the images."""
    count, _, height, width = images.shape
    channels = network.all_cells[0].width
    return COPIES * PATHS * count * channels * height * width * (2 if amp else images.element_size())


def packed(archs: Sequence[Arch], paths: int = PATHS) -> list[list[int]]:
    """Positions of the architectures in blocks of at most `paths`, none of which uses an operation of an edge twice.

    Architectures with the most live edges are placed first, each in the first block that has room for it. That leaves
    2,362 blocks for the 9,445 different computations of the space, where 9,445 / 4 would be 2,361.25.
    """
    ops = np.array([live(tuple(arch)) for arch in archs]).reshape(-1, len(EDGES))
    bit = np.arange(len(EDGES)) * len(together.WORKING) + ops - 1
    masks = np.where(ops == NONE, 0, 1 << np.maximum(bit, 0)).sum(1)
    taken = np.zeros(len(archs), dtype=np.int64)
    blocks: list[list[int]] = []
    first = 0  # all blocks before it are full
    for position in np.argsort(-(ops != NONE).sum(1), kind="stable").tolist():
        open_blocks = taken[first : len(blocks)]
        room = np.flatnonzero(((open_blocks & masks[position]) == 0) & (open_blocks >= 0))
        number = first + int(room[0]) if len(room) else len(blocks)
        if number == len(blocks):
            blocks.append([])
        blocks[number].append(position)
        taken[number] = taken[number] | masks[position] if len(blocks[number]) < paths else -1
        while first < len(blocks) and taken[first] < 0:
            first += 1
    return blocks


class Blocks:
    """Computes blocks of architectures on batches of images.

    Args:
        network: the super-net, in the mode in which it is to be used.
        blocks: the architectures of each block, `PATHS` at most; see `packed`.
        device: where the network is.
        amp: compute under bfloat16 autocast.
        capture: replay the computation as a CUDA graph.
    """

    WARM_UP = 2
    """Runs before the graph is captured, in which libraries choose and allocate."""

    def __init__(
        self, network: NB201Net, blocks: Sequence[Sequence[Arch]], device: torch.device, amp: bool, capture: bool
    ) -> None:
        self._amp, self._capture = amp, capture
        ops = np.full((len(blocks), PATHS, len(EDGES)), NONE, dtype=np.int64)
        for number, block in enumerate(blocks):
            for path, arch in enumerate(block):
                ops[number, path] = live(tuple(arch))
        self.sizes = [len(block) for block in blocks]
        way = _Fused if fused.computes(network, device) else _Together
        self._way: _Way = way(network, torch.bfloat16 if amp else torch.float32)
        self._tables = [table.to(device) for table in self._way.tables(ops)]
        self._graphs: dict[tuple[int, ...], _Graph] = {}
        self._of: Tensor | None = None
        self._seen = torch.empty(0)

    def logits(self, images: Tensor, number: int) -> Tensor:
        """Logits of the architectures of a block: (architectures, n, classes).

        With a captured graph, the next call overwrites them.
        """
        tables = [table[number : number + 1] for table in self._tables]
        if images is not self._of:
            self._of, self._seen = images, self._stem(images)
        if self._capture:
            shape = tuple(images.shape)
            if shape not in self._graphs:
                self._graphs[shape] = _Graph(self._computed, self._seen, tables, self.WARM_UP)
            logits = self._graphs[shape].replay(self._seen, tables)
        else:
            logits = self._computed(self._seen, tables)
        return logits[: self.sizes[number]]

    def _stem(self, images: Tensor) -> Tensor:
        """What all blocks compute with."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self._amp):
            return self._way.stem(images)

    def _computed(self, x: Tensor, tables: Sequence[Tensor]) -> Tensor:
        """Logits of all paths, those without an architecture included: (paths, n, classes)."""
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self._amp):
            return self._way.logits(x, tables)


class _Way(Protocol):
    """A way to compute a block."""

    def __init__(self, network: NB201Net, matrices: torch.dtype) -> None:
        """Keep the network, and its matrices in this type where they are copied."""

    def tables(self, ops: NDArray[np.int64]) -> Sequence[Tensor]:
        """What the computation needs to know of live operations (blocks, paths, edges), one row for each block."""
        ...

    def stem(self, images: Tensor) -> Tensor:
        """What is the same for all blocks."""
        ...

    def logits(self, x: Tensor, tables: Sequence[Tensor]) -> Tensor:
        """Logits (paths, n, classes), from what is the same for all blocks and the tables of one block."""
        ...


class _Fused:
    """By fused kernels."""

    def __init__(self, network: NB201Net, matrices: torch.dtype) -> None:
        self._network, self._weights = network, _weights(network, matrices)

    def tables(self, ops: NDArray[np.int64]) -> Sequence[Tensor]:
        return fused.tables(ops)

    def stem(self, images: Tensor) -> Tensor:
        return fused.stem(self._network, images[None])

    def logits(self, x: Tensor, tables: Sequence[Tensor]) -> Tensor:
        ops, path = tables
        return fused.forward(self._network, self._weights, x, ops, path)


class _Together:
    """By PyTorch's operations, with the stem in each block."""

    def __init__(self, network: NB201Net, matrices: torch.dtype) -> None:
        self._network = network

    def tables(self, ops: NDArray[np.int64]) -> Sequence[Tensor]:
        return together.tables(ops, idle=True)

    def stem(self, images: Tensor) -> Tensor:
        return images

    def logits(self, x: Tensor, tables: Sequence[Tensor]) -> Tensor:
        take, back, used = tables
        return torch.stack(together.forward(self._network, [x], together.Routes(take, back, used, True)))


def _weights(network: NB201Net, dtype: torch.dtype) -> list[tuple[Tensor | None, ...]]:
    """What the fused cells of each stage compute with, matrices in the given type."""
    found: list[tuple[Tensor | None, ...]] = []
    for cells in network._stages:
        stage = StackedStage(cells)
        stage.copy()
        matrices, gain, shift = stage.weights()
        found.append((matrices.to(dtype), gain, shift))
    return found


Compute = Callable[[Tensor, Sequence[Tensor]], Tensor]
"""Logits of all paths of a block, from what all blocks compute with and the tables of its routes."""


class _Graph:
    """One computation as a CUDA graph, with its inputs."""

    def __init__(self, compute: Compute, x: Tensor, tables: Sequence[Tensor], warm_up: int) -> None:
        self._x, self._tables = x.clone(), [table.clone() for table in tables]
        self._of: Tensor | None = None
        for _ in range(warm_up):
            compute(self._x, self._tables)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits = compute(self._x, self._tables)

    def replay(self, x: Tensor, tables: Sequence[Tensor]) -> Tensor:
        """The result for these inputs; x is copied only when it is another than in the call before."""
        if x is not self._of:
            self._x.copy_(x)
            self._of = x
        for kept, new in zip(self._tables, tables, strict=True):
            kept.copy_(new)
        self._graph.replay()
        return self._logits
