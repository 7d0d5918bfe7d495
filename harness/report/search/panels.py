"""Small multiples of a comparison: a panel for each algorithm, with common axes."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from supernet.harness.report.search.amounts import TITLES, spend_axis
from supernet.harness.report.style import BASELINE, COLUMN, FAINT, INK, PALETTE
from supernet.harness.search.analysis import Curve, Entry, Outcome

ACROSS = 4
"""Panels in a row."""
TITLE_WIDTH = 26
"""Characters of a title that fit above a panel."""
TICKS = (0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
"""Regrets that may be labelled."""


def _grid(count: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with this many panels; those of the last row lie at its left."""
    across = min(ACROSS, count)
    down = -(-count // across)
    figure = Figure(figsize=(2.25 * COLUMN * across / ACROSS if across > 1 else COLUMN, 0.45 + height * down),
                    layout="constrained")  # fmt: skip
    axes = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat[count:]:
        axis.axis("off")
    for k in range(count - across, count):  # panels with none below them
        axes.flat[k].tick_params(labelbottom=True)
    return figure, list(axes.flat[:count])


def regret(outcome: Outcome, entries: Sequence[Entry]) -> Figure:
    """Mean test regret with its interval against what was spent, the best final regret first, before random search."""
    background = next((entry.curve for entry in entries if entry.name == "random"), None)
    shown = [entry for entry in outcome.best_first if entry.curve and entry.name != "random"]
    shown = shown or [entry for entry in entries if entry.curve]
    figure, axes = _grid(len(shown), 1.2)
    curves = [entry.curve for entry in entries if entry.curve]
    for axis, entry in zip(axes, shown, strict=True):
        if background is not None and entry.name != "random":
            _line(axis, background, BASELINE, "")
        if outcome.random is not None:
            axis.plot(*outcome.random, color=INK, linewidth=0.7, linestyle=(0, (1, 1.5)))
        assert entry.curve is not None
        _line(axis, entry.curve, PALETTE[0], f"{entry.curve.mean[-1]:.2f}")
        axis.set_title(fill(entry.title, TITLE_WIDTH), fontsize=6.5)
        axis.grid(axis="y", color=FAINT)
    low, high = min(c.spent[0] for c in curves), max(c.spent[-1] for c in curves)
    spend_axis(axes[0], outcome.unit, low, high)
    _regret_axis(axes[0], curves)
    sns.despine(figure)
    figure.supxlabel(_key(outcome, background is not None), fontsize=7.5)
    figure.supylabel("test regret, points", fontsize=8)
    return figure


def _key(outcome: Outcome, background: bool) -> str:
    """The title of the horizontal axes, and what the lines are."""
    parts = ["blue: mean with its 95 % interval"] + ["grey: random search"] * background
    if outcome.random is not None:
        exact = "" if outcome.unit == "queries" else ", at mean cost"
        parts.append(f"dotted: random search in expectation{exact}")
    return f"{TITLES[outcome.unit]}\n{'; '.join(parts)}"


def _line(axis: Axes, curve: Curve, colour: object, label: str) -> None:
    """A mean with its interval, and a dot with a label at its end."""
    axis.fill_between(curve.spent, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)
    axis.plot(curve.spent, curve.mean, color=colour, linewidth=1.2)
    axis.plot(curve.spent[-1:], curve.mean[-1:], "o", color=colour, markersize=3, clip_on=False)
    if label:
        place = curve.spent[-1], curve.mean[-1]
        axis.annotate(label, place, xytext=(4, 1), textcoords="offset points", va="bottom", fontsize=6.5, color=INK)


def _regret_axis(axis: Axes, curves: Sequence[Curve]) -> None:
    """A scale that is linear near 0 and logarithmic beyond."""
    axis.set_yscale("symlog", linthresh=0.5, linscale=0.6)
    top = max(max(float(curve.mean.max()), _high(curve)) for curve in curves)
    axis.set_ylim(-0.03, top * 1.25)
    marks = [tick for tick in TICKS if tick <= top * 1.25]
    if len(marks) > 5:
        marks = [tick for tick in marks if tick in (0, 0.5, 1, 2, 5, 10, 20, 50)]
    if len(marks) > 6:
        marks = [tick for tick in marks if tick in (0, 0.5, 2, 10, 50)]
    axis.set_yticks(marks, [f"{tick:g}" for tick in marks])
    axis.minorticks_off()


def _high(curve: Curve) -> float:
    """The upper bound that nine tenths of a curve stay below; 0 if one seed has none."""
    known = curve.high[~np.isnan(curve.high)]
    return float(np.quantile(known, 0.9)) if len(known) else 0.0


DYNAMICS = {
    "entropy": "blue: entropy, share of the largest",
    "skips": "dashed: share of skip connections in the pick",
}
"""Column of a trace -> what the figure of the training says of its line."""


def has_dynamics(entry: Entry) -> bool:
    """Whether an algorithm has a line in the figure of the training: a distribution, or skip connections."""
    return set(DYNAMICS) <= set(entry.trace) and bool(entry.trace[list(DYNAMICS)].notna().any(axis=None))


def training(outcome: Outcome, entries: Sequence[Entry]) -> Figure:
    """The entropy of each distribution and the skip connections in its picks, with the cost of discretisation."""
    figure, axes = _grid(len(entries), 1.1)
    drawn = set()
    for axis, entry in zip(axes, entries, strict=True):
        trace = entry.trace
        share = trace["step"] / trace.groupby("seed")["step"].transform("max")
        bins = (share * 20).round() / 20
        for column, colour, style in (("entropy", PALETTE[0], "-"), ("skips", PALETTE[3], (0, (4, 1.5)))):
            means = trace[column].astype(float).groupby(bins).mean().dropna()
            if len(means):
                drawn.add(column)
                axis.plot(means.index, means, color=colour, linestyle=style, linewidth=1.2)
        gap = (trace["mixture_accuracy"].astype(float) - trace["pick_accuracy"].astype(float)).groupby(bins).mean()
        gap = gap.dropna()
        said = f"\nmixture − pick {gap.iloc[-1]:+.0f} points".replace("-", "−") if len(gap) else ""
        axis.set_title(fill(entry.title, TITLE_WIDTH) + said, fontsize=6.5, fontweight="normal")
        axis.grid(axis="y", color=FAINT)
    axes[0].set(xlim=(0, 1.02), ylim=(-0.02, 1.05), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    sns.despine(figure)
    key = "; ".join(text for column, text in DYNAMICS.items() if column in drawn)
    figure.supxlabel(f"share of the training\n{key}", fontsize=7.5)
    return figure
