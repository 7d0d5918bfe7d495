"""A cell as nodes and edges, for drawings."""

from __future__ import annotations

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
    """Its operation; empty if operations are on nodes."""


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
