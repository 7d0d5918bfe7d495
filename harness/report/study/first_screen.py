"""The first screen of a study's page: the verdict in words and in one figure, the base on one axis, what comes next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

import numpy as np

from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.statistics.printed import ABSENT, bounds, number
from supernet.harness.statistics.seeds import Difference
from supernet.harness.study import verdict
from supernet.harness.study.results import Analysis, Row

SHAPES = {"base": "disc", "parameter count": "diamond", "attainable": "bar"}
"""Name of a mark -> its shape on the axis of tau; what else is shown is a setting, an open disc."""


def first_screen(a: Analysis) -> dict[str, Html]:
    """The parts of the page's template that make up its first screen."""
    certainty = verdict.certainty(a)
    return {
        "headline": el("span", verdict.headline(a)),
        "certainty": el("p", certainty, class_="certainty") if certainty else Html(""),
        "forest": forest(a),
        "marks": marks(a),
        "steps": steps(a),
    }


LONGEST = 18
"""Characters of a part of a label that may stay in one line."""
UNQUOTED = "!'()*-._~"
"""Characters of a label that an address keeps, as `encodeURIComponent` has it."""


class Axis:
    """A horizontal scale: values to percent of its width, and round values to label."""

    def __init__(self, ends: Sequence[float], labels: int = 6) -> None:
        low, high = min(ends), max(ends)
        pad = 0.04 * (high - low) or 0.5
        self.low, self.high = low - pad, high + pad
        step = self._step((self.high - self.low) / labels)
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


# ---- the forest ------------------------------------------------------------------------------------------------------


def forest(a: Analysis) -> Html:
    """Every change with its effect on tau and on regret, the largest gain first; the base stands at zero."""
    rows = [row for row in a.rows[1:] if row.difference or row.tau is None]
    if not rows:
        return Html("")
    placed = sorted(rows, key=lambda row: -row.difference.value if row.difference else np.inf)
    band = a.detectable or 0.0
    tau = Axis([-band, band, *_ends([row.difference for row in rows])])
    regret = Axis([0.0, *_ends([row.regret for row in rows], inner=True)], labels=4)
    gains = sum(bool(row.difference and row.difference.value > 0) for row in placed)
    lines = [_line(a, row, tau, regret) for row in placed]
    lines.insert(gains, _base(a, tau, regret))
    ticks = el("tr", el("td"), _ticks(tau, "+"), el("td"), _ticks(regret, "+"), class_="ticks", aria_hidden="true")
    heads = (
        el("th", "Change", scope="col"),
        el("th", "Effect on τ", scope="col", title="Mean tau less that of the base, with simultaneous 95 % intervals"),
        el("th", "Verdict", scope="col"),
        el("th", "Effect on regret", scope="col", title="Regret of the best-scored architecture less the base's"),
    )
    seen = f"The shaded band is what this design does not see: differences of τ below {number(a.detectable, '.2f')}. "
    note = (seen if a.detectable else "") + (
        "Lines are 95 % intervals that hold for all changes together; filled points are clear. Regret is the true "
        "accuracy that the best-scored architecture lacks, in points: less is better."
    )
    return join(
        [
            el(
                "table",
                el("caption", "Effect of every change on τ and on regret", class_="hidden"),
                el("thead", el("tr", *heads)),
                el("tbody", *lines, ticks),
                class_="forest",
                id="forest",
            ),
            el("p", note, class_="hint"),
        ]
    )


def _ends(differences: Sequence[Difference | None], inner: bool = False) -> list[float]:
    """Values and ends of intervals; of measures with very wide intervals the values alone set the scale."""
    known = [d for d in differences if d is not None]
    values = [d.value for d in known]
    if inner:
        reach = max((abs(value) for value in values), default=0.0) or 1.0
        return [-1.6 * reach, 1.6 * reach]
    return values + [end for d in known for end in (d.low, d.high) if end is not None]


def _line(a: Analysis, row: Row, tau: Axis, regret: Axis) -> Html:
    d = row.difference
    kind = "open" if d is None or not d.clear else "gain" if d.value > 0 else "loss"
    name = _name(row.label)
    link = el("a", name, href=f"#disorder&run={quote(row.label, safe=UNQUOTED)}")
    return el(
        "tr",
        el("th", link if row.taus else name, scope="row"),
        _plotted(d, tau, _text(d), a.detectable),
        el("td", verdict.word(row, a.margin).replace("tau", "τ"), class_="word"),
        _plotted(row.regret, regret, _text(row.regret), None, "second"),
        class_=kind,
    )


def _name(label: str) -> Html:
    """A label that breaks after = and at spaces alone, as long as its parts are short enough for a narrow screen."""
    words = [re.split("(?<==)", word) for word in label.split(" ")]
    if max(len(part) for word in words for part in word) > LONGEST:
        return escaped(label)
    return Html(" ".join(Html("<wbr>").join(el("span", part, class_="whole") for part in word) for word in words))


def _base(a: Analysis, tau: Axis, regret: Axis) -> Html:
    base, own = a.base.tau, a.base.means.get("regret@1")
    text = f"τ {number(base.value, '.2f')}{bounds(base.low, base.high, '.2f')}" if base else "no mean"
    zero = Difference(0.0, None, None, None, None, None)
    return el(
        "tr",
        el("th", el("a", "base", href="#disorder&run=base"), scope="row"),
        _plotted(zero, tau, text, a.detectable),
        el("td", f"{len(a.base.taus)} seeds" if len(a.base.taus) != 1 else "1 seed", class_="word"),
        _plotted(zero, regret, f"{number(own, '.2f')} points", None, "second"),
        class_="base",
    )


def _text(d: Difference | None) -> str:
    return number(d.value, "+.2f") + bounds(d.low, d.high, "+.2f") if d else ABSENT


def _plotted(d: Difference | None, axis: Axis, text: str, band: float | None, name: str = "") -> Html:
    """A cell with the interval and point of a difference on its axis, a line at zero and the band that is not seen."""
    parts = []
    if d is not None:
        if d.low is not None and d.high is not None:
            parts.append(el("i", class_="range", style=f"--low:{axis.at(d.low)};--high:{axis.at(d.high)}"))
        parts.append(el("i", class_="dot", style=f"--at:{axis.at(d.value)}"))
    ground = f"--zero:{axis.at(0)};--low:{axis.at(-(band or 0.0))};--high:{axis.at(band or 0.0)}"
    return el(
        "td",
        el("span", *parts, class_="track", aria_hidden="true"),
        el("span", text, class_="value"),
        class_=f"plot-cell {name}".strip(),
        style=ground,
    )


def _ticks(axis: Axis, sign: str) -> Html:
    labels = [
        el("i", number(value, (sign if value else "") + axis.form), style=f"--at:{axis.at(value)}")
        for value in axis.ticks
    ]
    return el("td", el("span", *labels, class_="track"), class_="plot-cell")


# ---- the base, and what comes next -----------------------------------------------------------------------------------


def marks(a: Analysis) -> Html:
    """The base, its baselines and what is attainable as marks on one axis, with a key below that says each value."""
    found = verdict.marks(a)
    axis = Axis([0.0, 1.0, *(m.low for m in found if m.low is not None), *(m.value for m in found)])
    drawn, key = [], []
    for m in found:
        shape = SHAPES.get(m.name, "hollow")
        if m.low is not None and m.high is not None:
            drawn.append(el("i", class_=f"range {shape}", style=f"--low:{axis.at(m.low)};--high:{axis.at(m.high)}"))
        drawn.append(el("i", class_=f"mark {shape}", style=f"--at:{axis.at(m.value)}"))
        value = number(m.value, ".2f") + bounds(m.low, m.high, ".2f")
        key.append(el("dt", el("i", class_=f"mark {shape}", aria_hidden="true"), f" {m.name}") + el("dd", value))
    ticks = [el("i", number(v, ".1f"), class_="tick", style=f"--at:{axis.at(v)}") for v in (0.0, 0.5, 1.0)]
    line = el("div", *drawn, *ticks, class_="line", aria_hidden="true")
    return el("div", line, el("dl", *key, class_="key"), class_="marks")


def steps(a: Analysis) -> Html:
    """What to do next, with the commands that do it."""
    found = verdict.steps(a)
    if not found:
        return el("p", "All settings are decided.")
    items = []
    for step in found:
        command = (
            el(
                "span",
                el("code", step.command),
                el("button", "copy", type="button", class_="copy", hidden=""),
                class_="command",
            )
            if step.command
            else Html("")
        )
        items.append(el("li", step.why.replace(" tau", " τ"), command))
    return el("ol", *items, class_="steps")
