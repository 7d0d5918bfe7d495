"""The stand-alone network of NAS-Bench-101: three stacks of one cell, after `build_module` of google-research/nasbench.

Its weights are those that the benchmark trains, one set for every vertex and every stack.
"""

from __future__ import annotations

import itertools
import operator
from functools import reduce

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.nb101 import MAXPOOL, OUTPUT, Cells
from supernet.harness.supernet.ops import ConvBN, drop_path, max_pool

KERNELS = (3, 1)
"""Kernel sizes of the first two operations, conv3x3-bn-relu and conv1x1-bn-relu."""


class Cell(nn.Module):
    """One cell of the network, from `inputs` to `outputs` channels.

    `Cells.vertex_channels` gives the width of each vertex. From a wider vertex, a vertex reads the first channels.
    """

    def __init__(self, cell: Cells, inputs: int, outputs: int, affine: bool, track: bool) -> None:
        super().__init__()
        edges = cell.pruned().edges[0]
        self._widths: list[int] = cell.vertex_channels(inputs, outputs)[0].tolist()
        self._parents: dict[int, list[int]] = {
            slot: np.flatnonzero(edges[:, slot]).tolist() for slot in np.flatnonzero(edges.any(axis=0)).tolist()
        }
        self.projections, self.convs = nn.ModuleDict(), nn.ModuleDict()
        for slot, parents in self._parents.items():
            width = self._widths[slot]
            if 0 in parents:
                self.projections[str(slot)] = ConvBN(inputs, width, 1, affine, track)
            if slot != OUTPUT and cell.ops[0, slot - 1] != MAXPOOL:
                self.convs[str(slot)] = ConvBN(width, width, KERNELS[cell.ops[0, slot - 1]], affine, track)
        self.drop_rate = 0.0
        """Probability of path dropout at the current step."""

    def forward(self, x: Tensor) -> Tensor:
        """The output (n, outputs, size, size) of the cell for its input (n, inputs, size, size)."""
        values: dict[int, Tensor] = {}
        rate = self.drop_rate if self.training else 0.0
        for slot, parents in self._parents.items():
            interior = [drop_path(values[p], rate) for p in parents if p]
            if slot == OUTPUT:
                interior = [torch.cat(interior, 1)] if len(interior) > 1 else interior
            terms = [v[:, : self._widths[slot]] for v in interior]
            if 0 in parents:
                terms.append(F.relu(self.projections[str(slot)](x)))
            values[slot] = reduce(operator.add, terms)
            if str(slot) in self.convs:
                values[slot] = F.relu(self.convs[str(slot)](values[slot]))
            elif slot != OUTPUT:
                values[slot] = max_pool(values[slot])
        return values[OUTPUT]


class NB101Net(nn.Module):
    """Stem, three stacks of cells with max-pooling between them, and a linear classifier.

    It has `cell.params(channels, modules, classes)` trainable parameters if its batch norm is affine.

    Args:
        classes: number of outputs of the classifier.
        cell: exactly one cell.
        channels: channels of the stem and the first stack; each further stack has twice as many as the one before.
        modules: cells per stack.
        affine: whether batch norm learns a scale and a shift.
        track: whether batch norm keeps running statistics while training.
        dropout: probability of dropout before the classifier.

    Raises:
        BadArchitecture: there are several cells, or the output of the cell does not depend on its input.
    """

    def __init__(
        self,
        classes: int,
        cell: Cells,
        channels: int = 128,
        modules: int = 3,
        affine: bool = True,
        track: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(cell) != 1:
            raise BadArchitecture(f"a network is built from one cell, not from {len(cell)}")
        if not cell.used[0, 0]:
            raise BadArchitecture(f"no path leads from the input to the output of {cell.string(0)}")
        widths = [channels * factor for factor in (1, 2, 4)]
        self.stem = ConvBN(3, channels, 3, affine, track)
        self._stacks = [
            [Cell(cell, before if first else width, width, affine, track) for first in [True] + [False] * (modules - 1)]
            for before, width in itertools.pairwise([channels, *widths])
        ]
        self.all_cells = list(itertools.chain(*self._stacks))
        self.cells, self.dropout = nn.ModuleList(self.all_cells), dropout
        self.classifier = nn.Linear(widths[-1], classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size), size at least 4.

        Args:
            features: a list to which the output of every cell is appended.
        """
        x = F.relu(self.stem(x))
        for stack, cells in enumerate(self._stacks):
            if stack:
                x = F.max_pool2d(x, 2)
            for cell in cells:
                x = cell(x)
                if features is not None:
                    features.append(x)
        pooled = x.mean((2, 3))
        if self.training and self.dropout:
            pooled = F.dropout(pooled, self.dropout)
        logits: Tensor = self.classifier(pooled)
        return logits
