"""The first screen of a study's page: the verdict in words and in one figure, the base on one axis, what comes next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from supernet.harness.report.html.axis import Axis, Mark, class_of, interval_cell, marked_axis, next_steps, tick_cell
from supernet.harness.report.html.axis import Step as Shown
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.study import factors
from supernet.harness.report.study.content import Changed
from supernet.harness.statistics.printed import number, p_text, with_interval
from supernet.harness.statistics.seeds import Difference
from supernet.harness.study import verdict
from supernet.harness.study.results import Analysis, Row

SHAPES = {
    "base": "disc", "parameter count": "diamond", "free-1, no training": "diamond",
    "live-params, no training": "diamond", "attainable by a perfect ranker": "bar",
}  # fmt: skip
"""Name of a mark -> its shape on the axis of tau; what else is shown is a setting, a hollow disc."""
LONGEST = 18
"""Characters of a part of a label that may stay in one line."""
UNQUOTED = "!'()*-._~"
"""Characters of a label that an address keeps, as `encodeURIComponent` has it."""


def first_screen(a: Analysis, settings: Sequence[Changed]) -> dict[str, Html]:
    """The parts of the page's template that make up its first screen.

    Args:
        settings: what each setting changes in the recipe.
    """
    certainty, steps = verdict.certainty(a), verdict.steps(a)
    marks = [Mark(m.name, m.value, m.low, m.high, SHAPES.get(m.name, "hollow")) for m in verdict.marks(a)]
    following = [Shown(step.why, step.command) for step in steps]
    return {
        "headline": el("span", verdict.headline(a)),
        "certainty": el("p", certainty, class_="certainty") if certainty else Html(""),
        "forest": _averages(a) if a.design == "screen" else _forest(a, {s.label: s.changes for s in settings}),
        "marks": marked_axis(marks),
        "steps": next_steps(following) if steps else el("p", "Nothing is undecided."),
    }


@dataclass(frozen=True)
class _Line:
    """A line of the figure."""

    name: Html
    value: float | None
    low: float | None
    high: float | None
    word: str
    kind: str
    """gain, loss, open or base."""
    text: str
    second: Html
    """The cell at the right end."""


def _drawn(lines: Sequence[_Line], axis: Axis, band: float | None, last: tuple[str, Html], note: str) -> Html:
    """The figure as a table: a line for each effect, with the axis below.

    Args:
        last: heading of the column at the right end, and its cell in the line of the axis.
    """
    rows = [
        el(
            "tr",
            el("th", line.name, scope="row"),
            interval_cell(axis, line.value, line.low, line.high, line.text, band or 0.0),
            el("td", line.word.replace("tau", "τ"), class_="word"),
            line.second,
            class_=line.kind,
        )
        for line in lines
    ]
    ticks = el("tr", el("td"), tick_cell(axis, "+"), el("td"), last[1], class_="ticks", aria_hidden="true")
    heads = [el("th", head, scope="col") for head in ("Change", "Effect on τ", "Verdict", last[0])]
    caption = el("caption", "Effect of every change on τ", class_="hidden")
    seen = f"Within the shaded band (below {number(band, '.2f')}), a true difference is found less than 4 times in 5. "
    return join(
        [
            el(
                "table", caption, el("thead", el("tr", *heads)), el("tbody", *rows, ticks), class_="forest", id="forest"
            ),
            el("p", (seen if band else "") + note, class_="hint"),
        ]
    )


# ---- every change against the base -----------------------------------------------------------------------------------


def _forest(a: Analysis, changes: Mapping[str, Sequence[str]]) -> Html:
    """Every change with its effect on tau and on regret, the largest gain first; the base stands at zero."""
    rows = [row for row in a.rows[1:] if row.difference or row.tau is None]
    if not rows:
        return Html("")
    placed = sorted(rows, key=lambda row: -row.difference.value if row.difference else np.inf)
    ends = [end for row in rows if (d := row.difference) for end in (d.value, d.low, d.high) if end is not None]
    band = a.finds or 0.0
    reach = max((abs(row.regret.value) for row in rows if row.regret), default=0.0) or 1.0
    regret = Axis([-1.6 * reach, 1.6 * reach], labels=4)  # intervals of regrets are wide: their values set the scale
    gains = sum(bool(row.difference and row.difference.value > 0) for row in placed)
    lines = [_line(a, row, regret, changes.get(row.label, ())) for row in placed]
    lines.insert(gains, _base(a, regret))
    note = (
        "Lines are 95 % intervals that hold for all changes together; filled points are clear. Regret is the true "
        "accuracy that the best-scored architecture lacks, in points: lower is better. Its long intervals are cut at "
        "the edge of the plot."
    )
    return _drawn(lines, Axis([-band, band, *ends]), a.finds, ("Effect on regret", tick_cell(regret, "+")), note)


def _line(a: Analysis, row: Row, regret: Axis, changes: Sequence[str]) -> _Line:
    d, name = row.difference, _name(row.label)
    if row.taus:
        name = el("a", name, href=f"#disorder&run={quote(row.label, safe=UNQUOTED)}")
    if len(changes) == 1:
        name += el("small", f" base: {_before(row.heuristic, changes[0])}")
    value, low, high = (d.value, d.low, d.high) if d else (None, None, None)
    return _Line(
        name, value, low, high, verdict.word(row, a.margin), class_of(bool(d and d.clear), value or 0.0),
        with_interval(d, "+.2f"), _second(row.regret, regret, with_interval(row.regret, "+.2f")),
    )  # fmt: skip


def _before(heuristic: str, change: str) -> str:
    """The value of the base, from a change such as `network.bn_affine: True -> False`, behind its key.

    The key is left out where the heuristic has its name.
    """
    key, _, values = change.partition(": ")
    value = values.partition(" -> ")[0]
    if value == "[]":
        return "without"
    value = value.lower() if value in ("True", "False") else value
    leaf = key.rpartition(".")[2]
    return value if leaf == heuristic.replace("-", "_") else f"{leaf} {value}"


def _base(a: Analysis, regret: Axis) -> _Line:
    base, own = a.base.tau, a.base.means.get("regret@1")
    text = f"τ {with_interval(base, '.2f')}" if base else "no mean"
    seeds = f"{len(a.base.taus)} seeds" if len(a.base.taus) != 1 else "1 seed"
    zero = Difference(0.0, None, None, None, None, None)
    second = _second(zero, regret, f"{number(own, '.2f')} points")
    return _Line(el("a", "base", href="#disorder&run=base"), 0.0, None, None, seeds, "base", text, second)


def _second(d: Difference | None, axis: Axis, text: str) -> Html:
    if d is None:
        return interval_cell(axis, None, None, None, text, name="second")
    return interval_cell(axis, d.value, d.low, d.high, text, name="second")


def _name(label: str) -> Html:
    """A label that breaks after = and at spaces alone, as long as its parts are short enough for a narrow screen."""
    words = [re.split("(?<==)", word) for word in label.split(" ")]
    if max(len(part) for word in words for part in word) > LONGEST:
        return escaped(label)
    return Html(" ".join(Html("<wbr>").join(el("span", part, class_="whole") for part in word) for word in words))


# ---- effects on average over the other heuristics --------------------------------------------------------------------


def _averages(a: Analysis) -> Html:
    """The effects of a screen, each on average over the others, the largest gain first."""
    if a.factors is None or not a.factors.main:
        return Html("")
    lines = []
    for effect in factors.shown(a.factors):
        p = "" if effect.p_corrected is None else p_text(effect.p_corrected)
        word = ("raises tau" if effect.value > 0 else "lowers tau") if effect.clear else "undecided"
        lines.append(
            _Line(
                _name(effect.label),
                effect.value,
                effect.low,
                effect.high,
                word,
                class_of(effect.clear, effect.value),
                with_interval(effect, "+.2f"),
                el("td", p),
            )
        )
    ends = [end for line in lines for end in (line.value, line.low, line.high) if end is not None]
    band = a.factors.detectable or 0.0
    note = (
        "Every effect is one on average over the other changes. Lines are 95 % intervals, each for itself; filled "
        "points are clear after Holm's correction."
    )
    return _drawn(lines, Axis([-band, band, *ends]), a.factors.detectable, ("p (Holm)", el("td")), note)
