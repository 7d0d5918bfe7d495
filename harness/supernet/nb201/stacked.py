"""The convolutions of a stage of cells as a few tensors, which kernels for all of its edges read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.flat import FlatSGD, as_stored
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.ops import ConvBN, joinable

EVERY = range(len(EDGES))


def stackable(network: NB201Net) -> bool:
    """Whether every convolution of a network has a kernel of its own, and batch norms that keep and use nothing."""
    own = [cell.convolution(edge, op) for cell in network.all_cells for edge in EVERY for op in (CONV1X1, CONV3X3)]
    others: list[nn.Module] = [network.stem, *(conv for r in network._reductions for conv in (r.conv_a, r.conv_b))]
    convs = [*own, *others]
    last = network.last_bn
    plain = all(isinstance(conv, ConvBN) for conv in convs) and joinable(convs)
    return plain and not (network.all_cells[0].partial or last.track or last.use_running)


class StackedStage:
    """The cells of one stage.

    Attributes:
        stacks: parameters of one shape each: 3x3 kernels, 1x1 kernels, and, where batch norms have them, their scales
            and their shifts in the same order; in each, cell after cell.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells, self._slot = len(cells), cells[0].slot
        self._slots = max(self._slot) + 1
        convs = [[getattr(cell, kind)[s] for cell in cells for s in range(self._slots)] for kind in ("conv3", "conv1")]
        self._affine = convs[0][0].bn.weight is not None
        self.stacks: list[list[nn.Parameter]] = [[conv.weight for conv in kind] for kind in convs]
        if self._affine:
            self.stacks += [[conv.bn.weight for conv in kind] for kind in convs]
            self.stacks += [[conv.bn.bias for conv in kind] for kind in convs]

    def bind(self, flat: FlatSGD, first: int) -> int:
        """Make the tensors views into a vector of parameters, from number `first` on; returns the next number."""
        self.leaves = []
        for stack in self.stacks:
            self.leaves.append(flat.stack(first, len(stack), as_stored(stack[0]).shape))
            first += len(stack)
        return first

    def copy(self) -> None:
        """Make the tensors copies of the parameters, for a network that does not change."""
        self.leaves = [torch.stack([as_stored(p.detach()) for p in stack]) for stack in self.stacks]

    def weights(self) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Matrices (cells, edges, 10, outputs, inputs), scales and shifts (cells, edges, 2, channels) of all edges."""
        leaves = [self._by_edge(leaf) for leaf in self.leaves]
        matrices = torch.cat([leaf.flatten(3, 4).transpose(2, 3) for leaf in leaves[:2]], 2)
        if not self._affine:
            return matrices, None, None
        return matrices, torch.stack([leaves[3], leaves[2]], 2), torch.stack([leaves[5], leaves[4]], 2)

    def _by_edge(self, leaf: Tensor) -> Tensor:
        """A leaf as (cells, edges, ...); edges with the same weights repeat them."""
        cells = leaf.view(self._cells, self._slots, *leaf.shape[1:])
        return cells if self._slots == len(EDGES) else torch.stack([cells[:, slot] for slot in self._slot], 1)
