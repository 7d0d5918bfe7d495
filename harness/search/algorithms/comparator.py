"""A graph network that compares two architectures, as CTNAS does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.benchmarks.spaces.graph import Graph

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Encoded = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Nodes as indicators of their labels, (n, nodes, labels), and which nodes lead to which, (n, nodes, nodes)."""


@dataclass(frozen=True)
class Settings:
    """The sizes of the network and of its training: our choice, apart from the four layers, which are the paper's."""

    layers: int = 4
    width: int = 32
    steps: int = 60
    rate: float = 0.01


class Comparator:
    """The probability that one architecture is better than another (Chen et al., CTNAS, CVPR 2021).

    A graph convolutional network maps the graph of each architecture to features, the mean over its nodes; a linear
    layer on the features of both, and a sigmoid, give the probability. It is fitted from new random weights by
    cross-entropy to all ordered pairs of known architectures whose accuracies differ.

    Args:
        within: the space, whose `layout` gives the graphs.
        generator: the source of all random numbers.
    """

    def __init__(self, within: SearchSpace, settings: Settings, generator: torch.Generator) -> None:
        self._within, self._settings, self._generator = within, settings, generator
        self._weights: list[Tensor] = []

    def fit(self, archs: Sequence[Arch], values: Sequence[float]) -> None:
        """Fit the network to known architectures: n of each, n at least 2."""
        import torch
        import torch.nn.functional as F

        s, graphs = self._settings, self._graphs(archs)
        sizes = [(graphs[0].shape[2], s.width), *[(s.width, s.width)] * (s.layers - 1), (s.width, 2)]
        self._weights = [
            torch.empty(size).normal_(0, (2 / size[0]) ** 0.5, generator=self._generator).requires_grad_()
            for size in sizes
        ]
        true = torch.tensor(values)
        better, differ = (true[:, None] > true).float(), (true[:, None] != true).float()
        adam = torch.optim.Adam(self._weights, lr=s.rate, betas=(0.5, 0.999), weight_decay=5e-4)
        for _ in range(s.steps):
            first, second = self._sides(graphs).T
            logits = first[:, None] + second
            loss = F.binary_cross_entropy_with_logits(logits, better, weight=differ, reduction="sum")
            adam.zero_grad()
            (loss / differ.sum().clamp(min=1)).backward()
            adam.step()

    def sides(self, archs: Sequence[Arch]) -> NDArray[np.float64]:
        """Return what each architecture adds to the logit as the first and as the second of a pair: (n, 2)."""
        import torch

        with torch.no_grad():
            found: NDArray[np.float64] = self._sides(self._graphs(archs)).double().numpy()
        return found

    def _sides(self, graphs: tuple[Tensor, Tensor]) -> Tensor:
        nodes, adjacency = graphs
        *layers, last = self._weights
        for weight in layers:
            nodes = (adjacency @ (nodes @ weight)).relu()
        return nodes.mean(dim=1) @ last

    def _graphs(self, archs: Sequence[Arch]) -> tuple[Tensor, Tensor]:
        """Return nodes and normalised adjacency, both ways and with loops, of each architecture."""
        import torch

        nodes, leads = encoded(self._within, tuple(archs))
        both = leads + leads.transpose(0, 2, 1) + np.eye(leads.shape[1], dtype=np.float32)
        return torch.from_numpy(nodes), torch.from_numpy(both / both.sum(axis=2, keepdims=True))


def probability(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability that each first architecture is better than each second one: (first, second).

    Args:
        first, second: their `Comparator.sides`: (first, 2) and (second, 2).
    """
    return np.asarray(1 / (1 + np.exp(-(first[:, :1] + second[:, 1]))))


def encoded(within: SearchSpace, archs: tuple[Arch, ...]) -> Encoded:
    """Return the graphs of architectures with an operation at each node."""
    each = [_nodes(within, arch) for arch in archs]
    labels, width = _labels(within), max(len(nodes) for nodes, _ in each)
    nodes = np.zeros((len(archs), width, len(labels)), dtype=np.float32)
    leads = np.zeros((len(archs), width, width), dtype=np.float32)
    for row, (names, pairs) in enumerate(each):
        nodes[row, range(len(names)), [labels[name] for name in names]] = 1
        leads[row, [a for a, _ in pairs], [b for _, b in pairs]] = 1
    return nodes, leads


@lru_cache(maxsize=1)
def _labels(within: SearchSpace) -> dict[str, int]:
    """Number the labels that nodes can have: input, output, inner nodes without operation, and all operations."""
    operations = [str(option) for number in within.operations for option in within.decisions[number].options]
    return {name: number for number, name in enumerate(dict.fromkeys(["in", "out", "node", *operations]))}


@lru_cache(maxsize=50_000)
def _nodes(within: SearchSpace, arch: Arch) -> tuple[list[str], list[tuple[int, int]]]:
    """Return the labels of the nodes of all cells, and the pairs of nodes of which one leads to the other."""
    names: list[str] = []
    pairs: list[tuple[int, int]] = []
    for graph in within.layout(arch):
        labels, edges = _with_operations(graph) if graph.on_edges else _given(graph)
        pairs += [(len(names) + a, len(names) + b) for a, b in edges]
        known = _labels(within)
        names += [label if label in known else "node" for label in labels]
    return names, pairs


def _given(graph: Graph) -> tuple[list[str], list[tuple[int, int]]]:
    last = len(graph.nodes) - 1
    labels = ["in" if k < graph.inputs else "out" if k == last else name for k, name in enumerate(graph.nodes)]
    return labels, [(edge.source, edge.target) for edge in graph.edges]


def _with_operations(graph: Graph) -> tuple[list[str], list[tuple[int, int]]]:
    """Return a graph whose nodes are the operations on the edges of another one, after its input and output."""
    last, edges = len(graph.nodes) - 1, list(enumerate(graph.edges, 2))
    pairs = [(0, a) for a, edge in edges if edge.source < graph.inputs]
    pairs += [(a, b) for a, one in edges for b, other in edges if one.target == other.source]
    pairs += [(a, 1) for a, edge in edges if edge.target == last]
    return ["in", "out", *[edge.op for edge in graph.edges]], pairs
