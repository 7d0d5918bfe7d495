"""The effects of a study's heuristics on average over the others: as a figure and as tables."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from supernet.benchmarks.errors import UserError
from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.report.study.columns import CLEAR
from supernet.harness.report.style import BASELINE, COLUMN, FAINT, INK, PALETTE
from supernet.harness.statistics.printed import ABSENT, p_decimals, p_text, plain_interval, with_interval
from supernet.harness.study.factors import Effect, Factors
from supernet.harness.study.on_average import error_in_words
from supernet.harness.study.results import Analysis, Row


def shown(factors: Factors) -> list[Effect]:
    """The main effects, the largest first, then the clear interactions."""
    main = sorted(factors.main, key=lambda effect: -effect.value)
    return main + sorted((e for e in factors.interactions if e.clear), key=lambda effect: -effect.value)


def forest(analysis: Analysis, rows: list[Row]) -> Figure:
    """Effects on average over the other heuristics with 95 % intervals; clear ones coloured and filled.

    Raises:
        UserError: the study has none.
    """
    factors = _of(analysis)
    effects = shown(factors)
    figure = Figure(figsize=(1.55 * COLUMN, 0.9 + 0.17 * max(4, len(effects))))
    axis = figure.subplots()
    if factors.detectable is not None:
        axis.axvspan(-factors.detectable, factors.detectable, color=FAINT, alpha=0.5, linewidth=0, zorder=0)
    axis.axvline(0, color=INK, linewidth=0.7, zorder=1)
    for place, effect in enumerate(effects):
        colour = (PALETTE[0] if effect.value > 0 else PALETTE[3]) if effect.clear else BASELINE
        if effect.low is not None and effect.high is not None:
            axis.plot([effect.low, effect.high], [place, place], color=colour, linewidth=1.3, zorder=2)
        axis.scatter(
            effect.value, place, s=20, marker="o" if len(effect.heuristics) == 1 else "D", zorder=3, linewidths=1.0,
            facecolor=colour if effect.clear else "white", edgecolor=colour,
        )  # fmt: skip
    axis.set_yticks(range(len(effects)), [_short(e.label) for e in effects], fontsize=6.5, parse_math=False)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(effects) - 0.4, -0.6)
    axis.grid(axis="x", color=FAINT)
    words = "filled: p < 0.05 after Holm's correction" if factors.error else "not tested"
    words += "; diamonds: interactions" if len(effects) > len(factors.main) else ""
    words += "\nband: true effects that fewer than 80 % of such studies find" if factors.detectable is not None else ""
    axis.set_xlabel(f"effect on Kendall τ-b, on average over the other heuristics\n{words}")
    axis.spines[["top", "right", "left"]].set_visible(False)
    return figure


def _short(label: str) -> str:
    return label.replace("=", " = ") if len(label) < 60 else label[:57] + "…"


def frame(analysis: Analysis) -> pd.DataFrame:
    """One line per effect: main effects in the order of the study, then interactions.

    Raises:
        UserError: the study has none.
    """
    factors = _of(analysis)
    return pd.DataFrame(
        [
            {
                "effect": effect.label, "against": effect.against, "heuristics": len(effect.heuristics),
                "value": effect.value, "low": effect.low, "high": effect.high, "p": effect.p,
                "p_holm": effect.p_corrected, "aliased": effect.aliased,
            }
            for effect in [*factors.main, *factors.interactions]
        ]
    )  # fmt: skip


def summary(analysis: Analysis) -> pd.DataFrame:
    """The main effects and the clear interactions as a paper prints them."""
    return pd.DataFrame(
        [
            {
                "effect": effect.label.replace("×", "x"),
                "against": effect.against,
                "Δτ [95 %]": plain_interval(effect, "+.3f"),
                "p (Holm)": "" if effect.p_corrected is None else p_decimals(effect.p_corrected),
            }
            for effect in shown(_of(analysis))
        ]
    )


def _of(analysis: Analysis) -> Factors:
    if analysis.factors is None or not analysis.factors.main:
        raise UserError(
            "This study has no effects on average over the other heuristics: plan: screen and plan: grid have them, "
            "once enough of their runs are done."
        )
    return analysis.factors


# ---- on the page -----------------------------------------------------------------------------------------------------


def on_page(analysis: Analysis) -> Html:
    """What the page says before its table of settings: how to read it, and the effects of plans that have them."""
    factors = analysis.factors
    if factors is None or not factors.main:
        return Html("")
    heads = ("Effect", "Against", "Difference of τ", "p", "p (Holm)", "Interactions of two")
    head = el("thead", el("tr", *(el("th", title, scope="col") for title in heads)))
    body = el("tbody", *(_line(effect) for effect in shown(factors)))
    words = {"role": "region", "aria_label": "Effects on average over the other heuristics"}
    scrolled = el("div", el("table", head, body), class_="scroll", tabindex=0, **words)
    return join([el("p", _words(factors)), scrolled, *_mixed(factors)])


def _words(factors: Factors) -> str:
    return (
        f"Effects on average over the other heuristics, from {factors.settings} of {factors.planned} settings; "
        f"{error_in_words(factors)}. Each interval holds for itself with 95 %; p (Holm) is corrected for all main "
        "effects, or all interactions. Where heuristics interact, an effect on average differs from the one at the "
        "base."
    )


def _line(effect: Effect) -> Html:
    p = [ABSENT if value is None else p_text(value) for value in (effect.p, effect.p_corrected)]
    side = ("gain" if effect.value > 0 else "loss") if effect.clear else "unclear"
    value = el(
        "span", with_interval(effect, "+.3f"), class_=f"effect {side}"
    )  # fmt: skip
    return el(
        "tr",
        el("th", effect.label, scope="row", class_="text"),
        el("td", effect.against, class_="text"),
        el("td", value, class_="number"),
        *(el("td", text, class_="number") for text in p),
        el("td", effect.aliased, class_="text"),
    )


def _mixed(factors: Factors) -> list[Html]:
    """The interactions of a screen that cannot be told apart."""
    if factors.aliases:
        groups = [el("li", " = ".join(group)) for group in factors.aliases]
        return [el("details", el("summary", "Interactions that this design does not tell apart"), el("ul", *groups))]
    if factors.partial:
        words = "In the whole design, interactions of two heuristics are mixed with each other in part"
        return [el("p", f"{words}, and with no main effect.")]
    return []


def lead(analysis: Analysis) -> Html:
    """How to read the table of settings."""
    if analysis.design == "screen":
        text = (
            "The settings of the design, each with about half of the changes. One by one, they are not compared with "
            "the base. Click a heading to sort."
        )
    else:
        text = (
            f"All settings, each against the base. ▲ and ▼ are clear effects on τ (p below {CLEAR:g} after Dunnett's "
            "correction); △ and ▽ are undecided. Click a heading to sort."
        )
    return el("p", text)
