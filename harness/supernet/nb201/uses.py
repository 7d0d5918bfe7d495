"""Which parameters of the super-net have a part in the loss of a step's paths.

In a step of one path after the other, a parameter that no path computes with has no gradient, and the optimiser leaves
it as it is. A static step computes with all parameters, so that it has to be told which of them to leave.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import nn

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, NONE
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import live
from supernet.harness.supernet.ops import CentreConvBN
from supernet.heuristics.routes import Path

CONVS = (CONV1X1, CONV3X3)


def live_ops(plan: Sequence[Path], cells: int) -> NDArray[np.int64]:
    """The live operations of every path: (paths, cells, edges)."""
    per_cell = [path.routing if isinstance(path.routing[0], tuple) else (path.routing,) * cells for path in plan]
    return np.array([[live(routing) for routing in path] for path in per_cell])


class Uses:
    """The parts of a network that each of some parameters belongs to.

    Args:
        network: the super-net.
        parameters: parameters of it; the results of `of` are in their order.
    """

    def __init__(self, network: NB201Net, parameters: Sequence[nn.Parameter]) -> None:
        cells = network.all_cells
        self._slots = cells[0].slot
        self._shape = (len(cells), max(self._slots) + 1, len(CONVS))
        self._first_cells = np.cumsum([len(stage) for stage in network._stages])[:-1]  # after each reduction
        outer: list[nn.Module] = [network.stem, *network._reductions]
        self._outer = len(outer)
        found: dict[int, list[int]] = {}

        def belongs(owned: Sequence[nn.Parameter], part: int) -> None:
            for parameter in owned:
                found.setdefault(id(parameter), []).append(part)

        for part, module in enumerate(outer):
            belongs(list(module.parameters()), part)
        for place in np.ndindex(*self._shape):
            cell, slot, kind = place
            module = (cells[cell].conv1, cells[cell].conv3)[kind][slot]
            part = self._outer + int(np.ravel_multi_index(place, self._shape))
            belongs(list(module.parameters()), part)
            if isinstance(module, CentreConvBN):
                belongs([cast(nn.Parameter, module._parent[0].weight)], part)
        always = self._outer + int(np.prod(self._shape))  # the last batch norm and the classifier
        parts = [found.get(id(parameter), [always]) for parameter in parameters]
        self._either = np.array([(owners[0], owners[-1]) for owners in parts]).T

    def of(self, ops: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Marks the parameters that the loss of at least one path depends on: (parameters,).

        A cell whose output is zero hides all that comes before it.

        Args:
            ops: live operations: (paths, cells, edges).
        """
        passes = (ops != NONE).any(2)  # whether a cell passes anything on: (paths, cells)
        seen = np.ones((len(ops), passes.shape[1] + 1), dtype=bool)  # whether all cells from a number on do
        seen[:, :-1] = np.logical_and.accumulate(passes[:, ::-1], axis=1)[:, ::-1]
        by_slot = np.zeros(self._shape, dtype=bool)
        for edge in range(len(EDGES)):
            for kind, op in enumerate(CONVS):
                by_slot[:, self._slots[edge], kind] |= ((ops[:, :, edge] == op) & seen[:, 1:]).any(0)
        outer = seen[:, [0, *self._first_cells]].any(0)
        used = np.concatenate([outer, by_slot.ravel(), [True]])
        return np.asarray(used[self._either].any(0))
