"""The effects of a study's heuristics on average over the others, in words."""

from __future__ import annotations

from supernet.benchmarks.wording import series
from supernet.harness.statistics.linear import LENTH, SEEDS
from supernet.harness.statistics.printed import number, p_relation
from supernet.harness.study.factors import Effect, Factors

MOST_NAMED = 8
"""Effects that a sentence names; of more it gives the number."""


def on_average(f: Factors) -> str:
    """What is clear, what is undecided, what cannot be told, and in what sense the effects are averages."""
    parts = (main, undecided, _interactions, _untold, _incomplete, meaning)
    return " ".join(sentence for part in parts if (sentence := part(f)))


def error_in_words(f: Factors) -> str:
    """Where the standard errors come from."""
    if f.error is None or f.df is None:
        return "nothing tells how uncertain they are: more seeds would"
    source = {
        SEEDS: "the spread between seeds",
        LENTH: "the smaller ones of the effects themselves (Lenth's pseudo standard error)",
    }.get(f.error, "how far settings lie from the sum of the effects")
    return f"their standard errors come from {source}, with {f.df:.3g} degrees of freedom"


def main(f: Factors) -> str:
    """What is clear, or why nothing can be."""
    if not f.main:
        return "No effect on average over the other heuristics can be told from the settings that have a tau."
    if f.error is None:
        return (
            "Effects on average over the other heuristics cannot be tested: nothing tells how uncertain they are. "
            "Give the settings more seeds."
        )
    clear = sorted((effect for effect in f.main if effect.clear), key=lambda effect: -abs(effect.value))
    count = (
        f"{len(clear)} of {len(f.main)} effects {'is' if len(clear) == 1 else 'are'} clear "
        "(p < 0.05 after Holm's correction)"
    )
    if not clear:
        return f"On average over the other heuristics, no heuristic clearly changes tau; {count}."
    return f"On average over the other heuristics, {series([_moves(effect) for effect in clear], MOST_NAMED)}; {count}."


def _moves(effect: Effect) -> str:
    verb = "raises" if effect.value > 0 else "lowers"
    return f"{effect.label} {verb} tau by {abs(effect.value):.2f}{_ends(effect)}"


def _ends(effect: Effect) -> str:
    """The interval of the size of an effect."""
    if effect.low is None or effect.high is None:
        return ""
    low, high = (effect.low, effect.high) if effect.value > 0 else (-effect.high, -effect.low)
    return f" [{low:.2f}, {high:.2f}]"


def undecided(f: Factors) -> str:
    """What is not shown to be 0, and how small an effect the design finds."""
    open_ = sum(effect.p is not None and not effect.clear for effect in f.main)
    if not open_:
        return ""
    finds = "with so few runs, this design detects no effect reliably, however large"
    if f.detectable is not None:
        finds = f"this design detects effects of {f.detectable:.2f} or more, with a probability of 80 %"
    return f"{open_} {'are' if open_ > 1 else 'is'} undecided, not shown to be 0: {finds}."


def _interactions(f: Factors) -> str:
    clear = sorted((effect for effect in f.interactions if effect.clear), key=lambda effect: -abs(effect.value))
    if clear:
        texts = [f"{effect.label} ({number(effect.value, '+.2f')})" for effect in clear]
        return (
            f"{len(clear)} of {len(f.interactions)} interactions {'is' if len(clear) == 1 else 'are'} clear: "
            f"{series(texts, MOST_NAMED)}; the number is how much larger the effect of the one is with the other."
        )
    if f.lack_of_fit_p is None or f.interactions:
        return ""
    if f.lack_of_fit_p < 0.05:
        return (
            "Heuristics interact: settings differ from the sum of the effects by more than seeds do (F test, "
            f"p {p_relation(f.lack_of_fit_p)})."
        )
    return (
        "Interactions are not shown: settings do not differ from the sum of the effects by clearly more than seeds do "
        f"(F test, p {p_relation(f.lack_of_fit_p)})."
    )


def _untold(f: Factors) -> str:
    return f"The settings that have a tau do not tell the effect of {series(f.untold, MOST_NAMED)}." if f.untold else ""


def _incomplete(f: Factors) -> str:
    missing = f.planned - f.settings
    if not missing:
        return ""
    diverged = f" ({f.diverged} runs diverged)" if f.diverged > 1 else " (one run diverged)" if f.diverged else ""
    return (
        f"{missing} of the {f.planned} settings of the design {'has' if missing == 1 else 'have'} no tau{diverged}: "
        "the effects are those among the others, and mixed with interactions as their table says."
    )


def meaning(f: Factors) -> str:
    """In what sense the effects are averages."""
    return "An effect on average over the other heuristics can differ from the effect at the base." if f.main else ""
