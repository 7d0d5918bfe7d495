"""NAS-Bench-201 (Dong and Yang, ICLR 2020): four nodes, an operation on each of six edges, 15,625 cells."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Collection, Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.choices import Arch, Archs, Decision
from supernet.benchmarks.spaces.decisions import SearchSpace
from supernet.benchmarks.spaces.graph import Edge, Graph
from supernet.benchmarks.spaces.nb201_classes import (
    CONV1X1,
    CONV3X3,
    EDGES,
    NONE,
    OPS,
    SKIP,
    benchmark_text,
    first_of_each,
    function_text,
)
from supernet.benchmarks.spaces.official import Complete, Read

DATASETS = {
    "cifar10": (10, 32),
    "cifar10-valid": (10, 32),
    "cifar100": (100, 32),
    "imagenet16-120": (120, 16),
}
"""Data set -> (classes, image size) as the benchmark trained it."""
ROUTES = ((3,), (0, 4), (1, 5), (0, 2, 5))
"""Decisions along each path from input to output."""

_FORM = re.compile(r"\|(\w+)~0\|\+\|(\w+)~0\|(\w+)~1\|\+\|(\w+)~0\|(\w+)~1\|(\w+)~2\|")


class NB201(SearchSpace):
    """The cells of NAS-Bench-201 in the benchmark's own order."""

    name = "nb201"
    title = "NAS-Bench-201"
    decisions = tuple(Decision(f"e{target}<-{source}", OPS) for source, target in EDGES)
    own_network = (16, 5)
    fixed_edges = True
    idle_option = NONE
    skip_option = SKIP
    shortest_paths = 30  # up to two operations
    computation_class = "computation"
    function_class = "network"
    twin_class = "function"
    weightless = ("skip_connect", "avg_pool_3x3")

    # The benchmark lists the product of all operations and shuffles it with Python's generator seeded with 88
    # (D-X-Y/AutoDL-Projects, exps/NAS-Bench-201/main.py, generate_meta_info).
    @cached_property
    def _number_of_index(self) -> NDArray[np.int64]:
        numbers = list(range(5**6))
        random.Random(88).shuffle(numbers)
        return np.array(numbers)

    @cached_property
    def _index_of_number(self) -> NDArray[np.int64]:
        return np.argsort(self._number_of_index)

    def _rank(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._index_of_number[numbers]

    def _unrank(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._number_of_index[indices]

    @cached_property
    def _index_list(self) -> list[int]:
        return [int(index) for index in self._index_of_number]

    def _rank_one(self, number: int) -> int:
        return self._index_list[number]

    def string(self, arch: Sequence[int]) -> str:
        a, b, c, d, e, f = (OPS[option] for option in arch)
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    @cached_property
    def _strings(self) -> NDArray[np.object_]:
        return np.array([self.string(arch) for arch in self.archs().tolist()], dtype=object)

    def strings(self, archs: ArrayLike) -> list[str]:
        return self._strings[self.indices(archs)].tolist()

    def parse(self, text: str) -> Arch:
        match = _FORM.fullmatch(text.strip())
        if match is None:
            raise BadArchitecture(f"{text!r} is not of the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|")
        for op in match.groups():
            if op not in OPS:
                raise BadArchitecture(f"{text!r} has the unknown operation {op!r}; known: {', '.join(OPS)}")
        return tuple(OPS.index(op) for op in match.groups())

    # ---- classes ---------------------------------------------------------------------------------------------

    class_names = {  # noqa: RUF012
        "skip": "equal after skip connections are contracted (the benchmark's first isomorphism reduction)",
        "skip-none": "equal after skip connections are contracted and zeroed branches dropped (its second one)",
        "computation": "equal after edges that carry nothing or lead nowhere are removed: a weight-sharing "
        "super-net computes the same thing",
        "network": "equal in the second reduction, and with equal convolutions: one that is read twice is not two",
        "function": "the same sums of operations from input to output, nested sums flattened and dead edges dropped, "
        "with equal convolutions",
    }

    counted = {  # noqa: RUF012
        "connected": 15_284, "unique-skip": 12_751, "unique-skip-none": 6_466, "unique-computation": 9_445,
        "unique-network": 6_900, "unique-function": 5_260,
    }  # fmt: skip

    @property
    def subset_names(self) -> dict[str, str]:
        return {"connected": "the output depends on the input"} | super().subset_names

    def subset(self, name: str) -> NDArray[np.int64]:
        return np.flatnonzero(self.live_edges.any(axis=1)) if name == "connected" else super().subset(name)

    @cache  # noqa: B019  one instance per process
    def classes(self, name: str) -> NDArray[np.int64]:
        return first_of_each(self.class_labels(self.archs(), name))

    def class_labels(self, archs: Archs, name: str) -> NDArray[np.int64]:
        """A number for each of these architectures, equal for two of one class of this kind: (n,).

        Raises:
            BadArchitecture: there is no such kind of class.
        """
        if name == "computation":
            return self.indices(self.live(archs))
        if name == "function":
            known, inverse = np.unique(self.live(archs), axis=0, return_inverse=True)
            _, labels = np.unique([function_text(ops) for ops in known.tolist()], return_inverse=True)
            return labels[inverse.ravel()]
        if name == "network":
            parts = [self.class_labels(archs, of) for of in ("skip-none", "function")]
            return np.unique(np.stack(parts), axis=1, return_inverse=True)[1].ravel()
        if name not in self.class_names:
            raise self._no_such("class", name, self.class_names)
        expressions = [benchmark_text(ops, drop_none=name == "skip-none") for ops in archs.tolist()]
        return np.unique(expressions, return_inverse=True)[1]

    @cached_property
    def live_edges(self) -> NDArray[np.bool_]:
        """Whether each edge lies on a path of operations other than none from input to output: (15625, 6)."""
        return _live(self.archs())

    def live(self, archs: ArrayLike) -> Archs:
        table = np.atleast_2d(np.asarray(archs, dtype=np.int8))
        return np.where(_live(table), table, np.int8(NONE))

    def connected(self, archs: ArrayLike, cells: int | None = None) -> NDArray[np.bool_]:
        return np.asarray(_live(np.atleast_2d(np.asarray(archs))).any(axis=1))

    def extremes(self) -> tuple[Arch, Arch]:
        """The cell with a 3x3 convolution on every edge, and the one with 1x1 convolutions: the space has no widths."""
        return (CONV3X3,) * len(EDGES), (CONV1X1,) * len(EDGES)

    # ---- costs -----------------------------------------------------------------------------------------------

    def params(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """See `SearchSpace.params`.

        The network has a stem, three stages of `cells` cells with 1, 2 and 4 times `channels`, and two residual blocks
        between the stages.
        """
        channels, cells = channels or self.own_network[0], cells or self.own_network[1]
        widths = channels * np.array([1, 2, 4])
        per_op = np.zeros(len(OPS), dtype=np.int64)
        per_op[CONV1X1] = cells * np.sum(widths**2 + 2 * widths)
        per_op[CONV3X3] = cells * np.sum(9 * widths**2 + 2 * widths)
        stem = 27 * channels + 2 * channels
        blocks = sum(9 * i * o + 2 * o + 9 * o * o + 2 * o + i * o for i, o in itertools.pairwise(widths.tolist()))
        head = 2 * widths[2] + widths[2] * classes + classes
        return per_op[np.atleast_2d(np.asarray(archs))].sum(axis=1) + stem + blocks + head

    def flops(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """See `SearchSpace.flops`. The convolutions and the classifier count, the latter with its biases."""
        channels, cells = channels or self.own_network[0], cells or self.own_network[1]
        widths, areas = channels * np.array([1, 2, 4]), (size // np.array([1, 2, 4])) ** 2
        per_op = np.zeros(len(OPS), dtype=np.int64)
        per_op[CONV1X1] = cells * np.sum(widths**2 * areas)
        per_op[CONV3X3] = 9 * per_op[CONV1X1]
        stem = 27 * channels * areas[0]
        blocks = sum(
            (9 * i * o + 9 * o * o + i * o) * area
            for (i, o), area in zip(itertools.pairwise(widths.tolist()), areas[1:].tolist(), strict=True)
        )
        return per_op[np.atleast_2d(np.asarray(archs))].sum(axis=1) + stem + blocks + widths[2] * classes + classes

    # ---- encodings and drawings ------------------------------------------------------------------------------

    def path_code(self, archs: ArrayLike) -> NDArray[np.float32]:
        """Indicators of the 5 + 25 + 125 operation sequences from input to output: (n, 155).

        None counts as an operation, as in `cell_201.py` of naszilla/naszilla.
        """
        table = np.atleast_2d(np.asarray(archs, dtype=np.int64))
        code = np.zeros((len(table), sum(len(OPS) ** length for length in (1, 2, 3))), dtype=np.float32)
        for route in ROUTES:
            start = sum(len(OPS) ** length for length in range(1, len(route)))
            number = table[:, route] @ (len(OPS) ** np.arange(len(route))[::-1])
            code[np.arange(len(table)), start + number] = 1
        return code

    def layout(self, arch: Sequence[int]) -> tuple[Graph, ...]:
        edges = (Edge(source, target, OPS[op]) for (source, target), op in zip(EDGES, arch, strict=True))
        return (Graph(("in", "1", "2", "out"), tuple(edges)),)


class OfficialNB201(Complete):
    """The official records of NAS-Bench-201 and NATS-Bench (topology)."""

    name = imported_as = NB201.name
    title = "cells in the benchmark's order"
    fetched_as = "nats"
    order = "arch column equals the benchmark's list of 15,625"
    # Dong and Yang, 2020, table 5.
    best = {  # noqa: RUF012
        "cifar10.test.e200.mean": 94.37,
        "cifar100.test.e200.mean": 73.51,
        "imagenet16-120.test.e200.mean": 47.31,
        "cifar10-valid.valid.e200.mean": 91.61,
    }
    data_sets = DATASETS
    train_images = {  # noqa: RUF012
        "cifar10-valid": 25_000,
        "cifar10": 50_000,
        "cifar100": 50_000,
        "imagenet16-120": 151_700,
    }

    @cached_property
    def _space(self) -> NB201:
        return NB201()

    @property
    def rows(self) -> int:
        return len(self._space)

    def in_order(self, keys: Sequence[str]) -> bool:
        return list(keys) == self._space.strings(self._space.archs())

    def counted_columns(self, columns: Collection[str]) -> list[str]:
        parts = ((name, *name.rpartition(".")[::2]) for name in columns)
        return [name for name, dataset, what in parts if dataset in DATASETS and what in ("params", "flops")]

    def count(self, column: str, read: Read) -> NDArray[np.int64]:
        dataset, _, what = column.rpartition(".")
        classes, size = DATASETS[dataset]
        params, flops = self._space.costs(self._space.archs(), size=size, classes=classes)
        return params if what == "params" else flops


OFFICIAL = OfficialNB201()
NB201.official = OFFICIAL
SPACES = {NB201.name: NB201}
"""Name -> how the space is made."""


def _live(archs: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Whether each edge lies on a path of operations other than none from input to output: (n, 6)."""
    kept = archs != NONE
    reached = {0: np.ones(len(archs), dtype=bool)}
    used = {3: np.ones(len(archs), dtype=bool)}
    for node in (1, 2, 3):
        reached[node] = np.any([kept[:, e] & reached[s] for e, (s, t) in enumerate(EDGES) if t == node], axis=0)
    for node in (2, 1, 0):
        used[node] = np.any([kept[:, e] & used[t] for e, (s, t) in enumerate(EDGES) if s == node], axis=0)
    return np.stack([kept[:, e] & reached[s] & used[t] for e, (s, t) in enumerate(EDGES)], axis=1)
