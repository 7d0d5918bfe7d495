"""How a cell of NAS-Bench-201 is wired, and what has to be computed of it for one architecture.

All that compute cells read this: one path, mixtures, merged mixtures, all paths of a fair step, and the first cell of
many architectures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, NONE, OPS, SKIP

POOL = OPS.index("avg_pool_3x3")
ALL = tuple(range(len(OPS)))
"""All operations, in the order of the space's options."""
BY_NODE = (0, 1, 2, 3, 4, 4)
"""Weights of each edge when operations sit on nodes: edges into a node share theirs, but for those from node 0."""


INTO: tuple[tuple[tuple[int, int], ...], ...] = tuple(
    tuple((edge, source) for edge, (source, target) in enumerate(EDGES) if target == node) for node in range(4)
)
"""Node -> the edges into it, with the node that each comes from."""
OUT_OF: tuple[tuple[tuple[int, int], ...], ...] = tuple(
    tuple((edge, target) for edge, (source, target) in enumerate(EDGES) if source == node) for node in range(4)
)
"""Node -> the edges out of it, with the node that each leads to."""
INNER = (1, 2, 3)
"""The nodes that are computed, in order; 0 is the input and 3 the output."""


@dataclass(frozen=True)
class NodeProgram:
    """How a node is computed: what is summed over which earlier nodes."""

    skips: tuple[int, ...]
    pools: tuple[int, ...]
    convs: tuple[tuple[int, int, int], ...]
    """(source, edge, operation)"""


@cache
def program(arch: tuple[int, ...]) -> tuple[NodeProgram | None, ...]:
    """The computation of nodes 1, 2 and 3; None for a node that is unreachable or does not reach the output."""
    kept = [(edge, source, target) for edge, (source, target) in enumerate(EDGES) if arch[edge] != NONE]
    used = {3}
    for _, source, target in reversed(kept):
        if target in used:
            used.add(source)
    reached = {0}
    nodes: list[NodeProgram | None] = []
    for node in INNER:
        into = [(edge, s) for edge, s in INTO[node] if arch[edge] != NONE and s in reached]
        if not into or node not in used:
            nodes.append(None)
            continue
        reached.add(node)
        nodes.append(
            NodeProgram(
                skips=tuple(s for edge, s in into if arch[edge] == SKIP),
                pools=tuple(s for edge, s in into if arch[edge] == POOL),
                convs=tuple((s, edge, arch[edge]) for edge, s in into if arch[edge] in (CONV1X1, CONV3X3)),
            )
        )
    return tuple(nodes)


@cache
def live(arch: tuple[int, ...]) -> tuple[int, ...]:
    """The architecture with `none` on every edge that is not on a way from the input to the output.

    An architecture and its live form compute the same function; the live form has only `none` if nothing reaches the
    output.
    """
    kept = [NONE] * len(EDGES)
    for node, plan in zip(INNER, program(arch), strict=True):
        if plan is not None:
            sources = {*plan.skips, *plan.pools, *(source for source, _, _ in plan.convs)}
            for edge, source in INTO[node]:
                if arch[edge] != NONE and source in sources:
                    kept[edge] = arch[edge]
    return tuple(kept)
