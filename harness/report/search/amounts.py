"""Axes of what a search spends, with labels that are read as times or as counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
"""Unit of time -> its seconds."""
_STEPS = {
    "s": (1, 2, 5, 10, 20, 30),
    "min": (1, 2, 5, 10, 20, 30),
    "h": (1, 2, 3, 6, 12),
    "d": (1, 2, 5, 10, 20, 50, 100, 200),
}
"""Unit of time -> round amounts of it."""
_TIMES = {amount * _SECONDS[unit]: f"{amount} {unit}" for unit, amounts in _STEPS.items() for amount in amounts}
TITLES = {"seconds": "simulated time", "wall": "time by the clock", "queries": "queries", "passes": "path passes"}
"""Kind of cost -> title of its axis."""
MOST_TICKS = 3
"""Largest number of ticks of a small panel, our choice."""


def ticks(kind: str, low: float, high: float) -> dict[float, str]:
    """Return places and labels of the ticks of a logarithmic axis between two amounts above 0: at most MOST_TICKS."""
    low = max(low, 1e-6)
    if kind in ("seconds", "wall"):
        known = _TIMES
    else:
        powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
        known = {m * 10.0**power: f"{m * 10.0**power:,.10g}" for power in powers for m in (1, 2, 5)}
    inside = [value for value in known if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
    tens = [value for value in inside if kind not in ("seconds", "wall") and np.log10(value) % 1 < 1e-9]
    inside = tens if len(tens) > 1 else inside
    return {value: known[value] for value in _spread(inside)}


def _spread(values: Sequence[float]) -> list[float]:
    """Values that lie far enough from each other on a logarithmic scale, from the largest down, in ascending order."""
    if len(values) < 2:
        return list(values)
    gap = np.log(values[-1] / values[0]) / MOST_TICKS
    kept = [values[-1]]
    for value in reversed(values[:-1]):
        if np.log(kept[-1] / value) >= gap * (1 - 1e-9) and len(kept) < MOST_TICKS:
            kept.append(value)
    return kept[::-1]


def spend_axis(axis: Axes, kind: str, low: float, high: float) -> None:
    """Make the horizontal axis one of what is spent, from one amount to another, with room for a label at its end."""
    axis.set_xscale("log")
    axis.set_xlim(low * 0.95, high * (high / low) ** 0.22)
    found = ticks(kind, low, high)
    axis.set_xticks(list(found), list(found.values()))
    axis.xaxis.set_minor_locator(NullLocator())
