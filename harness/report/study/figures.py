"""Figures of a study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from supernet.benchmarks.errors import UserError
from supernet.harness.report.study import factors, structure_figure
from supernet.harness.report.style import BASELINE, COLUMN, FAINT, INK, PALETTE, paper, save
from supernet.harness.study.results import Analysis, Row


def draw(analysis: Analysis, out: Path) -> dict[str, Path]:
    """Write all figures as PNG and SVG: caption -> SVG."""
    done = [row for row in analysis.rows if row.tau]
    lacking = {
        "proxy": len(done) <= 3,
        "structure": not structure_figure.known(analysis),
        "factors": not analysis.has_factors,
        "effects": analysis.design == "screen",
    }
    names = [name for name in FIGURES if not lacking.get(name)]
    with paper():
        return {CAPTIONS[name]: save(FIGURES[name](analysis, done), out, name)[1] for name in names}


def _label(row: Row) -> str:
    return row.label.replace("=", " = ") if len(row.label) < 48 else row.label[:45] + "…"


def forest(analysis: Analysis, rows: list[Row]) -> Figure:
    """Difference of tau from the base with simultaneous intervals, sorted; clear ones coloured and filled.

    Raises:
        UserError: the plan is a screen, whose settings are not compared with the base.
    """
    if analysis.design == "screen":
        raise UserError("The settings of a screen are not compared with the base one by one; plot its `factors`.")
    tested = sorted((row for row in rows if row.difference), key=lambda row: -row.difference.value)  # type: ignore[union-attr]
    figure = Figure(figsize=(1.55 * COLUMN, 0.8 + 0.17 * max(4, len(tested))))
    axis = figure.subplots()
    if analysis.finds is not None:
        axis.axvspan(-analysis.finds, analysis.finds, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
    axis.axvline(0, color=INK, linewidth=0.7, zorder=1)
    for position, row in enumerate(tested):
        d = row.difference
        assert d is not None
        colour = (PALETTE[0] if d.value > 0 else PALETTE[3]) if d.clear else BASELINE
        if d.low is not None and d.high is not None:
            axis.plot([d.low, d.high], [position, position], color=colour, linewidth=1.3, zorder=2)
        axis.scatter(
            d.value, position, s=20, marker="o", zorder=3, linewidths=1.0,
            facecolor=colour if d.clear else "white", edgecolor=colour,
        )  # fmt: skip
    axis.set_yticks(range(len(tested)), [_label(row) for row in tested], fontsize=6.5)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(tested) - 0.4, -0.6)
    axis.grid(axis="x", color=FAINT)
    base = analysis.base.tau
    at = f" (base: {base.value:.2f})" if base else ""
    clear = "filled: p < 0.05 after Dunnett's correction" if analysis.tested else "not tested: one seed"
    band = "\nband: true effects that fewer than 80 % of such studies find" if analysis.finds is not None else ""
    axis.set_xlabel(f"change of Kendall τ-b from the base{at}\n{clear}{band}")
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


def proxy(analysis: Analysis, rows: list[Row]) -> Figure:
    """Mean super-net accuracy against mean tau, a point per setting."""
    figure = Figure(figsize=(COLUMN, 2.5))
    axis = figure.subplots()
    accuracy = np.array([row.means["supernet_accuracy"] for row in rows], dtype=float)
    tau = np.array([row.tau.value for row in rows if row.tau])
    for family in dict.fromkeys(row.family for row in rows):
        of = [row.family == family for row in rows]
        number = list(dict.fromkeys(row.family for row in rows)).index(family)
        axis.scatter(
            accuracy[of], tau[of], s=18, marker="so^Dvp"[number % 6], label=family or "base",
            color=INK if not family else PALETTE[number % len(PALETTE)], linewidths=0, alpha=0.9,
        )  # fmt: skip
    axis.axhline(analysis.params_tau, color=BASELINE, linestyle="--", linewidth=0.9)
    axis.annotate("parameter count", (accuracy.min(), analysis.params_tau), fontsize=6, va="bottom", color=BASELINE)
    if analysis.proxy:
        p = analysis.proxy
        within = "" if p.within is None else f"; over seeds within settings: r = {p.within:.2f}"
        axis.set_title(f"over settings: τ-b = {p.over_settings:.2f}{within}")
    axis.set(xlabel="mean super-net accuracy, %", ylabel="Kendall τ-b of the ranking")
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def operations(analysis: Analysis, rows: list[Row]) -> Figure:
    """Percentile points by which each operation is over-ranked beyond regression to the mean, by setting."""
    names = list(analysis.base.excess or rows[0].excess)
    values = np.array([[row.excess[name].value for name in names] for row in rows])
    figure = Figure(figsize=(1.1 * COLUMN, 0.8 + 0.15 * len(rows)))
    axis = figure.subplots()
    bound = float(np.abs(values).max()) or 1.0
    picture = axis.imshow(values, cmap="PuOr_r", vmin=-bound, vmax=bound, aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        axis.text(
            j,
            i,
            f"{value:+.0f}",
            ha="center",
            va="center",
            fontsize=5.5,
            color="white" if abs(value) > 0.55 * bound else INK,
        )
    axis.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=6.5)
    axis.set_yticks(range(len(rows)), [_label(row) for row in rows], fontsize=6)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axis, fraction=0.05, pad=0.03)
    bar.set_label("over-ranked beyond regression\nto the mean, percentile points", fontsize=6.5)
    bar.ax.tick_params(labelsize=6)
    bar.outline.set_visible(False)
    return figure


def seeds(analysis: Analysis, rows: list[Row]) -> Figure:
    """tau of every run, a line per setting, beside parameter count and the ceiling."""
    ordered = sorted(rows, key=lambda row: -(row.tau.value if row.tau else 0))
    figure = Figure(figsize=(1.4 * COLUMN, 0.7 + 0.15 * max(4, len(rows))))
    axis = figure.subplots()
    for position, row in enumerate(ordered):
        if row.tau:
            if row.tau.low is not None and row.tau.high is not None:
                axis.plot([row.tau.low, row.tau.high], [position, position], color=FAINT, linewidth=2.2, zorder=1)
            axis.scatter(row.tau.value, position, marker="|", s=36, color=INK, zorder=3)
        at = list(row.taus.values())
        axis.scatter(at, [position] * len(at), s=9, color=PALETTE[0], linewidths=0, zorder=2)
    axis.axvline(analysis.params_tau, color=BASELINE, linestyle="--", linewidth=0.9)
    axis.annotate(
        "parameter count ", (analysis.params_tau, -0.75), fontsize=6, color=BASELINE, ha="right", annotation_clip=False
    )
    if analysis.ceiling:
        axis.axvline(analysis.ceiling.attainable, color=INK, linestyle=":", linewidth=0.9)
        axis.annotate(" attainable", (analysis.ceiling.attainable, -0.75), fontsize=6, ha="left", annotation_clip=False)
    axis.set_yticks(range(len(ordered)), [_label(row) for row in ordered], fontsize=6)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(ordered) - 0.4, -0.6)
    axis.set_xlabel("Kendall τ-b (dots: seeds; tick and bar: mean with 95 % interval, from three seeds on)")
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


FIGURES: dict[str, Callable[[Analysis, list[Row]], Figure]] = {
    "factors": factors.forest,
    "effects": forest,
    "operations": operations,
    "seeds": seeds,
    "structure": structure_figure.structure,
    "proxy": proxy,
}
"""Name -> what draws the figure, from the analysis and the settings whose mean stands for them."""
CAPTIONS = {
    "factors": "Effect of each heuristic on tau, on average over the others",
    "effects": "Effect of each change on tau",
    "operations": "Which operations each setting over-ranks",
    "seeds": "Tau of every seed",
    "structure": "What displaces architectures",
    "proxy": "Super-net accuracy as a proxy of tau",
}
