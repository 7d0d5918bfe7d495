"""The columns of the table of effects on a study's page: what each means, shows and sorts by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from supernet.harness.correlation.report import RANDOM_DRAWS
from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.statistics.printed import ABSENT, Interval, number, p_text, with_interval
from supernet.harness.statistics.seeds import Difference
from supernet.harness.study import verdict
from supernet.harness.study.results import Analysis, Row

CLEAR = 0.05
"""Dunnett-corrected p-value under which an effect counts as clear."""
FIRST = frozenset({"Heuristic", "Value", "Runs", "τ", "Difference", "p", "Regret@1", "Accuracy"})
"""Columns that are shown at first; in every group they come before the others."""
_TEXT: dict[str, Any] = {"first": "ascending", "kind": "text"}


@dataclass(frozen=True)
class Column:
    """A column of the table of effects."""

    group: str
    title: str
    meaning: str
    cell: Callable[[Row], tuple[object, float | str | None]]
    """What it shows and what it sorts by; None sorts last."""
    first: str = "descending"
    """Order of the first click."""
    kind: str = "number"
    folded: bool = False
    """Whether the column is shown only where all are asked for."""


def columns(a: Analysis) -> list[Column]:
    """All columns of the table of effects, from left to right."""
    every = [*_setting(), *_ranking(a), *_finding(), *_supernet(), *_stability(), *_costs()]
    return [replace(column, folded=column.title not in FIRST) for column in every]


def _setting() -> list[Column]:
    return [
        Column("Setting", "Heuristic", "What is changed; the base is the recipe as given.", _heuristic, **_TEXT),
        Column("Setting", "Value", "What it is changed to.", _plain(lambda row: row.value), **_TEXT),
        Column("Setting", "Runs", "Finished runs of those planned, and what became of the others.", _runs, "ascending"),
        Column("Setting", "Family", "The kind of change.", _plain(lambda row: row.family), **_TEXT),
    ]


def _ranking(a: Analysis) -> list[Column]:
    level = f"{100 * a.level:g} %"
    tau = (
        "Kendall's τ-b between scores and true accuracies, mean over seeds: 1 for the same order, 0 for none in "
        f"common, −1 for the reverse. In brackets the {level} interval over architectures and seeds; of two seeds "
        "the two values, of one seed the interval over architectures alone."
    )
    bins = "τ against true accuracies cut into bins of {} points from 0 (floor), so that smaller differences are ties."
    found = [Column("Ranking", "τ", tau, _tau)]
    if a.free_ranking:
        rule = a.free_ranking.rule
        adds = (
            f"τ of the super-net's scores fused with {rule}, which ranks without training, minus τ of {rule} alone: "
            f"what the super-net knows beyond it, mean over seeds. In brackets the {level} interval."
        )
        found.append(Column("Ranking", "Adds", adds, _interval(lambda row: row.adds)))
    if a.design != "screen":
        found += _against_base(a, level)
    return [
        *found,
        Column("Ranking", "Sparse τ @0.1", bins.format("0.1"), _mean("sparse_tau@0.1")),
        Column("Ranking", "Sparse τ @1", bins.format("1"), _mean("sparse_tau@1")),
        Column("Ranking", "τ top 10 %", "τ among the truly best 10 % alone; no interval.", _mean("tau_top_10")),
    ]


def _against_base(a: Analysis, level: str) -> list[Column]:
    difference = (
        "Mean τ minus that of the base, unpaired, over every seed that is there. Arrows say up or down; they are "
        f"filled where p < {CLEAR:g}. The intervals of all settings hold together with {level}. Settings with one seed "
        "are not tested."
    )
    expected = (
        "The difference to expect given all differences of the study, of which the largest are too large (empirical "
        "Bayes: true means of settings from one normal law). No interval belongs to it."
    )
    dunnett = "Two-sided p-value of the difference, Dunnett-corrected for all comparisons with the base."
    verdicts = (
        "Clear: p below 0.05. Negligible: shown to be smaller than the study's margin by two one-sided tests with a "
        "family-wise level of 5 %. Undecided: neither."
    )
    q = (
        "Expected share of false findings if all settings with a q no larger than this are called changes (Benjamini "
        "and Hochberg): for screening."
    )
    partial = (
        "Kendall's partial τ given parameter count minus that of the base: what changes beyond size. In brackets the "
        f"{level} interval, Dunnett-corrected for this outcome on its own."
    )
    found = [
        Column("Ranking", "Difference", difference, _difference),
        Column("Ranking", "Expected", expected, _expected),
        Column("Ranking", "p", dunnett, _p(lambda d: d.p_corrected), "ascending"),
        Column("Ranking", "Verdict", verdicts, lambda row: _verdict(row, a.margin), **_TEXT),
        Column("Ranking", "q", q, _p(lambda d: d.q), "ascending"),
        Column("Ranking", "Partial Δτ", partial, _interval(lambda row: row.partial_difference)),
    ]
    if a.free_ranking:
        adds = (
            f"What is added minus what the base adds. In brackets the {level} interval, Dunnett-corrected for this "
            "outcome on its own."
        )
        found.append(Column("Ranking", "ΔAdds", adds, _interval(lambda row: row.adds_difference)))
    return found


def _finding() -> list[Column]:
    regret = (
        "True accuracy lost by the best-scored architecture against the best of all, percentage points: a mean over "
        "seeds without an interval, which varies much between them."
    )
    of_ten = "The same for the best of the ten that score best."
    surpass = (
        "Probability that the best-scored architecture is not beaten by the best of "
        f"{RANDOM_DRAWS} architectures drawn at random without repeats."
    )
    return [
        Column("Finding good ones", "Regret@1", regret, _mean("regret@1", ".2f"), "ascending"),
        Column("Finding good ones", "Regret@10", of_ten, _mean("regret@10", ".2f"), "ascending"),
        Column("Finding good ones", "P(surpass random)", surpass, _mean("surpass_random")),
    ]


def _supernet() -> list[Column]:
    accuracy = "Mean validation accuracy of the architectures with shared weights, percent."
    return [Column("Super-net", "Accuracy", accuracy, _mean("supernet_accuracy", ".1f"))]


def _stability() -> list[Column]:
    seeds = "Mean τ between the scores of two seeds: how far a ranking repeats itself."
    epochs = "Mean τ between the scores of two successive last epochs."
    spread = "Standard deviation of τ over the last epochs."
    return [
        Column("Stability", "Seeds, τ", seeds, _number(lambda row: row.seed_tau)),
        Column("Stability", "Epochs, τ", epochs, _number(lambda row: row.epoch_tau)),
        Column("Stability", "Epochs, sd", spread, _number(lambda row: row.epoch_sd), "ascending"),
    ]


def _costs() -> list[Column]:
    seconds, images = "Seconds of training, mean over seeds.", "Images trained on, mean over seeds."
    return [
        Column("Cost per run", "Train, s", seconds, _cost("train_seconds"), "ascending"),
        Column("Cost per run", "Train images", images, _cost("train_images"), "ascending"),
    ]


# ---- cells: what is shown, and what it sorts by ----------------------------------------------------------------------


def _plain(text: Callable[[Row], str]) -> Callable[[Row], tuple[object, str | None]]:
    return lambda row: (text(row) or ABSENT, text(row) or None)


def _heuristic(row: Row) -> tuple[Html, str]:
    """With the value a second time, for screens where the column of values scrolls away."""
    return join([row.heuristic, " ", el("span", row.value, class_="also", aria_hidden="true")]), row.heuristic


def _mean(name: str, form: str = ".3f") -> Callable[[Row], tuple[str, float | None]]:
    return lambda row: (number(row.means.get(name), form), row.means.get(name))


def _interval(found: Callable[[Row], Interval | None]) -> Callable[[Row], tuple[str, float | None]]:
    def shown(row: Row) -> tuple[str, float | None]:
        estimate = found(row)
        return with_interval(estimate, "+.3f"), None if estimate is None else estimate.value

    return shown


def _number(value: Callable[[Row], float | None]) -> Callable[[Row], tuple[str, float | None]]:
    return lambda row: (number(value(row)), value(row))


def _cost(name: str) -> Callable[[Row], tuple[str, float | None]]:
    return lambda row: (number(row.costs.get(name), ",.0f"), row.costs.get(name))


def _runs(row: Row) -> tuple[Html, float]:
    states = row.states
    done = sum(state == "done" for state in states.values())
    others = [
        el("span", f"seed {seed}: {state}", class_="state", data_state=state)
        for seed, state in states.items()
        if state != "done"
    ]
    return join([f"{done} of {len(states)} ", *others]), done


def _tau(row: Row) -> tuple[object, float | None]:
    tau = row.tau
    if tau is None:
        return ", ".join(dict.fromkeys(row.states.values())), None
    if tau.low is None:
        return f"{number(tau.value)} ({', '.join(number(value) for value in row.taus.values())})", tau.value
    return with_interval(tau), tau.value


def _difference(row: Row) -> tuple[object, float | None]:
    d = row.difference
    if d is None:
        return ABSENT, None
    if d.p_corrected is None or d.low is None or d.high is None:
        return number(d.value, "+.3f"), d.value
    clear = d.p_corrected < CLEAR
    up = d.value > 0
    arrow = "•" if d.value == 0 else ("▲" if up else "▼") if clear else ("△" if up else "▽")
    words = f"{'up' if up else 'down'}, {'clear' if clear else 'not clear'}" if d.value else "none"
    shown = [el("span", arrow, class_="arrow", role="img", aria_label=words), " ", with_interval(d, "+.3f")]
    effect = ("gain" if up else "loss") if clear else "unclear"
    return el("span", *shown, class_=f"effect {effect}"), d.value


def _expected(row: Row) -> tuple[object, float | None]:
    value = row.difference.expected if row.difference else None
    return (ABSENT, None) if value is None else (number(value, "+.3f"), value)


def _verdict(row: Row, margin: float) -> tuple[str, str]:
    word = ABSENT if row.difference is None and row.tau else verdict.word(row, margin).replace("tau", "τ")
    return word, word


def _p(value: Callable[[Difference], float | None]) -> Callable[[Row], tuple[str, float | None]]:
    def shown(row: Row) -> tuple[str, float | None]:
        p = value(row.difference) if row.difference else None
        return (ABSENT, None) if p is None else (p_text(p), p)

    return shown
