"""Cells as drawings: nodes, and edges that show the operations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from supernet.benchmarks.spaces import Edge, Graph, SearchSpace
from supernet.benchmarks.spaces.graph import IDLE
from supernet.harness.report.style import BASELINE, INK, PALETTE

LOOKS: dict[str, dict[str, Any]] = {
    "": {"color": BASELINE, "linewidth": 1.0},
    "none": {"color": "0.8", "linewidth": 0.6, "linestyle": (0, (1, 3))},
    "skip_connect": {"color": PALETTE[2], "linewidth": 1.2, "linestyle": (0, (4, 2))},
    "nor_conv_1x1": {"color": PALETTE[9], "linewidth": 1.4},
    "nor_conv_3x3": {"color": PALETTE[0], "linewidth": 2.2},
    "avg_pool_3x3": {"color": PALETTE[3], "linewidth": 1.3, "linestyle": (0, (1.2, 1.2))},
}
SHORT = {"skip_connect": "skip", "nor_conv_1x1": "1×1", "nor_conv_3x3": "3×3", "avg_pool_3x3": "pool"}
OTHER_COLOURS = (*PALETTE[4:7], PALETTE[8], PALETTE[1])
"""Colours of operations that LOOKS does not name, in the order of the space."""
PLACES = {4: np.array([[0.0, 0.5], [0.9, 1.05], [2.1, -0.05], [3.0, 0.5]])}
"""Number of nodes -> their places, where operations sit on edges; nodes of other cells stand on a line."""
BENDS = {(0, 2): 0.12, (1, 3): -0.12}
"""Edge -> how far it curves among nodes at PLACES, so that none runs over another; the others are straight."""


def draw_cell(axis: Axes, within: SearchSpace, index: int) -> None:
    """Draw the cells of an architecture into axes of their own, one below the other."""
    arch = within.archs(np.array([index]))[0].tolist()
    graphs = within.layout(arch)
    axis.axis("off")
    axis.set_aspect("equal")
    looks, limits, depth = _looks(within), [], 0.0
    for graph in graphs:
        limits.append(_draw_edges(axis, graph, depth, looks) if graph.on_edges else _draw_nodes(axis, graph, depth))
        depth -= np.ptp(limits[-1][2:])
    left, right, low, high = np.array(limits).T
    axis.set(xlim=(left.min(), right.max()), ylim=(low.min(), high.max()))


def _looks(within: SearchSpace) -> dict[str, dict[str, Any]]:
    """Operation -> its look, for the operations of a space."""
    ops = dict.fromkeys(str(op) for number in within.operations for op in within.decisions[number].options)
    others = [op for op in ops if op not in LOOKS]
    colours = itertools.cycle(OTHER_COLOURS)
    return LOOKS | {op: {"color": next(colours), "linewidth": 1.4} for op in others}


def _draw_edges(
    axis: Axes, graph: Graph, depth: float, looks: dict[str, dict[str, Any]]
) -> tuple[float, float, float, float]:
    """Operations on edges; the limits of the drawing: left, right, low, high."""
    count = len(graph.nodes)
    placed = count in PLACES
    places = (PLACES[count] if placed else np.array([[0.9 * k, 0.5] for k in range(count)])) + np.array([0.0, depth])
    for edge in graph.edges:
        start, end = places[edge.source], places[edge.target]
        bend = BENDS.get((edge.source, edge.target), 0.0) if placed else _arc(edge)
        look = looks[edge.op]
        _arrow(axis, start, end, bend, **look)
        if edge.op not in (IDLE, ""):
            _label(axis, start, end, bend, SHORT.get(edge.op, edge.op), look["color"])
    for name, place in zip(graph.nodes, places, strict=True):
        _node(axis, place, name)
    return -0.35, places[-1][0] + 0.35, depth - 0.45, depth + 1.45


def _draw_nodes(axis: Axes, graph: Graph, depth: float) -> tuple[float, float, float, float]:
    """Operations on nodes; the limits of the drawing: left, right, low, high."""
    last = len(graph.nodes) - 1
    places = np.array([[0.75 * k, depth + 0.5 + 0.3 * (-1) ** k * (0 < k < last)] for k in range(last + 1)])
    for edge in graph.edges:
        _arrow(axis, places[edge.source], places[edge.target], _arc(edge), color=BASELINE, linewidth=1.0)
    for name, place in zip(graph.nodes, places, strict=True):
        _node(axis, place, name)
    return -0.4, places[-1][0] + 0.4, depth - 0.9, depth + 1.9


def _arc(edge: Edge) -> float:
    """How far an edge between nodes on a line curves: by turns to one side and the other, if it passes over a node."""
    return 0.0 if edge.target - edge.source == 1 else 0.35 * (-1) ** edge.source


def _node(axis: Axes, place: np.ndarray, text: str) -> None:
    axis.text(
        float(place[0]), float(place[1]), text, ha="center", va="center", fontsize=5.5, color=INK,
        bbox={"boxstyle": "round,pad=0.28", "facecolor": "white", "edgecolor": INK, "linewidth": 0.7},
    )  # fmt: skip


def _arrow(axis: Axes, start: np.ndarray, end: np.ndarray, bend: float, **look: Any) -> None:
    axis.add_patch(
        FancyArrowPatch(
            tuple(start), tuple(end), connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", mutation_scale=6,
            shrinkA=8, shrinkB=8, **look,
        )
    )  # fmt: skip


def _label(axis: Axes, start: np.ndarray, end: np.ndarray, bend: float, text: str, colour: Any) -> None:
    across = end - start
    middle = (start + end) / 2 + bend / 2 * np.array([across[1], -across[0]])
    axis.text(
        float(middle[0]), float(middle[1]), text, ha="center", va="center", fontsize=5, color=colour,
        bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip
