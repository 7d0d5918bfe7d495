"""Figures of a comparison of searches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from supernet.harness.report.cells import draw_cell
from supernet.harness.report.style import BASELINE, COLUMN, FAINT, INK, PALETTE, paper, save
from supernet.harness.search.analysis import Entry, Outcome
from supernet.harness.search.ledger import NAMES

RANKS = (
    "Mean ranks over seeds; bars join algorithms that Nemenyi's test, which finds less than the tests below, does not "
    "tell apart"
)
_STYLES = ("-", (0, (4, 1.2)), (0, (1.2, 1)), (0, (5, 1, 1, 1)))


def figures_of(outcome: Outcome) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Name -> caption and function that draws the figure, for the figures that the outcome has data for."""
    curves = [entry for entry in outcome.entries if entry.curve]
    ranked = [entry for entry in outcome.entries if entry.rank]
    learned = [entry for entry in outcome.entries if entry.picks and entry.sharing]
    found: dict[str, tuple[str, Callable[[], Figure]]] = {}
    if curves:
        found["regret"] = "Test regret of the incumbent against what was spent", lambda: regret(outcome, curves)
    if outcome.critical is not None:
        found["ranks"] = RANKS, lambda: ranks(outcome, ranked)
    if learned:
        found["training"] = "Training dynamics of the super-nets", lambda: training(outcome, learned)
    if any(entry.picks for entry in outcome.entries):
        found["cells"] = "Picked cells", lambda: cells(outcome)
    return found


def draw(outcome: Outcome, out: Path) -> dict[str, Path]:
    """Write all figures as PNG and SVG; returns caption -> path of the SVG."""
    with paper():
        return {caption: save(make(), out, name)[1] for name, (caption, make) in figures_of(outcome).items()}


def _look(outcome: Outcome) -> dict[str, dict[str, object]]:
    """The colour and line style of every algorithm, the same in all figures."""
    return {
        entry.name: {"color": PALETTE[k % len(PALETTE)], "linestyle": _STYLES[k // len(PALETTE) % len(_STYLES)]}
        for k, entry in enumerate(outcome.entries)
    }


def regret(outcome: Outcome, entries: list[Entry]) -> Figure:
    """Test regret, in percentage points, against what was spent: median with quartiles, and mean with its interval."""
    look = _look(outcome)
    figure = Figure(figsize=(2.3 * COLUMN, 0.75 * COLUMN), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for entry in entries:
        curve, style = entry.curve, look[entry.name]
        assert curve is not None
        for axis, middle, low, high in (
            (axes[0], curve.quartiles[1], curve.quartiles[0], curve.quartiles[2]),
            (axes[1], curve.mean, curve.low, curve.high),
        ):
            axis.plot(curve.spent, middle, label=entry.title, **style)
            axis.fill_between(curve.spent, low, high, color=style["color"], alpha=0.13, linewidth=0)
    if outcome.random is not None:
        how = "exact" if outcome.comparison.budget.kind == "queries" else "at mean cost"
        axes[1].plot(*outcome.random, color=INK, linewidth=0.9, linestyle=(0, (1, 1.5)), label=f"random search, {how}")
    for axis, title in zip(axes, ("median and quartiles", "mean and 95 % interval"), strict=True):
        axis.set(xscale="log", xlabel=NAMES[outcome.unit], title=title)
        axis.grid(axis="y", color=FAINT)
    axes[0].set_yscale("symlog", linthresh=0.5, linscale=0.6)
    axes[0].yaxis.set_major_formatter("{x:g}")
    ticks = [0, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50]
    low, high = axes[0].get_ylim()
    axes[0].set_yticks([tick for tick in ticks if low - 1e-9 <= tick <= high])
    axes[0].minorticks_off()
    axes[0].set_ylim(
        bottom=min(-0.04, *(float(entry.curve.quartiles.min()) - 0.04 for entry in entries if entry.curve))
    )
    axes[0].set_ylabel("test regret, points")
    sns.despine(figure)
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside right center", fontsize=6.5)
    return figure


def ranks(outcome: Outcome, entries: list[Entry]) -> Figure:
    """Mean ranks on an axis, with bars that join algorithms closer than the critical difference (Demšar, JMLR 2006)."""
    assert outcome.critical is not None
    ordered = sorted(entries, key=lambda entry: _mean_rank(entry))
    means = [_mean_rank(entry) for entry in ordered]
    bars = _cliques(means, outcome.critical)
    half = (len(ordered) + 1) // 2
    figure = Figure(figsize=(2 * COLUMN, 0.55 + 0.17 * half + 0.07 * len(bars)))
    axis = figure.subplots()
    axis.set(xlim=(1, len(ordered)), ylim=(-(half + 0.6 + 0.5 * len(bars)), 1.4))
    axis.hlines(0, 1, len(ordered), color=INK, linewidth=0.8)
    for tick in range(1, len(ordered) + 1):
        axis.vlines(tick, 0, 0.16, color=INK, linewidth=0.8)
        axis.text(tick, 0.3, str(tick), ha="center", va="bottom", fontsize=6.5)
    for k, bar in enumerate(bars):
        axis.hlines(-0.35 - 0.5 * k, means[bar[0]] - 0.04, means[bar[1]] + 0.04, color=PALETTE[0], linewidth=2.4)
    top = 0.5 * len(bars)
    for place, (entry, mean) in enumerate(zip(ordered, means, strict=True)):
        left = place < half
        row = -(top + 0.7 + (place if left else len(ordered) - 1 - place))
        end = 1 if left else len(ordered)
        axis.plot([mean, mean, end], [0, row, row], color=BASELINE, linewidth=0.7, clip_on=False)
        label = f"{entry.title}  {mean:.2f}"
        axis.text(end + (-0.05 if left else 0.05), row, label, ha="right" if left else "left", va="center", fontsize=7)
    axis.plot([1, 1 + outcome.critical], [1.15, 1.15], color=INK, linewidth=1.2, clip_on=False)
    axis.text(
        1 + outcome.critical + 0.05, 1.15, f"critical difference {outcome.critical:.2f}", va="center", fontsize=6.5
    )
    axis.axis("off")
    return figure


def _mean_rank(entry: Entry) -> float:
    assert entry.rank is not None
    return entry.rank[0]


def _cliques(means: list[float], critical: float) -> list[tuple[int, int]]:
    """(first, last) positions of the longest runs of ascending ranks within the critical difference."""
    found: list[tuple[int, int]] = []
    for first in range(len(means)):
        last = max(k for k in range(first, len(means)) if means[k] - means[first] <= critical)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def training(outcome: Outcome, entries: list[Entry]) -> Figure:
    """The entropy of distributions, the skip connections in their picks, and the cost of discretisation."""
    panels = (
        ("entropy", "entropy, share of largest"),
        ("skips", "skip connections in the pick, share"),
        ("gap", "mixture − pick, points of accuracy"),
    )
    figure = Figure(figsize=(2.5 * COLUMN, 0.7 * COLUMN), layout="constrained")
    axes = figure.subplots(1, 3)
    look = _look(outcome)
    for entry in entries:
        frame = entry.trace.assign(
            gap=entry.trace["mixture_accuracy"].astype(float) - entry.trace["pick_accuracy"].astype(float),
            share=entry.trace["step"] / entry.trace.groupby("seed")["step"].transform("max"),
        )
        bins = (frame["share"] * 20).round() / 20
        for axis, (column, _) in zip(axes, panels, strict=True):
            values = frame[column].astype(float).groupby(bins).mean().dropna()
            if len(values):
                axis.plot(values.index, values, label=entry.title, linewidth=1.1, **look[entry.name])
    for axis, (_, label) in zip(axes, panels, strict=True):
        axis.set(xlabel="share of the training", ylabel=label)
        axis.grid(axis="y", color=FAINT)
    axes[2].axhline(0, color=INK, linewidth=0.6)
    sns.despine(figure)
    handles = dict(zip(*reversed(axes[1].get_legend_handles_labels()), strict=True))
    for axis in axes:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside right center", fontsize=6)
    return figure


def cells(outcome: Outcome) -> Figure:
    """The cell that each algorithm picked most often."""
    shown = [entry for entry in outcome.entries if entry.picks]
    across = min(4, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(0.62 * COLUMN * across, 0.5 * COLUMN * down), layout="constrained")
    axes = figure.subplots(down, across, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, entry in zip(axes.flat, shown, strict=False):
        _cell(axis, entry, outcome)
    return figure


def _cell(axis: Axes, entry: Entry, outcome: Outcome) -> None:
    numbers, counts = np.unique(list(entry.picks.values()), return_counts=True)
    index = int(numbers[np.argmax(counts)])
    draw_cell(axis, outcome.comparison.within, index)
    seeds = [seed for seed, pick in sorted(entry.picks.items()) if pick == index]
    value = entry.final[str(outcome.measures[0])][sorted(entry.picks).index(seeds[0])]
    known = "" if np.isnan(value) else f", {value:.2f} %"
    title = f"{entry.title}\n{counts.max()} of {len(entry.picks)} seeds{known}"
    axis.set_title(title, fontsize=6.5, fontweight="normal")
