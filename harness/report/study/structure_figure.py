"""The figure of what displaces architectures."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from supernet.harness.report.style import BASELINE, COLUMN, FAINT, INK, PALETTE
from supernet.harness.study.displaced import Displaced, Effect
from supernet.harness.study.results import Analysis, Row

MOST_EFFECTS = 12
"""Choices in the figure: those that clearly displace, then the others, the largest first."""


def known(analysis: Analysis) -> bool:
    """Whether there is anything to draw."""
    found = analysis.structure
    return found is not None and (bool(found.effects) or any(one.shares for one in found.displaced))


def structure(analysis: Analysis, rows: list[Row]) -> Figure:
    """Share of the error that each group explains, by setting; and the choices that displace most in the base."""
    found = analysis.structure
    labels = {row.label for row in rows}
    settings = [one for one in found.displaced if one.label in labels and one.shares] if found else []
    effects = sorted(found.effects, key=lambda e: (not e.clear, -abs(e.mean.value)))[:MOST_EFFECTS] if found else []
    height = 0.9 + 0.15 * max(5, len(settings), len(effects))
    figure = Figure(figsize=(2.1 * COLUMN, height))
    left, right = figure.subplots(1, 2)
    _shares(left, settings)
    _effects(right, sorted(effects, key=lambda e: -e.mean.value))
    return figure


def _shares(axis: Axes, settings: list[Displaced]) -> None:
    """A stacked bar per setting; a tick where the share that seeds have in common ends."""
    for position, one in enumerate(settings):
        start = 0.0
        for number, share in enumerate(one.shares):
            width = 100 * max(0.0, share.run)
            axis.barh(
                position, width, left=start, height=0.62, color=PALETTE[number],
                label=f"{share.group} (chance: {100 * share.chance:.1f} %)" if position == 0 else None,
            )  # fmt: skip
            start += width
        if one.common is not None:
            axis.scatter(
                100 * max(0.0, one.common.value), position, marker="|", s=40, color=INK, linewidths=1.2,
                label="common to all seeds" if position == 0 else None,
            )  # fmt: skip
    axis.set_yticks(range(len(settings)), [_short(one.label) for one in settings], fontsize=6)
    axis.set(xlim=(0, 100), ylim=(max(len(settings), 1) - 0.4, -0.6))
    axis.set_xlabel("share of the variance of a run's displaced ranks, %")
    if settings:
        axis.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=6, ncols=2)
    else:
        _absent(axis)
    _bare(axis)


def _effects(axis: Axes, effects: list[Effect]) -> None:
    """A dot per choice with its interval; filled where it is clear."""
    axis.axvline(0, color=INK, linewidth=0.7)
    for position, effect in enumerate(effects):
        mean = effect.mean
        colour = (PALETTE[0] if mean.value > 0 else PALETTE[3]) if effect.clear else BASELINE
        if mean.low is not None and mean.high is not None:
            axis.plot([mean.low, mean.high], [position, position], color=colour, linewidth=1.3)
        axis.scatter(
            mean.value, position, s=18, zorder=3, linewidths=1.0,
            facecolor=colour if effect.clear else "white", edgecolor=colour,
        )  # fmt: skip
    names = [_short(f"{effect.option}, {effect.decision}") for effect in effects]
    axis.set_yticks(range(len(effects)), names, fontsize=6)
    axis.set_ylim(max(len(effects), 1) - 0.4, -0.6)
    axis.grid(axis="x", color=FAINT)
    axis.set_xlabel("base: ranked too high (+) or too low (−) at equal\ntrue rank, percentile points")
    if not effects:
        _absent(axis)
    _bare(axis)


def _absent(axis: Axes) -> None:
    axis.text(0.5, 0.5, "too few architectures", transform=axis.transAxes, ha="center", color=BASELINE, fontsize=7)


def _bare(axis: Axes) -> None:
    axis.tick_params(axis="y", length=0)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _short(label: str) -> str:
    return label.replace("=", " = ") if len(label) < 36 else label[:33] + "…"
