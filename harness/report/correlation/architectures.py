"""The architectures of a comparison as names, words and drawings, made only for those that are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SPACE_NAMES, Graph, space
from supernet.benchmarks.spaces.graph import IDLE
from supernet.harness.correlation.truth import Known

WORDS = {
    "skip_connect": "skip", "nor_conv_1x1": "conv 1×1", "nor_conv_3x3": "conv 3×3", "avg_pool_3x3": "avg pool",
    "conv1x1": "conv 1×1", "conv3x3": "conv 3×3", "maxpool3x3": "max pool",
}  # fmt: skip
"""Operation -> what figures call it; other operations keep their names."""


class Architectures:
    """The architectures in these rows of a ground-truth table."""

    def __init__(self, known: Known, rows: NDArray[np.int64]) -> None:
        """
        Args:
            rows: ground-truth row of each architecture: (n,).
        """
        self._known, self._rows = known, rows

    def names(self, which: NDArray[np.int64]) -> list[str]:
        """Official strings, or hashes where the table has no strings.

        Args:
            which: positions of the architectures: (m,).
        """
        return self._known.table.keys(self._rows[which])

    def cells(self, which: NDArray[np.int64]) -> list[list[list[Any]]]:
        """The cells of each architecture for drawings (`Graph.as_json`); empty lists where its space has no drawings.

        Args:
            which: positions of the architectures: (m,).
        """
        return [[graph.as_json() for graph in graphs] for _, graphs in self._drawn(which)]

    def titles(self, which: NDArray[np.int64]) -> list[str]:
        """Short names: the index of each architecture and its operations, such as `#8834: 4 conv 3×3, 1 skip`.

        Without drawings, the short name is the beginning of the architecture's name.

        Args:
            which: positions of the architectures: (m,).
        """
        names = self.names(which)
        return [
            f"{name[:12]}…" if index is None and len(name) > 12 else name if index is None else _title(index, graphs)
            for name, (index, graphs) in zip(names, self._drawn(which), strict=True)
        ]

    def _drawn(self, which: NDArray[np.int64]) -> list[tuple[int | None, Sequence[Graph]]]:
        """Index and cells of each architecture; None and no cells where its space has no drawings."""
        names = self.names(which)
        if self._known.space not in SPACE_NAMES:
            return [(None, ()) for _ in names]
        within = space(self._known.space)
        if self._known.table.key_column == "hash":
            indices = within.indices_of_hashes(names)
            archs = [tuple(arch) for arch in within.archs(indices).tolist()]
            return [(index, within.layout(arch)) for index, arch in zip(indices.tolist(), archs, strict=True)]
        archs = [within.parse(name) for name in names]
        return [(within.index(arch), within.layout(arch)) for arch in archs]


def _title(index: int, graphs: Sequence[Graph]) -> str:
    ops = [op for graph in graphs for op in _operations(graph) if op != IDLE]
    words = [f"{count} {WORDS.get(op, op)}" for op, count in sorted(Counter(ops).items(), key=lambda item: -item[1])]
    return f"#{index}: {', '.join(words) or 'no operation'}"


def _operations(graph: Graph) -> list[str]:
    """The operations of a cell, on its edges or on its inner nodes."""
    if graph.on_edges:
        return [edge.op for edge in graph.edges if edge.op]
    return list(graph.nodes[graph.inputs : -1])
