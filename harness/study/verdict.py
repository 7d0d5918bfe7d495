"""The answer of a study at a glance: what changes tau, what does not, what is open, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from supernet.benchmarks.wording import counted, series
from supernet.harness.statistics.power import Design, detectable
from supernet.harness.statistics.printed import with_interval
from supernet.harness.study import on_average
from supernet.harness.study.results import Analysis, Row

MOST_NAMED = 6
"""Settings that a sentence names; of more it gives the number."""
MORE_SEEDS = 3
"""Seeds by which a study is extended unless said otherwise."""


@dataclass(frozen=True)
class Step:
    """Something to do next."""

    why: str
    command: str | None = None


@dataclass(frozen=True)
class Mark:
    """A value on the axis of tau that the base is seen against."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def headline(a: Analysis) -> str:
    """The answer in one sentence, after a warning if the base has hardly learnt."""
    return f"The base classifies no better than chance. {_answer(a)}" if _base_at_chance(a) else _answer(a)


def _base_at_chance(a: Analysis) -> bool:
    """Whether no super-net of the base classifies better than guessing."""
    return bool(a.base.taus) and set(a.base.at_chance) >= set(a.base.taus)


def _answer(a: Analysis) -> str:
    if a.design == "screen" and a.factors:
        return on_average.main(a.factors)
    if not a.rows[1:]:
        return "The study has no setting but its base."
    if not a.tested:
        return untested(a)
    if not a.clear:
        one = len(a.tested) == 1
        subject = f"{a.tested[0].label} does not" if one else f"None of {len(a.tested)} changes"
        return f"{subject} {'clearly change' if one else 'clearly changes'} Kendall's tau."
    parts = []
    for verb, sign in (("raise", 1), ("lower", -1)):
        rows = [row for row in a.clear if row.difference and row.difference.value * sign > 0]
        if rows:
            parts.append(f"{_and(rows)} {verb}{'s' if len(rows) == 1 else ''} it")
    count = f"{len(a.clear)} of {len(a.tested)} changes clearly change{'s' if len(a.clear) == 1 else ''} Kendall's tau"
    return f"{count}: {'; '.join(parts)}."


def untested(a: Analysis) -> str:
    """Why no setting is compared with the base by a test."""
    if a.base.tau is None:
        return (
            f"No setting can be tested: {len(a.base.diverged)} of {counted(len(a.base.states), 'run', 'runs')} of the "
            "base diverged, so that the others do not stand for it."
        )
    return "No setting can be tested: a test needs two or more seeds of both the setting and the base."


def certainty(a: Analysis) -> str | None:
    """How sure the headline is, and what it could not see."""
    if a.design == "screen" and a.factors:
        return f"{on_average.undecided(a.factors)} {on_average.meaning(a.factors)}".strip() or None
    if not a.tested:
        return None
    parts = []
    if a.clear:
        which = "This change is" if len(a.clear) == 1 else "Each of these changes is"
        parts.append(f"{which} significant at the 5 % level after correction for all comparisons with the base.")
        if any(row.label in a.looked for row in a.clear):
            parts.append("Seeds were added after a look at earlier results, which the test does not account for.")
    if a.negligible:
        parts.append(f"{_count(a.negligible)} shown to change tau by less than {a.margin:g}: {_and(a.negligible)}.")
    if a.undecided:
        parts.append(f"{_count(a.undecided)} undecided, which does not mean without effect{reach(a)}.")
    if a.free_ranking and a.base.adds:
        parts.append(adds(a))
    return " ".join(parts) or None


def adds(a: Analysis) -> str:
    """What super-nets add to the training-free ranking: those of the base, and the settings that clearly differ."""
    free, own = a.free_ranking, a.base.adds
    if free is None or own is None:
        return ""
    told = with_interval(own, "+.3f")
    known = own.low is not None and own.high is not None and not own.low <= 0 <= own.high
    verb = f"changes it by {told}" if known else f"does not clearly change it: {told}"
    first = f"Fused with {free.rule}, which ranks without training with a tau of {free.tau:.2f}, the base {verb}"
    parts = [first]
    for direction, sign in (("more", 1), ("less", -1)):
        rows = [row for row in a.rows if (d := row.adds_difference) and d.clear and d.value * sign > 0]
        if rows:
            parts.append(f"{_and(rows)} clearly add{'s' if len(rows) == 1 else ''} {direction} than the base")
    return "; ".join(parts) + "."


def reach(a: Analysis) -> str:
    """Which differences the design finds, to end a sentence; nothing if it finds all that are printed."""
    if a.detectable is None or a.detectable < 0.005:
        return ""
    if a.finds is None:
        return ": with so few seeds, this design detects no difference reliably, however large"
    return f": this design detects differences of {a.finds:.2f} or more"


def word(row: Row, margin: float) -> str:
    """The verdict on one setting, in a few words."""
    d = row.difference
    if row.tau is None:
        return ", ".join(dict.fromkeys(state for state in row.states.values() if state != "done")) or "no mean"
    if d is None or d.p is None:
        return "not tested"
    if d.clear:
        return "raises tau" if d.value > 0 else "lowers tau"
    if d.negligible(margin):
        return f"negligible (below {margin:g})"
    return "undecided"


def marks(a: Analysis) -> list[Mark]:
    """What the base is measured against: no ranking, the parameter count, what a perfect ranker could reach."""
    found = [Mark("parameter count", a.params_tau)]
    if a.base.tau:
        found.insert(0, Mark("base", a.base.tau.value, a.base.tau.low, a.base.tau.high))
    best = max((row for row in a.rows[1:] if row.tau), key=lambda row: row.tau.value if row.tau else 0, default=None)
    if best and best.tau and best.difference and best.difference.clear and best.difference.value > 0:
        found.append(Mark(best.label, best.tau.value, best.tau.low, best.tau.high))
    if a.free_ranking:
        found.append(Mark(f"{a.free_ranking.rule}, no training", a.free_ranking.tau))
    if a.ceiling:
        found.append(Mark("attainable by a perfect ranker", a.ceiling.attainable))
    return found


def steps(a: Analysis) -> list[Step]:
    """What to do next, the most useful first."""
    found = []
    missing = a.missing
    if missing:
        are, them = ("run is", "it") if missing == 1 else ("runs are", "them")
        found.append(Step(f"{missing} {are} not done. This makes {them}:", f"supernet study run {a.command}"))
    if a.base.tau is None:
        found.append(
            Step("Find a base that trains, such as one with a lower `training.learning_rate` or with `training.clip`.")
        )
    elif not a.tested and a.rows[1:] and a.design != "screen":
        found.append(
            Step("Give every setting three seeds or more: `seeds: {base: 12, others: 3}` in the study's file.")
        )
    if _base_at_chance(a):
        found.append(Step("Train the base until it classifies better than chance; changes to it can then be compared."))
    if a.undecided and a.design not in ("staged", "screen") and not missing:
        found.append(_extension(a))
    if not missing and (why := _more_seeds_for_all(a)):
        found.append(Step(f"{why}, raise `seeds` in the study's file."))
    gains = [row for row in a.clear if row.difference and row.difference.value > 0]
    if gains:
        found.append(
            Step(f"Put {_and(gains)} into the recipe of the base, and see what else helps there: effects can interact.")
        )
    beside = a.beside_params
    if beside and beside.value < 0 and beside.p is not None and beside.p < 0.05:
        found.append(
            Step(
                f"The base ranks worse than parameter count ({a.params_tau:.2f}). Do not use its ranking alone; longer "
                f"training{' or what raises tau' if gains else ''} may help."
            )
        )
    return found


def _more_seeds_for_all(a: Analysis) -> str:
    """Why a plan that only as a whole can have more seeds needs them; empty if it does not."""
    if a.design == "staged" and a.undecided:
        return f"{_count(a.undecided)} undecided. To see smaller effects"
    if a.design != "screen":
        return ""
    tested = [effect for effect in (a.factors.main if a.factors else []) if effect.p is not None]
    count = sum(not effect.clear for effect in tested)
    if count:
        return f"{count} {'effect is' if count == 1 else 'effects are'} undecided. To see smaller effects"
    return "" if tested else "To test the effects"


def _extension(a: Analysis) -> Step:
    """More seeds for what is undecided, and what they would show."""
    count = len(a.undecided)
    runs = count * MORE_SEEDS
    sees = None
    if a.seed_sd is not None:
        seeds = min(len(row.taus) for row in a.undecided) + MORE_SEEDS
        sees = detectable(a.seed_sd, Design(len(a.tested), len(a.base.taus), seeds), a.sampling)
    largest = 1 + abs(a.base.tau.value) if a.base.tau else 2.0
    finds = f"; the smallest difference they find is {sees:.2f}" if sees and sees <= largest else ""
    them = "it" if count == 1 else "each of them"
    return Step(
        f"{count} {'change is' if count == 1 else 'changes are'} undecided. {MORE_SEEDS} more seeds of {them} are "
        f"{runs} runs{finds}:",
        f"supernet study extend {a.command} --seeds {MORE_SEEDS}",
    )


def _and(rows: Sequence[Row]) -> str:
    """Labels of settings as a list in a sentence."""
    return series([row.label for row in rows], MOST_NAMED)


def _count(rows: Sequence[Row]) -> str:
    return f"{len(rows)} {'change is' if len(rows) == 1 else 'changes are'}"
