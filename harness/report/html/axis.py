"""Drawings on a horizontal axis that are made of markup alone: intervals in the cells of a table, marks on a line.

They need no script, follow the reader's colours, and take the width that the page gives them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from supernet.harness.report.html.markup import Html, el
from supernet.harness.statistics.printed import number, with_interval


class Axis:
    """A horizontal scale: values to percent of its width, and round values to label."""

    def __init__(self, ends: Sequence[float], labels: int = 6) -> None:
        low, high = min(ends), max(ends)
        pad = 0.04 * (high - low) or 0.5
        self.low, self.high = low - pad, high + pad
        step = self._step((self.high - self.low) / labels)
        while np.floor(self.high / step) - np.ceil(self.low / step) < 1:  # one label alone would not show the scale
            step = self._step(step / 2.5)  # the next smaller one
        first, last = np.ceil(self.low / step), np.floor(self.high / step)
        self.ticks = [round(float(k * step), 10) + 0.0 for k in np.arange(first, last + 1)]
        self.form = f".{max(0, int(np.ceil(-np.log10(step) - 1e-9)))}f"

    @staticmethod
    def _step(rough: float) -> float:
        power = 10.0 ** np.floor(np.log10(rough))
        return float(power * next(m for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9)))

    def at(self, value: float) -> str:
        """A place on the scale, as a percentage for style sheets; what lies beyond an end is put there."""
        share = (value - self.low) / (self.high - self.low)
        return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def class_of(clear: bool, value: float) -> str:
    """The class of a line of a table: whether the difference that it shows is clear, and to which side."""
    return "open" if not clear else "gain" if value > 0 else "loss"


def interval_cell(
    axis: Axis, value: float | None, low: float | None, high: float | None, text: str, band: float = 0.0, name: str = ""
) -> Html:
    """A table cell with a value and its interval on an axis with a line at zero.

    Args:
        text: what the cell says in words, shown where it is pointed at.
        band: values below this, either way, lie in a shaded band.
        name: a further class of the cell, for style sheets.
    """
    parts = []
    if value is not None:
        if low is not None and high is not None:
            parts.append(el("i", class_="range", style=f"--low:{axis.at(low)};--high:{axis.at(high)}"))
        parts.append(el("i", class_="dot", style=f"--at:{axis.at(value)}"))
    return el(
        "td",
        el("span", *parts, class_="track", aria_hidden="true"),
        el("span", text, class_="value"),
        class_=f"plot-cell {name}".strip(),
        style=f"--zero:{axis.at(0)};--low:{axis.at(-band)};--high:{axis.at(band)}",
    )


def tick_cell(axis: Axis, sign: str = "") -> Html:
    """A table cell with the labels of an axis.

    Args:
        sign: `+` where positive values are to have their sign.
    """
    labels = [
        el("i", number(value, (sign if value else "") + axis.form), style=f"--at:{axis.at(value)}")
        for value in axis.ticks
    ]
    return el("td", el("span", *labels, class_="track"), class_="plot-cell")


@dataclass(frozen=True)
class Mark:
    """A value on an axis, with a name and perhaps an interval."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    shape: str = "hollow"
    """`disc`, `diamond`, `bar` or `hollow`: told apart by shape as well as by colour."""


def marked_axis(marks: Sequence[Mark]) -> Html:
    """Marks on one axis from 0 to 1, and beyond where values are, with a key below that says each."""
    ends = [end for m in marks for end in (m.low, m.value) if end is not None]
    axis = Axis([0.0, 1.0, *ends])
    drawn, key = [], []
    for m in marks:
        if m.low is not None and m.high is not None:
            drawn.append(el("i", class_=f"range {m.shape}", style=f"--low:{axis.at(m.low)};--high:{axis.at(m.high)}"))
        drawn.append(el("i", class_=f"mark {m.shape}", style=f"--at:{axis.at(m.value)}"))
        value = with_interval(m, ".2f")
        key.append(el("dt", el("i", class_=f"mark {m.shape}", aria_hidden="true"), f" {m.name}") + el("dd", value))
    ticks = [el("i", number(v, ".1f"), class_="tick", style=f"--at:{axis.at(v)}") for v in (0.0, 0.5, 1.0)]
    line = el("div", *drawn, *ticks, class_="line", aria_hidden="true")
    return el("div", line, el("dl", *key, class_="key"), class_="marks")


@dataclass(frozen=True)
class Step:
    """Something for the reader to do next."""

    why: str
    command: str | None = None


def next_steps(steps: Sequence[Step]) -> Html:
    """What to do next, with the commands that do it; scripts add a button that copies them."""
    items = []
    for step in steps:
        command = Html("")
        if step.command:
            button = el("button", "copy", type="button", class_="copy", hidden="")
            command = el("span", el("code", step.command), button, class_="command")
        items.append(el("li", step.why.replace(" tau", " τ"), command))
    return el("ol", *items, class_="steps")
