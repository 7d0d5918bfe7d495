"""The findings of a comparison of searches in sentences, each of which follows from the numbers by a fixed rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.truth.table import Measure
from supernet.benchmarks.wording import counted
from supernet.harness.search.analysis import Entry, Outcome
from supernet.harness.search.contrasts import LEAST, LEVEL, Contrast, smallest_p
from supernet.harness.statistics.printed import bounds, number, p_relation

UNIFORM = 0.95
"""Share of the largest entropy from which on a distribution is called near-uniform: a convention of this report."""


def findings(outcome: Outcome) -> list[str]:
    """Return sentences about the numbers; the first says what the tests of the algorithms show."""
    known = [entry for entry in outcome.best_first if entry.summary(outcome.measures[0])[0] is not None]
    said = [headline(outcome)]
    if len(known) > 1:
        said += [sentence for sentence in (_all_together(outcome), _highest(outcome, known)) if sentence]
    said += _about_pairs(outcome)
    return said + _about_training(outcome)


def headline(outcome: Outcome) -> str:
    """Say what the tests of the algorithms show, or that there are none because there are too few seeds."""
    main = outcome.measures[0]
    known = [entry for entry in outcome.best_first if entry.summary(main)[0] is not None]
    if not known:
        return "No search is done yet."
    if len(known) == 1:
        mean = known[0].summary(main)[0] or 0.0
        count = counted(_seeds(outcome, known[0]), "search", "searches")
        return (
            f"{known[0].title}: mean {short(main)} accuracy {mean:.2f} % over {count}, "
            f"{outcome.best - mean:.2f} points below the best known ({outcome.best:.2f} %)."
        )
    if max(_seeds(outcome, entry) for entry in known) == 1:
        return "This is one search of each algorithm. It describes these searches and does not compare the algorithms."
    return _against_random(outcome) if outcome.versus else _without_random(outcome)


def _against_random(outcome: Outcome) -> str:
    titles = {entry.name: entry.title for entry in outcome.entries}
    tested = [c for c in outcome.versus if c.adjusted is not None]
    if not tested:
        return f"No algorithm could be tested against random search{too_few(outcome.versus)}"
    left = len(outcome.versus) - len(tested)
    rest = f" {counted(left, 'algorithm has', 'algorithms have')} too few seeds for a test." if left else ""
    groups = []
    for what, chosen in (
        ("better", [c for c in tested if c.clear and c.difference > 0]),
        ("worse", [c for c in tested if c.clear and c.difference < 0]),
    ):
        if chosen:
            each = "; ".join(f"{titles[c.first]} {difference(c)}" for c in sorted(chosen, key=lambda c: -c.difference))
            groups.append(f"{len(chosen)} {_is(len(chosen))} clearly {what} ({each})")
    count = counted(len(tested), "algorithm", "algorithms")
    if not groups:
        seeds = _range([c.first_seeds for c in tested] + [c.second_seeds for c in tested])
        return f"No algorithm is distinguishable from random search with {seeds} seeds each ({count} tested).{rest}"
    return f"Of {count} tested against random search, {' and '.join(groups)}, points of accuracy.{rest}"


def _without_random(outcome: Outcome) -> str:
    tested = [c for c in outcome.pairs if c.adjusted is not None]
    if not tested:
        return f"No two algorithms could be compared by a test{too_few(outcome.pairs)}"
    clear = sum(c.clear for c in tested)
    return (
        f"Of {counted(len(tested), 'pair', 'pairs')} of algorithms tested, {clear} {_differs(clear)} clearly "
        "(false discovery rate 5 %); there is no random search to compare with."
    )


def too_few(contrasts: Sequence[Contrast]) -> str:
    """Say why none of these contrasts was tested, as the end of a sentence."""
    best = max(contrasts, key=lambda c: (min(c.first_seeds, c.second_seeds), c.first_seeds + c.second_seeds))
    counts = sorted((best.first_seeds, best.second_seeds))
    seeds = _range([n for c in contrasts for n in (c.first_seeds, c.second_seeds)])
    said = f" with {seeds} {'seed' if seeds == '1' else 'seeds'} each: tests need {LEAST} seeds of both algorithms."
    least = smallest_p(*counts)
    if least * len(contrasts) >= LEVEL:
        correction = f", before any correction for {len(contrasts):,} tests" if len(contrasts) > 1 else ""
        said += (
            f" A rank test of {counts[0]} against {counted(counts[1], 'search', 'searches')} cannot give a p-value "
            f"below {least:.2g}{correction}."
        )
    return said


def _all_together(outcome: Outcome) -> str:
    test = outcome.omnibus
    if test is None:
        return ""
    how = "Kruskal and Wallis' test" + (", by permutations" if test.permuted else "")
    if test.p < LEVEL:
        return f"Taken together, the algorithms differ by more than chance explains ({how}: p {p_relation(test.p)})."
    return f"Taken together, the algorithms are not shown to differ ({how}: p {p_relation(test.p)})."


def _highest(outcome: Outcome, known: Sequence[Entry]) -> str:
    """Name the algorithm with the highest mean if tests tell what it is worth; otherwise give the range of means."""
    main = outcome.measures[0]
    means = [entry.summary(main)[0] or 0.0 for entry in known]
    top = known[0]
    rivals = [c for c in outcome.pairs if top.name in (c.first, c.second)]
    below = f"{outcome.best - means[0]:.2f} points below the best known ({outcome.best:.2f} %)"
    if any(c.adjusted is None for c in rivals) or _near_uniform(top):
        lowest = f"Mean {short(main)} accuracies of the algorithms go from {means[-1]:.2f} % to {means[0]:.2f} %"
        return f"{lowest}; the highest is {below}."
    open_still = [c.second if c.first == top.name else c.first for c in rivals if not c.clear]
    titles = "; ".join(entry.title for entry in known if entry.name in open_still)
    return f"The highest mean {short(main)} accuracy is that of {top.title}: {means[0]:.2f} %, {below}; " + (
        f"not clearly above that of {titles}." if open_still else "clearly above all others."
    )


def _about_pairs(outcome: Outcome) -> list[str]:
    tested = [c for c in outcome.pairs if c.adjusted is not None]
    if len(outcome.pairs) < 3 or not tested or not outcome.versus:
        return []
    clear = sum(c.clear for c in tested)
    return [
        f"Of all {len(tested)} pairs of algorithms tested, {clear} {_differs(clear)} clearly "
        "(exploratory: false discovery rate 5 %)."
    ]


def _about_training(outcome: Outcome) -> list[str]:
    """Describe the super-nets at the end of their training."""
    said = []
    titles = {entry.name: entry.title for entry in outcome.entries}
    decided = [entry for entry in outcome.entries if _at_end(entry, "entropy") is not None]
    if decided:
        open_still = [entry.title for entry in decided if _near_uniform(entry)]
        said.append(
            f"Of {counted(len(decided), 'distribution', 'distributions')} over architectures, {len(open_still)} "
            f"{_is(len(open_still))} near-uniform at the end (mean entropy at least {100 * UNIFORM:.0f} % of the "
            "largest)" + (f", so that their picks say little: {'; '.join(open_still)}." if open_still else ".")
        )
    skips = {entry.name: skip for entry in outcome.entries if (skip := _at_end(entry, "skips")) is not None}
    if partner := next((name for name in ("gaea-darts-erm", "gaea-darts") if {"darts", name} <= skips.keys()), None):
        said.append(
            f"Skip connections in the final picks: {titles['darts']}: {100 * skips['darts']:.0f} %; {titles[partner]}: "
            f"{100 * skips[partner]:.0f} % of edges{_by_chance(space(outcome.comparison.space))}."
        )
    gaps = {entry.title: gap for entry in outcome.entries if (gap := _gap(entry)) is not None}
    if gaps:
        ends = dict.fromkeys((min(gaps, key=gaps.__getitem__), max(gaps, key=gaps.__getitem__)))
        said.append(
            "Accuracy of the mixture − accuracy of its pick, with the same shared weights at the end: "
            + " to ".join(f"{number(gaps[title], '+.0f')} points ({title})" for title in ends)
            + "."
        )
    return said


def _by_chance(within: SearchSpace) -> str:
    """Say how many edges of a random architecture are skip connections, where all decisions have the same options."""
    options, *others = {len(decision.options) for decision in within.decisions}
    if others:
        return ""
    without = f", or {100 / (options - 1):.0f} % without none" if within.idle_option is not None else ""
    return f"; a random architecture has {100 / options:.0f} %{without}"


def near_uniform(outcome: Outcome) -> list[Entry]:
    """Return the algorithms whose distributions over architectures are near-uniform at the end."""
    return [entry for entry in outcome.entries if _near_uniform(entry)]


def _near_uniform(entry: Entry) -> bool:
    entropy = _at_end(entry, "entropy")
    return entropy is not None and entropy >= UNIFORM


def _seeds(outcome: Outcome, entry: Entry) -> int:
    """Return the number of searches whose final accuracy is known."""
    values = entry.final.get(str(outcome.measures[0]), np.empty(0))
    return int((~np.isnan(values)).sum())


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _differs(n: int) -> str:
    return "differs" if n == 1 else "differ"


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def difference(contrast: Contrast) -> str:
    """Write a difference and its interval, such as +0.25 [+0.21, +0.29], with enough digits to tell the ends from 0."""
    digits = 2
    while digits < 6 and any(end != 0 and round(end, digits) == 0 for end in (contrast.low, contrast.high)):
        digits += 1
    form = f"+.{digits}f"
    return number(contrast.difference, form) + bounds(contrast.low, contrast.high, form)


def _at_end(entry: Entry, column: str) -> float | None:
    """Return the mean over seeds of a column in the last rows of searches; None if the algorithm has no such column."""
    if not entry.sharing or not entry.picks:
        return None
    values = entry.trace.sort_values("step").groupby("seed")[column].last().astype(float)
    return None if values.isna().all() else float(values.mean())


def _gap(entry: Entry) -> float | None:
    """Return the accuracy of the mixture minus that of its pick at the end, mean over seeds, in points; None without a
    mixture."""
    mixture, pick = _at_end(entry, "mixture_accuracy"), _at_end(entry, "pick_accuracy")
    return None if mixture is None or pick is None else mixture - pick


def short(measure: Measure) -> str:
    """Return data set and split of a measure, such as cifar10 test."""
    return f"{measure.dataset} {measure.split}"
