"""Figures of a comparison of searches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from supernet.harness.report.cells import draw_cell
from supernet.harness.report.search import panels
from supernet.harness.report.style import BASELINE, COLUMN, INK, PALETTE, paper, save
from supernet.harness.search.analysis import Entry, Outcome

RANKS = (
    "Mean ranks over seeds; bars join algorithms that Nemenyi's test, which finds less than the tests of pairs, does "
    "not tell apart"
)


def figures_of(outcome: Outcome) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """Name -> caption and function that draws the figure, for the figures that the outcome has data for."""
    curves = [entry for entry in outcome.entries if entry.curve]
    ranked = [entry for entry in outcome.entries if entry.rank]
    learned = [entry for entry in outcome.entries if entry.picks and entry.sharing and panels.has_dynamics(entry)]
    found: dict[str, tuple[str, Callable[[], Figure]]] = {}
    if curves:
        found["regret"] = (
            "Test regret of the current pick against what was spent",
            lambda: panels.regret(outcome, curves),
        )
    if outcome.critical is not None:
        found["ranks"] = RANKS, lambda: ranks(outcome, ranked)
    if learned:
        found["training"] = "Training dynamics of the super-nets", lambda: panels.training(outcome, learned)
    if any(entry.picks for entry in outcome.entries):
        found["cells"] = "Picked cells", lambda: cells(outcome)
    return found


def draw(outcome: Outcome, out: Path) -> dict[str, tuple[str, str]]:
    """Write all figures as PNG and SVG; returns name -> caption and text of the SVG."""
    with paper():
        return {
            name: (caption, save(make(), out, name)[1].read_text(encoding="utf-8"))
            for name, (caption, make) in figures_of(outcome).items()
        }


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


def cells(outcome: Outcome) -> Figure:
    """The cell that each algorithm picked most often."""
    shown = [entry for entry in outcome.entries if entry.picks]
    across = min(5, len(shown))
    down = -(-len(shown) // across)
    within = outcome.comparison.within
    stacked = len(within.layout(within.archs(np.array([0]))[0].tolist()))
    figure = Figure(figsize=(0.44 * COLUMN * across, (0.32 + 0.72 * stacked) * down), layout="constrained")
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
    axis.set_title(title, fontsize=6, fontweight="normal")
