"""Which cells of NAS-Bench-201 coincide: expressions of a cell's output in terms of its input."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""(source, target) of each decision."""
NONE, SKIP, CONV1X1, CONV3X3 = range(4)
_WEIGHTED = (CONV1X1, CONV3X3)


def first_of_each(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """For every item the lowest index of an item with the same label."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return first[inverse]


def benchmark_text(ops: Sequence[int], drop_none: bool) -> str:
    """The expression by which the benchmark compares cells, skip connections contracted (`to_unique_str` upstream).

    Sums are sorted as text by the operations' names, as upstream does, and nested sums are not flattened; so some
    architectures that are algebraically equal have different expressions. An operation whose output is read twice looks
    like two operations, so that some networks with different numbers of weights have the same expression.
    """
    nodes = ["0"]
    for target in (1, 2, 3):
        terms = []
        for edge, (source, end) in enumerate(EDGES):
            if end == target:
                zero = drop_none and (ops[edge] == NONE or nodes[source] == "#")
                kept = nodes[source] if ops[edge] == SKIP else f"({nodes[source]})@{OPS[ops[edge]]}"
                terms.append("#" if zero else kept)
        nodes.append("+".join(sorted(terms)))
    return nodes[3]


def function_text(ops: Sequence[int]) -> str:
    """The output of a cell without dead edges as a sum of terms, each an operation on such a sum.

    A skip connection adds the terms of its source, so that sums are never nested. Convolutions that look alike are
    numbered, so that one that is read twice differs from two; of all numberings, the text is the first in the alphabet.
    Two cells have equal texts if and only if one becomes the other by renaming its convolutions.
    """
    plain = [""] * len(EDGES)
    nodes = _sums(ops, plain)
    alike: dict[tuple[int, str], list[int]] = {}
    for edge, (source, _) in enumerate(EDGES):
        if ops[edge] in _WEIGHTED:
            alike.setdefault((ops[edge], "+".join(sorted(nodes[source]))), []).append(edge)
    groups = [edges for edges in alike.values() if len(edges) > 1]
    texts = []
    for numbering in itertools.product(*(itertools.permutations(edges) for edges in groups)):
        marks = plain.copy()
        for edges in numbering:
            for number, edge in enumerate(edges):
                marks[edge] = f"#{number}"
        texts.append("+".join(sorted(_sums(ops, marks)[3])))
    return min(texts)


def _sums(ops: Sequence[int], marks: Sequence[str]) -> list[list[str]]:
    """The terms of every node, with a mark behind each operation's number."""
    nodes: list[list[str]] = [["x"], [], [], []]
    for edge, (source, target) in enumerate(EDGES):
        if ops[edge] == SKIP:
            nodes[target] += nodes[source]
        elif ops[edge] != NONE:
            nodes[target].append(f"{ops[edge]}{marks[edge]}({'+'.join(sorted(nodes[source]))})")
    return nodes
