"""The first screen of a comparison's page: what the tests say, with a figure, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from supernet.harness.report.html.axis import Axis, Step, interval_cell, next_steps, tick_cell
from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.search import verdict
from supernet.harness.search.analysis import Entry, Outcome
from supernet.harness.search.contrasts import Contrast
from supernet.harness.search.findings import difference
from supernet.harness.statistics.printed import bounds, number

REACH = 4.0
"""Multiple of the third quartile of all values beyond which a value is drawn at the edge of an axis, our choice."""
MARGIN = 1.5
"""Multiple of the largest value inside an axis at which the axis ends, our choice."""


def first_screen(outcome: Outcome) -> dict[str, Html]:
    """Return the parts of the page's template that make up its first screen."""
    certainty = verdict.certainty(outcome)
    return {
        "headline": el("span", verdict.headline(outcome)),
        "certainty": el("p", certainty, class_="certainty") if certainty else Html(""),
        "forest": _forest(outcome),
        "budget": _budget(outcome),
        "steps": _steps(outcome),
    }


def _steps(outcome: Outcome) -> Html:
    """What to do next; where there is nothing, whether all is decided."""
    steps = [Step(step.why, step.command) for step in verdict.steps(outcome)]
    if steps:
        return next_steps(steps)
    others = [entry for entry in outcome.entries if entry.name != "random"]
    if outcome.versus and len(outcome.versus) == len(others) and all(c.clear for c in outcome.versus):
        return el("p", "Every comparison with random search is decided.")
    return el("p", "The numbers suggest no further step.")


def _budget(outcome: Outcome) -> Html:
    """The facts of the design."""
    c = outcome.comparison
    done = sum(entry.done for entry in outcome.entries)
    count = sum(len(entry.states) for entry in outcome.entries)
    facts = [
        ("Algorithms", f"{len(c.algorithms)}"),
        ("Budget of each search", str(c.budget)),
        ("Searches", f"{done:,}" if done == count else f"{done:,} of {count:,} are done"),
        ("Best known accuracy", f"{outcome.best:.2f} %"),
    ]
    return el("dl", *(el("dt", name) + el("dd", value) for name, value in facts), class_="key")


def _forest(outcome: Outcome) -> Html:
    """The figure as a table: final accuracy less that of random search, and final regret, the best first."""
    entries = [entry for entry in outcome.best_first if len(verdict.known_finals(outcome, entry))]
    if not entries:
        return el("p", "No search is done.")
    versus = {c.first: c for c in outcome.versus}
    gains = _robust([c.difference for c in versus.values()], symmetric=True)
    regrets = {entry.name: _regret(outcome, entry) for entry in entries}
    regret = _robust([value for value, _, _ in regrets.values()], symmetric=False)
    rows = [_row(outcome, entry, versus, gains, regret, regrets[entry.name]) for entry in entries]
    heads = ["Algorithm", "Final regret, points"]
    ticks = [el("td"), tick_cell(regret)]
    if versus:
        heads[1:1] = ["Gain on random search", "Verdict"]
        ticks[1:1] = [tick_cell(gains, "+"), el("td")]
    body = el("tbody", *rows, el("tr", *ticks, class_="ticks", aria_hidden="true"))
    shown = "Every algorithm against random search" if versus else "Final regret of every algorithm"
    caption = el("caption", shown, class_="hidden")
    table = el(
        "table", caption, el("thead", el("tr", *(el("th", head, scope="col") for head in heads))), body,
        class_="forest searches" if versus else "forest searches alone",
    )  # fmt: skip
    return table + el("p", _note(outcome, bool(versus)), class_="hint")


def _note(outcome: Outcome, compared: bool) -> str:
    single = "Lines are 95 % intervals, each on its own"
    regret = f"regret is what the final architecture lacks to the best known accuracy ({outcome.best:.2f} %)"
    if not compared:
        return f"{single}; {regret}. Lines and points beyond the axis end at its edge."
    return (
        f"Gain: mean final accuracy less that of random search, points. {single}; filled points are clear after "
        f"correction. The {regret}. Lines and points beyond an axis end at its edge."
    ).replace("The regret is", "Regret is")


def _row(
    outcome: Outcome,
    entry: Entry,
    versus: Mapping[str, Contrast],
    gains: Axis,
    regret: Axis,
    final: tuple[float, float | None, float | None],
) -> Html:
    c = versus.get(entry.name)
    kind = "open"
    if entry.name == "random" and versus:
        kind = "base"
    elif c is not None and c.clear:
        kind = "gain" if c.difference > 0 else "loss"
    cells = [el("th", el("span", entry.title), scope="row")]
    if versus and entry.name == "random":
        seeds = f"{len(verdict.known_finals(outcome, entry))} searches"
        cells += [interval_cell(gains, 0.0, None, None, "random search"), el("td", seeds, class_="word")]
    elif versus:
        cells += [_gain(gains, c), el("td", _word(c), class_="word")]
    value, low, high = final
    text = f"{value:.2f}{bounds(low, high, '.2f')}"
    cells.append(interval_cell(regret, value, low, high, text, name="second" if versus else ""))
    return el("tr", *cells, class_=kind, data_name=entry.name)


def _gain(axis: Axis, c: Contrast | None) -> Html:
    if c is None:
        return interval_cell(axis, None, None, None, "no result")
    low, high = (end if np.isfinite(end) else None for end in (c.low, c.high))
    return interval_cell(axis, c.difference, low, high, difference(c))


def _word(c: Contrast | None) -> Html:
    """The difference as a number, and the verdict."""
    if c is None:
        return Html(verdict.word(c))
    sign = ("▲ " if c.difference > 0 else "▼ ") if c.clear else ""
    shown = number(c.difference, "+.2f" if abs(c.difference) < 10 else "+.1f")
    return join([el("span", sign + shown, class_="whole"), " ", el("span", verdict.word(c))])


def _regret(outcome: Outcome, entry: Entry) -> tuple[float, float | None, float | None]:
    """Mean final regret with its interval, which has no ends for one seed."""
    mean = outcome.best - float(verdict.known_finals(outcome, entry).mean())
    if entry.curve is None or not np.isfinite(entry.curve.low[-1]):
        return mean, None, None
    return mean, float(entry.curve.low[-1]), float(entry.curve.high[-1])


def _robust(values: list[float], *, symmetric: bool) -> Axis:
    """An axis from the bulk of the values, so that one far value does not squash the others."""
    sizes = np.abs([value for value in values if np.isfinite(value)])
    limit = float(sizes[sizes <= REACH * np.quantile(sizes, 0.75)].max(initial=0.0)) if len(sizes) else 0.0
    end = MARGIN * (limit or float(sizes.max(initial=0.0)) or 1.0)
    return Axis([-end if symmetric else 0.0, end], labels=6 if symmetric else 4)
