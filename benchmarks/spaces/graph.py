"""A cell as nodes and edges, for drawings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

IDLE = "none"
"""The operation of an edge that carries nothing."""


@dataclass(frozen=True)
class Edge:
    """One edge of a cell."""

    source: int
    target: int
    op: str = ""
    """Its operation; empty if operations are on nodes, or if the edge passes its source on unchanged."""


@dataclass(frozen=True)
class Graph:
    """A cell whose nodes are numbered so that edges lead to higher numbers; the last node is the output."""

    nodes: tuple[str, ...]
    """Label of each node: its operation where operations are on nodes, else its name."""
    edges: tuple[Edge, ...]
    inputs: int = 1
    """Number of inputs of the cell, which are its first nodes."""

    def __post_init__(self) -> None:
        last = len(self.nodes) - 1
        if not all(0 <= edge.source < edge.target <= last and edge.target >= self.inputs for edge in self.edges):
            raise ValueError(f"edges must lead to later nodes that are not inputs: {self.edges}")

    @property
    def on_edges(self) -> bool:
        """Whether operations are on edges; otherwise they are on nodes."""
        return any(edge.op for edge in self.edges)

    def as_json(self) -> list[Any]:
        """Plain values for pages: labels of the nodes, [source, target, operation] of each edge, inputs."""
        return [list(self.nodes), [[edge.source, edge.target, edge.op] for edge in self.edges], self.inputs]

    def layers(self, passing: Collection[str] = ()) -> tuple[int, int]:
        """(depth, live layers): the most layers on a path from an input to the output, and those on any such path.

        A layer is an operation, on an edge or on a node between inputs and output, other than `none` and `passing`.

        Args:
            passing: operations that pass their input on unchanged, such as skip connections.
        """
        last, idle = len(self.nodes) - 1, {IDLE, "", *passing}
        edges = sorted((e for e in self.edges if e.op != IDLE), key=lambda edge: edge.target)
        inner = [self.inputs <= k < last and not self.on_edges and op not in idle for k, op in enumerate(self.nodes)]
        deep: dict[int, int] = dict.fromkeys(range(self.inputs), 0)
        for edge in edges:
            if edge.source in deep:
                step = int(inner[edge.target]) if not self.on_edges else int(edge.op not in idle)
                deep[edge.target] = max(deep.get(edge.target, 0), deep[edge.source] + step)
        used = {last}
        for edge in reversed(edges):
            if edge.target in used and edge.source in deep:
                used.add(edge.source)
        alive = used & deep.keys()
        if self.on_edges:
            live = sum(e.source in alive and e.target in alive and e.op not in idle for e in edges)
        else:
            live = sum(inner[node] for node in alive)
        return deep.get(last, 0), live
