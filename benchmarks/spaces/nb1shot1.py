"""NAS-Bench-1Shot1 (Zela, Siems and Hutter, ICLR 2020): three sub-spaces of NAS-Bench-101 for one-shot methods.

Every node chooses an operation and a set of parents among the earlier nodes, of the size that the space prescribes;
nodes without a path to the output ("loose ends") are pruned when the cell is built.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property, partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.choices import Arch, Archs, Decision
from supernet.benchmarks.spaces.decisions import SearchSpace
from supernet.benchmarks.spaces.graph import Edge, Graph
from supernet.benchmarks.spaces.nb101 import OFFICIAL, OUTPUT, OWN_NETWORK, SHORT_OPS, SLOTS, Cells

PARENTS = {1: (1, 2, 2, 2, 2), 2: (1, 1, 2, 2, 3), 3: (1, 1, 1, 2, 2, 2)}
"""Space -> number of parents of node 1, 2, … and of the output (nasbench_analysis/search_spaces upstream)."""

_PART = re.compile(r"(\w+)~(\d(?:,\d)*)")

COUNTED = {
    "nb1shot1-1": {"no-loose-ends": 3_078, "published": 2_487, "unique-pruned": 3_702, "unique-cell": 2_685},
    "nb1shot1-2": {"no-loose-ends": 11_178, "published": 3_609, "unique-pruned": 12_474, "unique-cell": 7_773},
    "nb1shot1-3": {"no-loose-ends": 108_135, "published": 24_066, "unique-pruned": 135_900, "unique-cell": 55_854},
}
"""Space -> sizes of its subsets, by enumeration."""


class NB1Shot1(SearchSpace):
    """Search space 1, 2 or 3: an operation per node and a parent set per node and for the output.

    Nodes that can read only one set of parents (the first node, and in space 1 the second) have no parent
    decision.
    """

    official = OFFICIAL
    own_network = OWN_NETWORK
    operations_on = "nodes"
    shortest_paths = 40  # up to three operations
    distinct_class = "cell"
    computation_class = function_class = "pruned"
    twin_class = "cell"
    weightless = ("maxpool3x3",)
    names_cells = True

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"nb1shot1-{number}"
        self.title = f"NAS-Bench-1Shot1 space {number}"
        self.nodes = len(PARENTS[number]) - 1
        choices = {
            node: tuple(itertools.combinations(range(node), count)) for node, count in enumerate(PARENTS[number], 1)
        }
        self._slots = [*range(1, self.nodes + 1), OUTPUT]
        self._labels = [*map(str, range(1, self.nodes + 1)), "out"]
        self.parent_options = dict(zip(self._slots, choices.values(), strict=True))
        """Slot of the cell (the output is 6) -> its possible parent sets."""
        self.decisions = (
            *(Decision(f"op{node}", SHORT_OPS) for node in self._labels[:-1]),
            *(
                Decision(f"parents{label}", self.parent_options[slot])
                for slot, label in zip(self._slots, self._labels, strict=True)
                if len(self.parent_options[slot]) > 1
            ),
        )
        position = {decision.name: i for i, decision in enumerate(self.decisions)}
        self._parent_decision = {
            slot: position.get(f"parents{label}") for slot, label in zip(self._slots, self._labels, strict=True)
        }

    def cells(self, archs: ArrayLike) -> Cells:
        """The NAS-Bench-101 cells of the architectures, loose ends still in place."""
        table = np.atleast_2d(np.asarray(archs))
        edges = np.zeros((len(table), SLOTS, SLOTS), dtype=bool)
        for slot, options in self.parent_options.items():
            masks = np.zeros((len(options), SLOTS), dtype=bool)
            for row, parents in enumerate(options):
                masks[row, list(parents)] = True
            decision = self._parent_decision[slot]
            edges[:, :, slot] = masks[0] if decision is None else masks[table[:, decision]]
        ops = np.zeros((len(table), SLOTS - 2), dtype=np.int8)
        ops[:, : self.nodes] = table[:, : self.nodes]
        return Cells(edges, ops)

    def params(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """See `SearchSpace.params`. The networks are those of NAS-Bench-101."""
        return self.cells(archs).params(channels or OWN_NETWORK[0], cells or OWN_NETWORK[1], classes)

    def flops(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """See `SearchSpace.flops`."""
        return self.cells(archs).flops(channels or OWN_NETWORK[0], cells or OWN_NETWORK[1], classes, size)

    # ---- spelling --------------------------------------------------------------------------------------------

    def string(self, arch: Sequence[int]) -> str:
        """Operation and parents of every node, then the output's parents: |conv3x3~0|conv1x1~0,1|…|out~2,4|."""
        ops = [SHORT_OPS[option] for option in arch[: self.nodes]] + ["out"]
        parts = [f"{op}~{','.join(map(str, parents))}" for op, parents in zip(ops, self._parents(arch), strict=True)]
        return f"|{'|'.join(parts)}|"

    def _parents(self, arch: Sequence[int]) -> list[tuple[int, ...]]:
        """The parents of every node, and last those of the output."""
        chosen = ((self.parent_options[slot], self._parent_decision[slot]) for slot in self._slots)
        return [options[0 if decision is None else arch[decision]] for options, decision in chosen]

    def parse(self, text: str) -> Arch:
        parts = text.strip().removeprefix("|").removesuffix("|").split("|")
        if len(parts) != self.nodes + 1:
            raise BadArchitecture(f"{text!r} has {len(parts)} parts; {self.name} has {self.nodes} nodes and an output")
        arch = [0] * len(self.decisions)
        for node, (part, slot) in enumerate(zip(parts, self._slots, strict=True)):
            match = _PART.fullmatch(part)
            if match is None:
                raise BadArchitecture(f"{text!r}: {part!r} is not of the form operation~parent,parent")
            op, parents = match[1], tuple(map(int, match[2].split(",")))
            if slot == OUTPUT:
                if op != "out":
                    raise BadArchitecture(f"{text!r}: the last part must be out~…, not {part!r}")
            elif op not in SHORT_OPS:
                raise BadArchitecture(f"{text!r} has the unknown operation {op!r}; known: {', '.join(SHORT_OPS)}")
            else:
                arch[node] = SHORT_OPS.index(op)
            options = self.parent_options[slot]
            if parents not in options:
                allowed = " or ".join(",".join(map(str, option)) for option in options)
                raise BadArchitecture(f"{text!r}: {part!r} reads {match[2]}, but {self.name} allows {allowed} there")
            decision = self._parent_decision[slot]
            if decision is not None:
                arch[decision] = options.index(parents)
        return tuple(arch)

    # ---- classes and subsets ---------------------------------------------------------------------------------

    class_names = {  # noqa: RUF012
        "pruned": "the same labelled graph once loose ends are pruned",
        "cell": "the same NAS-Bench-101 cell (equal graph hash)",
    }

    @property
    def counted(self) -> Mapping[str, int]:
        return COUNTED[self.name]

    @property
    def subset_names(self) -> dict[str, str]:
        return {
            "no-loose-ends": "every node has a path to the output",
            "published": "the architectures without loose ends that the published code enumerates, which follows only "
            "the last parent of each node; one labelled graph each",
        } | super().subset_names

    def subset(self, name: str) -> NDArray[np.int64]:
        if name == "no-loose-ends":
            return np.flatnonzero(self._used[:, self._slots].all(axis=1))
        if name == "published":
            pruned = np.unique(self.classes("pruned"))
            return pruned[_published(self.cells(self.archs(pruned)))]
        return super().subset(name)

    @cached_property
    def _used(self) -> NDArray[np.bool_]:
        return self.cells(self.archs()).used

    @cache  # noqa: B019  one instance per process
    def classes(self, name: str) -> NDArray[np.int64]:
        if name == "pruned":
            return self.indices(self.live(self.archs()))
        if name == "cell":
            members, position = np.unique(self.classes("pruned"), return_inverse=True)
            _, first, inverse = np.unique(
                self.cells(self.archs(members)).colours(), return_index=True, return_inverse=True
            )
            return members[first[inverse]][position]
        raise self._no_such("class", name, self.class_names)

    def live(self, archs: ArrayLike) -> Archs:
        kept = np.array(np.atleast_2d(np.asarray(archs, dtype=np.int8)))
        used = self.cells(kept).used
        kept[:, : self.nodes] *= used[:, 1 : self.nodes + 1]
        for slot, decision in self._parent_decision.items():
            if decision is not None:
                kept[:, decision] *= used[:, slot]
        return kept

    def live_operations(self, archs: ArrayLike) -> NDArray[np.bool_]:
        return self.cells(archs).used[:, 1 : self.nodes + 1]

    def hashes(self, indices: ArrayLike) -> NDArray[np.str_]:
        """The NAS-Bench-101 graph hash of each architecture: (n,) of 32-character strings."""
        members, position = np.unique(self.classes("cell")[self.checked_indices(indices)], return_inverse=True)
        return np.array(self.cells(self.archs(members)).hashes(), dtype="U32")[position]

    def table_columns(self, archs: ArrayLike) -> dict[str, list[str]]:
        """The graph hash, by which the tables of NAS-Bench-101 know a cell, and the official string: n texts each."""
        return {"hash": self.table_keys(archs, "hash"), "spelling": self.strings(archs)}

    def table_keys(self, archs: ArrayLike, column: str = "arch") -> list[str]:
        return self.hashes(self.indices(archs)).tolist() if column == "hash" else self.strings(archs)

    def indices_of_hashes(self, hashes: Sequence[str]) -> NDArray[np.int64]:
        known = self._index_of_hash
        return np.array([known.get(graph_hash, -1) for graph_hash in hashes], dtype=np.int64)

    @cached_property
    def _index_of_hash(self) -> dict[str, int]:
        members = self.distinct()
        return dict(zip(self.hashes(members).tolist(), members.tolist(), strict=True))

    # ---- encodings and drawings ------------------------------------------------------------------------------

    def path_code(self, archs: ArrayLike) -> NDArray[np.float32]:
        """See `Cells.paths`: (n, 364)."""
        return self.cells(archs).paths()

    def layout(self, arch: Sequence[int]) -> tuple[Graph, ...]:
        nodes = ("in", *(SHORT_OPS[option] for option in arch[: self.nodes]), "out")
        edges = (Edge(source, target) for target, parents in enumerate(self._parents(arch), 1) for source in parents)
        return (Graph(nodes, tuple(edges)),)


def _published(cells: Cells) -> NDArray[np.bool_]:
    """Tell whether the published generator reaches each cell, with loose ends pruned: (n,).

    `SearchSpace._generate_adjacency_matrix` of automl/nasbench-1shot1 continues only from the last parent, so that it
    completes a graph only if the last parent of every used node is the used node just before it.
    """
    edges, used = cells.pruned().edges, cells.used
    reached = np.ones(len(cells), dtype=bool)
    for slot in range(1, SLOTS):
        last_parent = SLOTS - 1 - np.argmax(edges[:, ::-1, slot], axis=1)
        before = slot - 1 - np.argmax(used[:, :slot][:, ::-1], axis=1)
        reached &= ~used[:, slot] | (last_parent == before)
    return reached


SPACES = {f"nb1shot1-{number}": partial(NB1Shot1, number) for number in PARENTS}
"""Name -> function that makes the space."""
