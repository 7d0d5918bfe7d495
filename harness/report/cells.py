"""Cells as drawings: nodes, and edges that show the operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from supernet.benchmarks.spaces import NB1Shot1, SearchSpace
from supernet.benchmarks.spaces.nb201 import EDGES, NONE, OPS
from supernet.harness.report.style import BASELINE, INK, PALETTE

LOOKS: dict[str, dict[str, Any]] = {
    "none": {"color": "0.8", "linewidth": 0.6, "linestyle": (0, (1, 3))},
    "skip_connect": {"color": PALETTE[2], "linewidth": 1.2, "linestyle": (0, (4, 2))},
    "nor_conv_1x1": {"color": PALETTE[9], "linewidth": 1.4},
    "nor_conv_3x3": {"color": PALETTE[0], "linewidth": 2.2},
    "avg_pool_3x3": {"color": PALETTE[3], "linewidth": 1.3, "linestyle": (0, (1.2, 1.2))},
}
SHORT = {"none": "", "skip_connect": "skip", "nor_conv_1x1": "1×1", "nor_conv_3x3": "3×3", "avg_pool_3x3": "pool"}
PLACES = np.array([[0.0, 0.5], [0.9, 1.05], [2.1, -0.05], [3.0, 0.5]])
"""Of NAS-Bench-201's nodes."""
BENDS = (0.0, 0.12, 0.0, 0.0, -0.12, 0.0)
"""How far its edges curve, so that none runs over another."""


def draw_cell(axis: Axes, within: SearchSpace, index: int) -> None:
    """Draw an architecture into axes of its own."""
    arch = within.archs(np.array([index]))[0].tolist()
    axis.axis("off")
    axis.set_aspect("equal")
    if isinstance(within, NB1Shot1):
        _draw_nodes(axis, within, arch)
    else:
        _draw_edges(axis, arch)


def _draw_edges(axis: Axes, arch: list[int]) -> None:
    """Operations on edges."""
    for edge, (source, target) in enumerate(EDGES):
        op = OPS[arch[edge]]
        start, end = PLACES[source], PLACES[target]
        _arrow(axis, start, end, BENDS[edge], **LOOKS[op])
        if arch[edge] != NONE:
            _label(axis, start, end, BENDS[edge], SHORT[op], LOOKS[op]["color"])
    for node, place in enumerate(PLACES):
        _node(axis, place, ("in", "1", "2", "out")[node])
    axis.set(xlim=(-0.35, 3.35), ylim=(-0.45, 1.45))


def _draw_nodes(axis: Axes, within: NB1Shot1, arch: list[int]) -> None:
    """Operations on nodes, parents as edges."""
    from supernet.benchmarks.spaces.nb101 import SHORT_OPS
    from supernet.harness.supernet.wiring import Wiring

    wiring = Wiring.of(within)
    chosen = [
        options[0 if decision is None else arch[decision]]
        for options, decision in zip(wiring.options, wiring.decisions, strict=True)
    ]
    places = np.array([[0.75 * k, 0.5 + 0.3 * (-1) ** k * (0 < k <= within.nodes)] for k in range(within.nodes + 2)])
    for target, parents in enumerate(chosen, 1):
        for source in parents:
            bend = 0.0 if target - source == 1 else 0.35 * (-1) ** source
            _arrow(axis, places[source], places[target], bend, color=BASELINE, linewidth=1.0)
    for node, place in enumerate(places):
        inner = 0 < node <= within.nodes
        _node(axis, place, SHORT_OPS[arch[node - 1]] if inner else ("in" if node == 0 else "out"))
    axis.set(xlim=(-0.4, places[-1][0] + 0.4), ylim=(-0.9, 1.9))


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
