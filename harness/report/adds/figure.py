"""The figure: how well each ranking agrees with each ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from supernet.harness.report.style import COLUMN, FAINT, INK, PALETTE


def stages(grounds: Sequence[Any]) -> Figure:
    """tau of every stage with its interval, for each ground truth a colour, and tau within the top 10 % beside it.

    Args:
        grounds: the stages against each ground truth (`result.Ground`).
    """
    names = [stage.name for stage in grounds[0].stages]
    figure = Figure(figsize=(2 * COLUMN, 0.8 + 0.34 * len(names)))
    whole, top = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
    step = 0.56 / max(len(grounds) - 1, 1)
    for number, ground in enumerate(grounds):
        colour = PALETTE[number % len(PALETTE)]
        places = [k - 0.28 * (len(grounds) > 1) + number * step for k in range(len(names))]
        for axis, means in ((whole, [s.tau for s in ground.stages]), (top, [s.top10 for s in ground.stages])):
            for place, mean in zip(places, means, strict=True):
                if mean is None:
                    continue
                if mean.low is not None:
                    axis.plot([mean.low, mean.high], [place, place], color=colour, linewidth=1.2)
                axis.scatter(mean.value, place, s=14, color=colour, zorder=3)
        whole.scatter([], [], s=14, color=colour, label=f"{ground.name} ({ground.architectures:,})")
    whole.set_yticks(range(len(names)), names)
    whole.set_ylim(len(names) - 0.5, -0.5)
    whole.set_xlabel("Kendall τ-b, all architectures")
    top.set_xlabel("within the truly best 10 %")
    top.axvline(0, color=INK, linewidth=0.6)
    for axis in (whole, top):
        axis.grid(axis="x", color=FAINT)
        axis.tick_params(axis="y", length=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="upper center", ncols=2, frameon=False, fontsize=6.5, bbox_to_anchor=(0.55, 0.0))
    return figure
