"""The cells of DARTS (Liu, Simonyan and Yang, ICLR 2019): a normal and a reduction cell, 9.1e18 pairs of cells.

Both cells have four nodes. A node adds up two operations, each on one of two different earlier states: the outputs of
the two cells before (states 0 and 1) and the nodes before it (states 2, 3, …). The output concatenates the nodes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces import darts_classes as coinciding
from supernet.benchmarks.spaces import darts_costs as costs
from supernet.benchmarks.spaces import genotype
from supernet.benchmarks.spaces.choices import Arch, Archs, Decision
from supernet.benchmarks.spaces.decisions import SearchSpace
from supernet.benchmarks.spaces.graph import Edge, Graph
from supernet.benchmarks.spaces.official import Official

OPS = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3",
    "dil_conv_5x5",
)  # fmt: skip
"""The operations in the order of the authors' code."""
NONE, MAX_POOL, AVG_POOL, SKIP, SEP3, SEP5, DIL3, DIL5 = range(8)
CELLS = ("normal", "reduce")
NODES = 4
"""Nodes of a cell; node i (0 … 3) is state i + 2, and reads two of the states 0 … i + 1."""
PARENTS = tuple(tuple(itertools.combinations(range(node + 2), 2)) for node in range(NODES))
"""The pairs of states that each node can read."""

Edges = tuple[int, int, int, int]
"""The inputs of a node: the lower state, its operation, the higher state, its operation."""

_PER_CELL = 2 * NODES + NODES - 1


class SameState(BadArchitecture):
    """A node reads one state twice, with two operations that compute something."""


class DARTS(SearchSpace):
    """Operations and parents of the nodes of the normal cell, then of the reduction cell.

    The decisions of each cell are two operations for each node, the first on the lower of its two states, and then a
    pair of states for each node but the first, which has only one pair.
    """

    name = "darts"
    title = "DARTS cells"
    decisions = tuple(
        decision
        for cell in CELLS
        for decision in (
            *(Decision(f"{cell}.op{node + 2}{side}", OPS) for node in range(NODES) for side in "ab"),
            *(Decision(f"{cell}.parents{node + 2}", PARENTS[node]) for node in range(1, NODES)),
        )
    )
    own_network = (36, 6)
    idle_option = NONE
    skip_option = SKIP
    computation_class = "dead"
    function_class = twin_class = "isomorphic"
    shortest_paths = 4 * (7 + 49)  # up to two operations
    weightless = ("skip_connect", "max_pool_3x3", "avg_pool_3x3")

    def decision_numbers(self, cell: int) -> list[tuple[int, int, int | None]]:
        """For each node the numbers of its decisions: first operation, second operation, parents (None: no choice).

        Args:
            cell: 0 for the normal cell, 1 for the reduction cell.
        """
        start = cell * _PER_CELL
        parents = start + 2 * NODES - 1
        return [(start + 2 * node, start + 2 * node + 1, parents + node if node else None) for node in range(NODES)]

    def cells(self, arch: Sequence[int]) -> tuple[tuple[Edges, ...], tuple[Edges, ...]]:
        """The inputs of every node of the normal and of the reduction cell: four of (state, op, state, op) each."""
        normal, reduction = (
            tuple(
                self._edges(arch[first], arch[second], PARENTS[node][0 if parents is None else arch[parents]])
                for node, (first, second, parents) in enumerate(self.decision_numbers(cell))
            )
            for cell in range(len(CELLS))
        )
        return normal, reduction

    @staticmethod
    def _edges(first: int, second: int, pair: tuple[int, ...]) -> Edges:
        low, high = pair
        return int(low), int(first), int(high), int(second)

    def edges(self, archs: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The state that each input of each node reads, and its operation: two of shape (n, cells, nodes, 2)."""
        table = np.atleast_2d(np.asarray(archs, dtype=np.int64))
        states = np.zeros((len(table), len(CELLS), NODES, 2), dtype=np.int64)
        ops = np.zeros_like(states)
        for cell in range(len(CELLS)):
            for node, (first, second, parents) in enumerate(self.decision_numbers(cell)):
                pairs = np.array(PARENTS[node])
                states[:, cell, node] = pairs[0] if parents is None else pairs[table[:, parents]]
                ops[:, cell, node] = table[:, [first, second]]
        return states, ops

    # ---- spelling --------------------------------------------------------------------------------------------

    def string(self, arch: Sequence[int]) -> str:
        """The genotype as text: Genotype(normal=[('sep_conv_3x3', 0), …], normal_concat=range(2, 6), reduce=[…], …)."""
        normal, reduction = (
            tuple(edge for a, first, b, second in cell for edge in ((OPS[first], a), (OPS[second], b)))
            for cell in self.cells(arch)
        )
        return genotype.written(normal, reduction, range(2, NODES + 2))

    def parse(self, text: str) -> Arch:
        return self.arch_of(genotype.read(text))

    def arch_of(self, fields: Mapping[str, Any]) -> Arch:
        """Return the architecture of a genotype given as its four fields, the edges of each node in any order.

        Where `none` reads the same state as the other edge of its node, it is moved to the lowest other state, which
        makes the same network.

        Raises:
            BadArchitecture: the fields are no genotype of this space; the text says why. It is a `SameState` if nothing
                is wrong with them but that a node reads one state twice.
        """
        arch = []
        for name, edges in zip(CELLS, genotype.checked_cells(fields, OPS, NODES), strict=True):
            pairs = [self._pair(name, node, edges[2 * node : 2 * node + 2]) for node in range(NODES)]
            arch += [OPS.index(op) for pair in pairs for op, _ in pair]
            arch += [PARENTS[node].index(tuple(state for _, state in pair)) for node, pair in enumerate(pairs) if node]
        return tuple(arch)

    def _pair(self, cell: str, node: int, edges: genotype.Cell) -> genotype.Cell:
        """The inputs of a node, the lower state first; `none` on the state of the other input moves to another one."""
        (first, a), (second, b) = sorted(edges, key=lambda edge: (edge[1], edge[0] == OPS[NONE]))
        if a != b:
            return (first, a), (second, b)
        if second != OPS[NONE]:
            raise SameState(
                f"{cell}: node {node + 2} reads state {a} twice, but a node of {self.title} reads two different states"
            )
        if a == 0 or first == OPS[NONE]:
            return (first, 0), (second, 1)
        return (second, 0), (first, a)

    # ---- classes ---------------------------------------------------------------------------------------------

    class_names = {  # noqa: RUF012
        "dead": "equal after inputs that carry nothing are removed: a weight-sharing super-net computes the same thing",
        "isomorphic": "equal after that and after the nodes of each cell are put in another order",
    }

    counted = {  # noqa: RUF012
        "unique-dead": 1_802_921_149**2,
        "unique-isomorphic": 615_575_164**2,
    }

    def classes(self, name: str) -> NDArray[np.int64]:
        """See `SearchSpace.classes`; `same_computation` and `same_function` find the class of given architectures.

        Raises:
            UserError: the space is too large to be listed.
        """
        if name not in self.class_names:
            raise self._no_such("class", name, self.class_names)
        return self._first_of(name, self.every_index(f"a list of the classes '{name}'"))

    def _first_of(self, kind: str | None, indices: ArrayLike) -> NDArray[np.int64]:
        rows = self.checked_indices(indices)
        if kind is None:
            return rows
        states, ops = self.edges(self.archs(rows))
        live = coinciding.live_operations(states, ops)
        orders = None if kind == "isomorphic" else [tuple(range(NODES))]
        normal, reduction = coinciding.lowest_numbers(states, live, len(OPS), orders).T
        return normal * self._per_cell + reduction

    @cached_property
    def _per_cell(self) -> int:
        """Number of cells of one kind; the index of an architecture is that of its normal cell times this number, plus
        that of its reduction cell."""
        return math.prod(map(len, self.decisions[:_PER_CELL]))

    def live(self, archs: ArrayLike) -> Archs:
        kept = np.array(np.atleast_2d(np.asarray(archs, dtype=np.int8)))
        live = coinciding.live_operations(*self.edges(kept))
        for cell in range(len(CELLS)):
            for node, (first, second, parents) in enumerate(self.decision_numbers(cell)):
                kept[:, [first, second]] = live[:, cell, node]
                if parents is not None:
                    kept[:, parents] *= live[:, cell, node].any(axis=1)
        return kept

    def connected(self, archs: ArrayLike, cells: int | None = None) -> NDArray[np.bool_]:
        """See `SearchSpace.connected`. A reduction cell may carry nothing if normal cells read the cell before it."""
        states, ops = self.edges(archs)
        reads = coinciding.reads(states, coinciding.live_operations(states, ops))
        before, last = np.ones((2, len(states)), dtype=bool)
        for place in costs.places(1, cells or self.own_network[1]):
            cell = int(place.reduction)
            before, last = last, reads[:, cell, 0] & before | reads[:, cell, 1] & last
        return last

    @property
    def live_edges(self) -> NDArray[np.bool_]:
        """See `SearchSpace.live_edges`.

        Raises:
            UserError: the space is too large to be listed.
        """
        return self.live(self.archs()) > 0

    # ---- costs -----------------------------------------------------------------------------------------------

    def extremes(self) -> tuple[Arch, Arch]:
        """The cells with the largest operation everywhere, and those with the smallest operation that has weights."""
        largest, smallest = (
            tuple(option * (number in self.operations) for number in range(len(self.decisions)))
            for option in (SEP5, DIL3)
        )
        return largest, smallest

    def params(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """See `SearchSpace.params`.

        The network has a stem, three stages of `cells` normal cells, and two reduction cells between the stages. Batch
        norms are affine, except after pooling; there is no auxiliary head.
        """
        return self.costs(archs, channels, cells, size, classes)[0]

    def flops(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """See `SearchSpace.flops`. The convolutions and the classifier count, the latter without its biases."""
        return self.costs(archs, channels, cells, size, classes)[1]

    def costs(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        channels, cells = channels or self.own_network[0], cells or self.own_network[1]
        return costs.network_costs(*self.edges(archs), OPS, costs.places(channels, cells), size, classes)

    def relaxed_cost(self, relaxed: Collection[int], options: int) -> float:
        """See `SearchSpace.relaxed_cost`; a relaxed decision about parents costs operations on all edges into its node.

        A super-net computes an operation of an edge once for both inputs of the node.
        """
        computed = 0
        for cell in range(len(CELLS)):
            for node, (first, second, parents) in enumerate(self.decision_numbers(cell)):
                states = node + 1 if parents in relaxed else 1
                each = [options if op in relaxed else 1 for op in (first, second)]
                both = first in relaxed and second in relaxed
                computed += (states + 1) * options if both else states * sum(each)
        return computed / (len(CELLS) * NODES * 2)

    # ---- encodings and drawings ------------------------------------------------------------------------------

    def path_code(self, archs: ArrayLike) -> NDArray[np.float32]:
        """Indicators of the 4 (7 + 49 + 343 + 2401) sequences of operations from an input of a cell: (n, 11200).

        Paths of one length are listed by cell and then by input. A path with the operation `none` does not count.
        """
        states, ops = self.edges(archs)
        cells = [_paths(states[:, cell], ops[:, cell] - 1) for cell in range(len(CELLS))]
        by_length = [np.concatenate(same_length, axis=1) for same_length in zip(*cells, strict=True)]
        return np.concatenate(by_length, axis=1).astype(np.float32)

    def layout(self, arch: Sequence[int]) -> tuple[Graph, ...]:
        nodes = ("in 0", "in 1", *map(str, range(2, NODES + 2)), "out")
        return tuple(
            Graph(
                nodes,
                (
                    *(
                        Edge(source, node, OPS[op])
                        for node, (a, first, b, second) in enumerate(cell, 2)
                        for source, op in ((a, first), (b, second))
                    ),
                    *(Edge(node, len(nodes) - 1) for node in range(2, NODES + 2)),
                ),
                inputs=2,
            )
            for cell in self.cells(arch)
        )


def _paths(states: NDArray[np.int64], ops: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Whether each sequence of 1 … 4 operations leads from an input of the cell to a node: (n, 2 * 7^length) each.

    Args:
        states, ops: the state that each input of each node reads, and its operation, -1 for none: (n, 4, 2).
    """
    n, kinds = len(states), len(OPS) - 1
    rows = np.arange(n)
    reached = [np.zeros((n, NODES + 2, 2, kinds**length), dtype=bool) for length in range(NODES + 1)]
    reached[0][:, [0, 1], [0, 1]] = True
    for node, side in itertools.product(range(NODES), range(2)):
        source, op = states[:, node, side], ops[:, node, side]
        live = rows[op >= 0]
        for length in range(node + 1):
            longer = reached[length + 1].reshape(n, NODES + 2, 2, kinds**length, kinds)
            longer[live, node + 2, :, :, op[live]] |= reached[length][live, source[live]]
    return [paths.any(axis=1).reshape(n, -1) for paths in reached[1:]]


class OfficialDARTS(Official):
    """NAS-Bench-301's trained cells (Zela et al., ICLR 2022), and those of NDS (Radosavovic et al., ICCV 2019).

    Messages name the former, whose cells are all in the space; of the latter, about a tenth is.
    """

    name = DARTS.name
    imported_as = fetched_as = "nb301"
    data_sets = {"cifar10": (10, 32)}  # noqa: RUF012
    train_images = {"cifar10": 50_000}  # noqa: RUF012


OFFICIAL = OfficialDARTS()
DARTS.official = OFFICIAL
SPACES = {DARTS.name: DARTS}
"""Name -> how the space is made."""
