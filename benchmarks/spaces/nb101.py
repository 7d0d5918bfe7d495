"""NAS-Bench-101 (Ying et al., ICML 2019): cells of up to seven vertices and nine edges, 423,624 of them distinct.

Cells are held in batches with the output always in slot 6, so that one NumPy expression treats them all;
slots that a cell does not use have no edges.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.official import Complete, Read
from supernet.benchmarks.wording import quoted

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
CONV3X3, CONV1X1, MAXPOOL = range(3)
SHORT_OPS = ("conv3x3", "conv1x1", "maxpool3x3")
UNIQUE_CELLS = 423_624
MAX_EDGES = 9
SLOTS, OUTPUT = 7, 6
OWN_NETWORK = (128, 3)
"""Channels of the stem, and cells per stack, of the benchmark's own network."""

_HASH = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Cells:
    """A batch of n cells. `edges[i, x, y]` is the edge x -> y (x < y); `ops[i, v - 1]` the operation of slot v."""

    edges: NDArray[np.bool_]
    """(n, 7, 7)"""
    ops: NDArray[np.int8]
    """(n, 5)"""

    def __len__(self) -> int:
        return len(self.edges)

    def __getitem__(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Cells:
        return Cells(self.edges[rows], self.ops[rows])

    @classmethod
    def from_bits(cls, vertices: ArrayLike, bits: ArrayLike, ops: Sequence[str]) -> Cells:
        """Read cells from columns of a table: (n,) each.

        Args:
            vertices: numbers of vertices.
            bits: adjacency, where bit x + y (y - 1) / 2 is the edge x -> y.
            ops: one digit per interior vertex, the number of its operation.
        """
        count, code = np.asarray(vertices, dtype=np.int64), np.asarray(bits, dtype=np.int64)
        edges = np.zeros((len(count), SLOTS, SLOTS), dtype=bool)
        for y in range(1, SLOTS):
            for x in range(y):
                present = (code >> (x + y * (y - 1) // 2)) & 1 == 1
                target = np.where(y == count - 1, OUTPUT, y)
                edges[present, x, target[present]] = True
        digits = np.array([text.ljust(SLOTS - 2, "0") for text in ops], dtype=f"S{SLOTS - 2}")
        return cls(edges, (digits.view(np.uint8).reshape(-1, SLOTS - 2) - ord("0")).astype(np.int8))

    @classmethod
    def from_matrix(cls, matrix: ArrayLike, ops: Sequence[str]) -> Cells:
        """One cell from an upper-triangular 0/1 matrix and the official operation names, input and output included.

        Raises:
            BadArchitecture: the matrix is not square, not 0/1, not upper triangular or too large, or an operation is
                unknown.
        """
        try:
            table = np.asarray(matrix)
            n = len(table)
        except (TypeError, ValueError):
            raise BadArchitecture(f"{matrix!r} is not a matrix") from None
        if table.shape != (n, n) or not 2 <= n <= SLOTS:
            raise BadArchitecture(f"the matrix is {'x'.join(map(str, table.shape))}; a cell has 2 to 7 vertices")
        if not np.isin(table, (0, 1)).all() or np.tril(table).any():
            raise BadArchitecture("the matrix is not upper triangular with entries 0 and 1")
        names = [str(op) for op in ops]
        if len(names) == n:
            if (names[0], names[-1]) != ("input", "output"):
                raise BadArchitecture(
                    f"the first and last operations are {names[0]!r}, {names[-1]!r}, not input, output"
                )
            names = names[1:-1]
        if len(names) != n - 2:
            raise BadArchitecture(f"{len(ops)} operations for {n} vertices")
        numbers = [_op_number(name) for name in names]
        cell = np.zeros((1, SLOTS, SLOTS), dtype=bool)
        slots = [*range(n - 1), OUTPUT]
        cell[0][np.ix_(slots, slots)] = table.astype(bool)
        return cls(cell, np.array([numbers + [0] * (SLOTS - 2 - len(numbers))], dtype=np.int8))

    @classmethod
    def from_string(cls, text: str) -> Cells:
        """One cell from its spelling |conv3x3~0|maxpool3x3~0,1|…|out~1,2| (see `string`)."""
        parts = [part.partition("~") for part in text.strip().strip("|").split("|")]
        matrix = np.zeros((len(parts) + 1, len(parts) + 1), dtype=np.int64)
        for vertex, (op, _, sources) in enumerate(parts, 1):
            for source in filter(None, sources.split(",")):
                if not re.fullmatch(r"[0-9]{1,9}", source) or int(source) >= vertex:
                    raise BadArchitecture(f"{text!r}: vertex {vertex} ({op}) cannot read {quoted(source)}")
                matrix[int(source), vertex] = 1
        if parts[-1][0] != "out":
            raise BadArchitecture(f"{text!r} is not of the form |operation~sources|…|out~sources|")
        return cls.from_matrix(matrix, ["input", *(op for op, _, _ in parts[:-1]), "output"])

    # ---- graph -----------------------------------------------------------------------------------------------

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Whether each slot is on a path from input to output; all False if there is no path: (n, 7)."""
        ahead, back = np.zeros((2, len(self), SLOTS), dtype=bool)
        ahead[:, 0] = back[:, OUTPUT] = True
        for v in range(1, SLOTS):
            ahead[:, v] = (self.edges[:, :, v] & ahead).any(axis=1)
            back[:, OUTPUT - v] = (self.edges[:, OUTPUT - v] & back).any(axis=1)
        return ahead & back

    @cached_property
    def valid(self) -> NDArray[np.bool_]:
        """Whether the benchmark admits the cell: output reachable and at most nine edges after pruning: (n,)."""
        return self.used[:, 0] & self.used[:, OUTPUT] & (self.pruned().edges.sum(axis=(1, 2)) <= MAX_EDGES)

    def pruned(self) -> Cells:
        """The cells without vertices off every input-output path (`ModelSpec._prune` of the benchmark)."""
        return Cells(self.edges & self.used[:, :, None] & self.used[:, None, :], self.ops)

    def string(self, row: int) -> str:
        """Readable spelling: operation and inputs of each vertex, then of the output: |conv3x3~0|…|out~1,2|."""
        slots = [v for v in range(1, SLOTS) if v == OUTPUT or self.edges[row, :, v].any() or self.edges[row, v].any()]
        number = {0: 0} | {v: i for i, v in enumerate(slots, 1)}
        names = [*SHORT_OPS, "out"]
        parts = []
        for v in slots:
            parents = ",".join(str(number[x]) for x in np.flatnonzero(self.edges[row, :, v]).tolist())
            parts.append(f"{'out' if v == OUTPUT else names[self.ops[row, v - 1]]}~{parents}")
        return f"|{'|'.join(parts)}|"

    # ---- identity --------------------------------------------------------------------------------------------

    def colours(self) -> NDArray[np.uint64]:
        """One number per pruned cell, equal exactly where the hash is (up to 64-bit collisions): (n,)."""
        cells = self.pruned()
        edges, used = cells.edges.astype(np.uint64), cells.used.astype(np.uint64)
        labels = np.full((len(cells), SLOTS), 3, dtype=np.uint64)
        labels[:, 1:OUTPUT], labels[:, OUTPUT] = cells.ops.astype(np.uint64), 4
        colours = _mix(labels + np.uint64(1))
        for _ in range(SLOTS):
            mixed = _mix(colours) * used
            into = np.einsum("nxv,nx->nv", edges, mixed)
            out = np.einsum("nvx,nx->nv", edges, mixed)
            colours = _mix(_mix(into + np.uint64(0x9E3779B97F4A7C15)) + np.uint64(3) * _mix(out) + colours)
        return (_mix(colours) * used).sum(axis=1, dtype=np.uint64)

    def hashes(self) -> list[str]:
        """The benchmark's graph hash of each cell after pruning (`graph_util.hash_module`).

        Isomorphic cells are found first by an integer form of the same colour refinement, and MD5 runs once
        per isomorphism class.
        """
        cells = self.pruned()
        unconnected = np.flatnonzero(~self.used[:, OUTPUT])
        if len(unconnected):
            raise BadArchitecture(f"cell {unconnected[0]} of the batch has no path from input to output, and no hash")
        _, first, inverse = np.unique(self.colours(), return_index=True, return_inverse=True)
        representatives = cells[first]
        used = representatives.used
        packed = np.packbits(representatives.edges.reshape(len(first), -1), axis=1)
        graphs: dict[bytes, list[tuple[list[int], list[int]]]] = {}
        distinct = []
        for row in range(len(first)):
            key = packed[row].tobytes()
            if key not in graphs:
                graphs[key] = _neighbourhoods(representatives.edges[row], used[row])
            slots = np.flatnonzero(used[row, 1:OUTPUT])
            distinct.append(_md5_hash(graphs[key], [-1, *representatives.ops[row, slots].tolist(), -2]))
        return [distinct[i] for i in inverse.tolist()]

    # ---- encodings -------------------------------------------------------------------------------------------

    def paths(self) -> NDArray[np.float32]:
        """Indicators of the 1 + 3 + … + 3^5 operation sequences from input to output: (n, 364)."""
        code = np.zeros((len(self), sum(3**k for k in range(SLOTS - 1))), dtype=np.float32)
        rows = np.arange(len(self))
        for length in range(SLOTS - 1):
            start = sum(3**k for k in range(length))
            for inner in itertools.combinations(range(1, OUTPUT), length):
                hops = itertools.pairwise((0, *inner, OUTPUT))
                there = np.all([self.edges[:, x, y] for x, y in hops], axis=0)
                number = self.ops[:, [v - 1 for v in inner]].astype(np.int64) @ (3 ** np.arange(length)[::-1])
                code[rows[there], start + number[there]] = 1
        return code

    # ---- costs -----------------------------------------------------------------------------------------------

    def vertex_channels(self, inputs: int, outputs: int) -> NDArray[np.int64]:
        """Channels of each slot of the pruned cells (`compute_vertex_channels` of the benchmark): (n, 7).

        Interior vertices that feed the output share its channels, the first ones taking the remainder; the
        others are as wide as the widest vertex they feed. Unused slots have 0.
        """
        edges = self.pruned().edges
        to_output = edges[:, 1:OUTPUT, OUTPUT]
        feeding = np.maximum(to_output.sum(axis=1), 1)
        remainder = (outputs % feeding)[:, None]
        shares = outputs // feeding[:, None] + (np.cumsum(to_output, axis=1) <= remainder)
        channels = np.zeros((len(self), SLOTS), dtype=np.int64)
        channels[:, 0], channels[:, OUTPUT] = inputs, outputs
        channels[:, 1:OUTPUT] = np.where(to_output, shares, 0)
        for v in range(OUTPUT - 2, 0, -1):
            widest = np.where(edges[:, v, 1:OUTPUT], channels[:, 1:OUTPUT], 0).max(axis=1)
            channels[:, v] = np.where(to_output[:, v - 1], channels[:, v], widest)
        return channels

    def params(self, stem: int = 128, modules: int = 3, classes: int = 10) -> NDArray[np.int64]:
        """Trainable parameters of the benchmark's network: three stacks of `modules` cells: (n,)."""
        total = np.full(len(self), 27 * stem + 2 * stem + 4 * stem * classes + classes, dtype=np.int64)
        for inputs, outputs in _module_widths(stem, modules):
            weights, channels = self._module_weights(inputs, outputs)
            total += weights + 2 * channels
        return total

    def flops(self, stem: int = 128, modules: int = 3, classes: int = 10, size: int = 32) -> NDArray[np.int64]:
        """Multiply-accumulates of the convolutions and the classifier for an image of `size` pixels per side: (n,)."""
        total = np.full(len(self), 27 * stem * size**2 + 4 * stem * classes, dtype=np.int64)
        for number, (inputs, outputs) in enumerate(_module_widths(stem, modules)):
            total += self._module_weights(inputs, outputs)[0] * (size >> (number // modules)) ** 2
        return total

    def _module_weights(self, inputs: int, outputs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Weights of the convolutions of one cell, and their output channels: (n,) each."""
        channels = self.vertex_channels(inputs, outputs)
        kernel = np.array([9, 1, 0])[self.ops]
        inner, projected = channels[:, 1:OUTPUT], self.pruned().edges[:, 0, 1:] * channels[:, 1:]
        weights = (kernel * inner**2).sum(axis=1) + inputs * projected.sum(axis=1)
        return weights, (inner * (kernel > 0)).sum(axis=1) + projected.sum(axis=1)


def _module_widths(stem: int, modules: int) -> list[tuple[int, int]]:
    """Input and output channels of the cells of the three stacks, in order."""
    outputs = [stem * factor for factor in (1, 2, 4) for _ in range(modules)]
    return list(itertools.pairwise([stem, *outputs]))


class OfficialNB101(Complete):
    """The official records of NAS-Bench-101."""

    name = imported_as = "nb101"
    title = "distinct cells (graph hash)"
    fetched_as = "nb101"
    order = f"{UNIQUE_CELLS:,} ascending hashes"
    best = {"cifar10.test.e108.mean": 94.32}  # noqa: RUF012  Ying et al., 2019
    data_sets = {"cifar10": (10, 32)}  # noqa: RUF012
    train_images = {"cifar10": 40_000}  # noqa: RUF012

    @property
    def rows(self) -> int:
        return UNIQUE_CELLS

    def in_order(self, keys: Sequence[str]) -> bool:
        return len(keys) == UNIQUE_CELLS and sorted(set(keys)) == list(keys)

    def counted_columns(self, columns: Collection[str]) -> list[str]:
        return ["cifar10.params"]

    def count(self, column: str, read: Read) -> NDArray[np.int64]:
        return _stored_cells(read).params()

    def keys(self, read: Read, rows: NDArray[np.int64]) -> list[str]:
        return _stored_cells(read)[rows].hashes()


def _stored_cells(read: Read) -> Cells:
    """The cells of all rows of a table."""
    return Cells.from_bits(read("vertices").to_numpy(), read("adjacency_bits").to_numpy(), read("ops").to_pylist())


OFFICIAL = OfficialNB101()


def is_hash(text: str) -> bool:
    """Whether the text has the form of a graph hash."""
    return _HASH.fullmatch(text) is not None


def _op_number(name: str) -> int:
    for names in (OPS, SHORT_OPS):
        if name in names:
            return names.index(name)
    raise BadArchitecture(f"unknown operation {name!r}; known: {', '.join(OPS)}")


def _neighbourhoods(edges: NDArray[np.bool_], used: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    """Predecessors and successors of each used vertex, used vertices numbered in order."""
    slots = np.flatnonzero(used)
    graph = edges[np.ix_(slots, slots)]
    return [(np.flatnonzero(graph[:, v]).tolist(), np.flatnonzero(graph[v]).tolist()) for v in range(len(slots))]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def _md5_hash(graph: list[tuple[list[int], list[int]]], labels: list[int]) -> str:
    """`hash_module` of google-research/nasbench, lib/graph_util.py: one round per vertex."""
    colours = [_md5(str((len(out), len(into), label))) for (into, out), label in zip(graph, labels, strict=True)]
    for _ in graph:
        colours = [
            _md5(
                "".join(sorted([colours[w] for w in into]))
                + "|"
                + "".join(sorted([colours[w] for w in out]))
                + "|"
                + colours[v]
            )
            for v, (into, out) in enumerate(graph)
        ]
    return _md5(str(sorted(colours)))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 64-bit finaliser (splitmix64) that makes sums of colours identify multisets."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
