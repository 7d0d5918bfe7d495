"""The table of a study's page on choices that need no training, each compared within runs."""

from __future__ import annotations

from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.report.study.columns import CLEAR
from supernet.harness.statistics.printed import ABSENT, bounds, number, p_text
from supernet.harness.study.beside import STATISTICS
from supernet.harness.study.free import Free
from supernet.harness.study.plan import BASE
from supernet.harness.study.results import Analysis

HEADS = {"Choice": "text", "Change of τ": "number", "p": "number", "Settings": "number", "Runs": "number"}
"""Headings, with what stands below them."""
NOTE = (
    "Differences within runs, as means over settings, with 95 % intervals that hold one by one for these settings and "
    "architectures. The gain of averaged seeds is that of the base, and is not tested."
)


def on_page(a: Analysis) -> Html:
    """The table with its heading; nothing where a study compares no such choice."""
    lines = _lines(a.free) if a.free else []
    if not lines:
        return Html("")
    head = el("thead", el("tr", *(el("th", title, scope="col", class_=kind) for title, kind in HEADS.items())))
    region = {"role": "region", "aria_label": "Choices that need no training"}
    scrolled = el("div", el("table", head, el("tbody", *lines)), class_="scroll", tabindex=0, **region)
    return join([el("h3", "Choices that need no training"), el("p", NOTE, class_="soft"), scrolled])


def _lines(free: Free) -> list[Html]:
    compared = {
        "loss as the score, instead of accuracy": free.metric,
        "all images, instead of the first quarter": free.images,
        **{
            f"{STATISTICS[s.other]} of batch norm, instead of {STATISTICS[s.own]}": s.difference
            for s in free.statistics
        },
        f"mean ranks of the last {free.last_epochs} epochs, instead of the last": free.epochs,
    }
    lines = [_line(choice, str(b.blocks), b.runs, b.value, b.low, b.high, b.p) for choice, b in compared.items() if b]
    base = next((one for one in free.ensembles if one.label == BASE), None)
    if base:
        g = base.gain
        lines.append(
            _line(f"mean ranks of {base.seeds} seeds, instead of one", BASE, base.seeds, g.value, g.low, g.high, None)
        )
    return lines


def _line(
    choice: str, where: str, runs: int, value: float, low: float | None, high: float | None, p: float | None
) -> Html:
    side = "unclear" if p is None or p >= CLEAR else "gain" if value > 0 else "loss"
    shown = el("span", number(value, "+.3f") + bounds(low, high, "+.3f"), class_=f"effect {side}")
    return el(
        "tr",
        el("th", choice, scope="row", class_="text"),
        *(el("td", text, class_="number") for text in (shown, ABSENT if p is None else p_text(p), where, str(runs))),
    )
