"""The leaderboard as a figure: published rankings beside what the parameter count does for free."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from supernet.harness.leaderboard.board import BASELINE, Board, Ground, Row
from supernet.harness.leaderboard.figures import Value
from supernet.harness.report.style import BASELINE as GREY
from supernet.harness.report.style import COLUMN, FAINT, INK, PALETTE

KINDS = {"super-net": (PALETTE[3], "D"), "zero-cost proxy": (PALETTE[0], "o"), BASELINE: (INK, "s")}
"""Kind of a row -> its colour and marker."""


def drawn(board: Board, ground: Ground) -> Figure:
    """Kendall's tau of every ranking of one ground truth, over all architectures and within the truly best tenth."""
    rows = sorted((row for row in board.rows if row.ground == ground.name), key=lambda row: -row.figures.tau.value)
    params = next((row for row in rows if row.method == "parameter count"), None)
    figure = Figure(figsize=(2.1 * COLUMN, 0.9 + 0.16 * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.5, 1])
    _panel(left, rows, [row.figures.tau for row in rows], params.figures.tau if params else None)
    _panel(right, rows, [row.figures.top10 for row in rows], params.figures.top10 if params else None)
    if ground.ceiling:
        _line(left, ground.ceiling.attainable, "attainable")
        if ground.ceiling.attainable_top10 is not None:
            _line(right, ground.ceiling.attainable_top10, "attainable")
    left.set_yticks(range(len(rows)), [row.method for row in rows], fontsize=6.5, parse_math=False)
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_xlabel(f"Kendall τ-b, {ground.architectures:,} architectures at most")
    right.set_xlabel("τ-b within the truly best 10 %")
    there = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
    handles = [
        Line2D([], [], color=KINDS[k][0], marker=KINDS[k][1], linestyle="", markersize=4, label=k) for k in there
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    figure.suptitle(f"{ground.space}, {ground.measure}", x=0.01, ha="left", fontsize=8.5, fontweight="bold")
    return figure


def _panel(axis: Axes, rows: list[Row], values: list[Value | None], params: Value | None) -> None:
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        colour, marker = KINDS.get(row.kind, (GREY, "o"))
        if value is None:
            continue
        if value.low is not None and value.high is not None:
            axis.plot([value.low, value.high], [place, place], color=colour, linewidth=1.2)
        axis.scatter(value.value, place, s=13, color=colour, marker=marker, linewidths=0, zorder=3)
    axis.axvline(0, color=FAINT, linewidth=0.7, zorder=0)
    if params is not None:
        _line(axis, params.value, "parameter count")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=FAINT)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _line(axis: Axes, value: float, name: str) -> None:
    axis.axvline(value, color=GREY, linestyle="--" if name == "parameter count" else ":", linewidth=0.9, zorder=1)
    axis.annotate(f" {name}", (value, -0.7), fontsize=6, color=GREY, va="bottom", ha="right", annotation_clip=False)
