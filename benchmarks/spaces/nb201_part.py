"""A part of NAS-Bench-201 that is small enough to be measured completely: three operations on its six edges, 729 cells.

The part has a skip connection, a 3x3 convolution and nothing to choose from, so that its cells differ in their wiring.
All that is known of NAS-Bench-201's cells holds for them: strings, classes, costs, drawings.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.choices import Arch, Archs, Decision
from supernet.benchmarks.spaces.decisions import SearchSpace
from supernet.benchmarks.spaces.graph import Graph
from supernet.benchmarks.spaces.nb201 import NB201
from supernet.benchmarks.spaces.nb201_classes import CONV3X3, EDGES, NONE, OPS, SKIP, first_of_each

OPERATIONS = (NONE, SKIP, CONV3X3)
"""The number in NAS-Bench-201 of the operation that each option stands for."""


def in_nb201(archs: ArrayLike) -> Archs:
    """Architectures of the part with NAS-Bench-201's numbers of their operations: (n, 6)."""
    return np.array(OPERATIONS, dtype=np.int8)[np.atleast_2d(np.asarray(archs, dtype=np.int64))]


class NB201Topology(SearchSpace):
    """The cells of NAS-Bench-201 without 1x1 convolutions and pooling, counted with the last edge changing fastest.

    Architectures of one functional class share one row of a table, that of the first of them.
    """

    name = "nb201-topology"
    title = "NAS-Bench-201 with three operations"
    decisions = tuple(Decision(d.name, tuple(OPS[op] for op in OPERATIONS)) for d in NB201.decisions)
    own_network = NB201.own_network
    fixed_edges = NB201.fixed_edges
    idle_option = OPERATIONS.index(NONE)
    skip_option = OPERATIONS.index(SKIP)
    shortest_paths = NB201.shortest_paths
    distinct_class = function_class = NB201.function_class
    computation_class = NB201.computation_class
    twin_class = NB201.twin_class
    nested_kernels = False
    weightless = tuple(OPS[op] for op in OPERATIONS if OPS[op] in NB201.weightless)
    class_names = NB201.class_names
    counted = {  # noqa: RUF012
        "connected": 662, "unique-skip": 496, "unique-skip-none": 127, "unique-computation": 291,
        "unique-network": 155, "unique-function": 99,
    }  # fmt: skip

    def __init__(self) -> None:
        self._whole = NB201()

    def _from_nb201(self, archs: Archs) -> Archs:
        """The inverse of `in_nb201`."""
        return np.searchsorted(OPERATIONS, archs).astype(np.int8)

    # ---- spelling --------------------------------------------------------------------------------------------

    def string(self, arch: Sequence[int]) -> str:
        return self._whole.string([OPERATIONS[option] for option in arch])

    def parse(self, text: str) -> Arch:
        found = self._whole.parse(text)
        for op in found:
            if op not in OPERATIONS:
                known = ", ".join(OPS[op] for op in OPERATIONS)
                raise BadArchitecture(f"{text!r} has the operation {OPS[op]}, which {self.name} lacks; it has {known}")
        return tuple(OPERATIONS.index(op) for op in found)

    def table_keys(self, archs: ArrayLike, column: str = "arch") -> list[str]:
        return self.strings(self.archs(self.same_function(self.indices(archs))))

    # ---- classes and subsets ---------------------------------------------------------------------------------

    @property
    def subset_names(self) -> dict[str, str]:
        return {"connected": "the output depends on the input"} | super().subset_names

    def subset(self, name: str) -> NDArray[np.int64]:
        return np.flatnonzero(self.connected(self.archs())) if name == "connected" else super().subset(name)

    @cache  # noqa: B019  one instance per process
    def classes(self, name: str) -> NDArray[np.int64]:
        if name not in self.class_names:
            raise self._no_such("class", name, self.class_names)
        return first_of_each(self._whole.class_labels(in_nb201(self.archs()), name))

    @cached_property
    def live_edges(self) -> NDArray[np.bool_]:
        """Whether each edge lies on a path of operations other than none from input to output: (729, 6)."""
        return np.asarray(self.live(self.archs()) != self.idle_option)

    def live(self, archs: ArrayLike) -> Archs:
        return self._from_nb201(self._whole.live(in_nb201(archs)))

    def connected(self, archs: ArrayLike, cells: int | None = None) -> NDArray[np.bool_]:
        return self._whole.connected(in_nb201(archs))

    def extremes(self) -> tuple[Arch, Arch]:
        """The cell with a convolution on every edge, and the one with skip connections: the space has no widths."""
        return (OPERATIONS.index(CONV3X3),) * len(EDGES), (OPERATIONS.index(SKIP),) * len(EDGES)

    # ---- costs, encodings and drawings -----------------------------------------------------------------------

    def params(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        return self._whole.params(in_nb201(archs), channels, cells, size, classes)

    def flops(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        return self._whole.flops(in_nb201(archs), channels, cells, size, classes)

    def path_code(self, archs: ArrayLike) -> NDArray[np.float32]:
        """That of NAS-Bench-201, in which paths through operations that this space lacks are never set: (n, 155)."""
        return self._whole.path_code(in_nb201(archs))

    def layout(self, arch: Sequence[int]) -> tuple[Graph, ...]:
        return self._whole.layout([OPERATIONS[option] for option in arch])


NB201Topology.official = NB201.official
SPACES = {NB201Topology.name: NB201Topology}
"""Name -> how the space is made."""
