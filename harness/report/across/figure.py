"""The forest figure of a comparison of studies."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from supernet.harness.report.style import BASELINE, COLUMN, FAINT, INK, PALETTE
from supernet.harness.study.across import Across, Change

LONGEST = 48
"""Characters of a name in the figure."""


def forest(a: Across) -> Figure:
    """Every change in every study with its interval; diamonds are summaries, thin lines their prediction intervals."""
    lines = sum(2 + sum(e is not None for e in change.effects) for change in a.changes)
    figure = Figure(figsize=(1.8 * COLUMN, 0.9 + 0.16 * lines))
    axis = figure.subplots()
    axis.axvline(0, color=INK, linewidth=0.7, zorder=1)
    names: dict[float, str] = {}
    place = 0.0
    for change in a.changes:
        names[place] = _short(change.label)
        axis.axhspan(place - 0.5, place + 0.5, color=FAINT, alpha=0.35, linewidth=0, zorder=0)
        for study, e in zip(a.studies, change.effects, strict=True):
            if e is not None:
                place += 1
                names[place] = f"{_short(study.name)}  "
                colour = (PALETTE[0] if e.value > 0 else PALETTE[3]) if e.clear else BASELINE
                _interval(axis, e.low, e.high, place, colour, 1.3)
                face = colour if e.clear else "white"
                axis.scatter(e.value, place, s=18, zorder=3, linewidths=1.0, facecolor=face, edgecolor=colour)
        place += 1
        names[place] = "summary  " if change.summary else "no summary  "
        _summary(axis, change, place)
        place += 1
    axis.set_yticks(list(names), list(names.values()), fontsize=6.5, parse_math=False)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(place - 0.4, -0.6)
    axis.grid(axis="x", color=FAINT)
    axis.set_xlabel(
        "change of Kendall τ-b from the base\nfilled: clear within its study, or for summaries p < 0.05 after Holm's "
        "correction\ndiamonds: summaries over studies; thin lines: prediction for a further study"
    )
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _summary(axis: Axes, change: Change, place: float) -> None:
    s = change.summary
    if s is None:
        return
    _interval(axis, s.predicted_low, s.predicted_high, place, INK, 0.5)
    _interval(axis, s.low, s.high, place, INK, 2.0)
    face = INK if change.clear else "white"
    axis.scatter(s.value, place, s=26, marker="D", zorder=3, linewidths=1.0, facecolor=face, edgecolor=INK)


def _interval(axis: Axes, low: float | None, high: float | None, place: float, colour: object, width: float) -> None:
    if low is not None and high is not None:
        axis.plot([low, high], [place, place], color=colour, linewidth=width, zorder=2)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
