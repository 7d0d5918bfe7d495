"""The answer of a comparison of searches at a glance: what is clear, what the design can see, and what to do next."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path

import numpy as np
from scipy import stats

from supernet.benchmarks.spaces import DEFAULT_SPACE
from supernet.benchmarks.wording import counted, series
from supernet.harness.search import findings
from supernet.harness.search.analysis import Entry, Outcome
from supernet.harness.search.comparison import MOST_SEEDS, SCENES, Comparison
from supernet.harness.search.contrasts import LEAST, LEVEL, Contrast, smallest_p

POWER = 0.8
"""Probability with which the smallest detectable difference is found."""
MORE = 4
"""Factor on the number of seeds that is proposed for open comparisons; it halves the standard errors."""
NAMED = 4
"""Largest number of algorithms that the headline names in one group, our choice."""
LEAST_REACH = 1e-6
"""Smallest detectable difference that is stated, in points, our choice: smaller ones are rounding errors of searches
that all end with one accuracy."""


@dataclass(frozen=True)
class Step:
    """Something to do next."""

    why: str
    command: str | None = None


def headline(outcome: Outcome) -> str:
    """Name what is clearly better or worse than random search after correction, or say that nothing is."""
    tested = [c for c in outcome.versus if c.adjusted is not None]
    if not tested:
        return findings.headline(outcome)
    titles = {entry.name: entry.title for entry in outcome.entries}
    groups = []
    for what, sign in (("better", 1), ("worse", -1)):
        chosen = sorted((c for c in tested if c.clear and c.difference * sign > 0), key=lambda c: -sign * c.difference)
        if chosen:
            verb = "is" if len(chosen) == 1 else "are"
            groups.append(f"{_named([titles[c.first] for c in chosen])} {verb} clearly {what}")
    count = counted(len(tested), "algorithm", "algorithms")
    if not groups:
        return f"None of {count} is distinguishable from random search."
    left = len(tested) - sum(c.clear for c in tested)
    rest = f"; {left} of {count} {'is' if left == 1 else 'are'} not distinguishable from it" if left else ""
    return f"{', and '.join(groups)} than random search{rest}."


def _named(titles: Sequence[str]) -> str:
    """Titles in a sentence; what follows a comma in one is put into brackets, and long lists are shortened."""
    parts = (title.partition(", ") for title in titles)
    plain = [f"{kind} ({rest})" if rest else kind for kind, _, rest in parts]
    if len(plain) > NAMED:
        return f"{', '.join(plain[: NAMED - 1])} and {len(plain) - NAMED + 1} others"
    return series(plain)


def certainty(outcome: Outcome) -> str | None:
    """Say what this number of seeds can show; None if nothing is compared with random search."""
    if not outcome.versus:
        return None
    tested = [c for c in outcome.versus if c.p is not None]
    if not tested:
        return (
            f"This comparison describes {_seeds(outcome.versus, 'search', 'searches')} of each algorithm and tests "
            "nothing; differences between algorithms can be chance."
        )
    least = min(smallest_p(c.first_seeds, c.second_seeds) for c in tested) * len(tested)
    count = f"{len(tested)} comparisons (Holm)" if len(tested) > 1 else "one comparison"
    smallest = f"{least:.1g}" if least >= 1e-4 else "below 0.0001"
    parts = [
        f"{_seeds(tested, 'seed', 'seeds')} each; p-values are corrected for {count}, and the smallest possible is "
        f"{smallest}."
    ]
    reach = detectable(outcome)
    if reach is not None and reach >= LEAST_REACH:
        parts.append(
            f"A typical comparison detects differences of about {_points(reach)} points of accuracy or more (with 80 % "
            "probability, if accuracies were normally distributed)."
        )
    if any(not c.clear for c in tested):
        parts.append("Not distinguishable does not mean equal.")
    return " ".join(parts)


def detectable(outcome: Outcome, factor: float = 1.0) -> float | None:
    """Return the true difference from random search that a typical comparison finds with 80 % power, in points.

    It is an approximation by t tests with Bonferroni's correction, the median over the tested algorithms. Rank tests of
    normally distributed accuracies need about 5 % more seeds.

    Args:
        factor: multiplies the numbers of seeds; the spread between seeds stays.

    Returns:
        The difference; None if nothing is tested.
    """
    tested = [c for c in outcome.versus if c.p is not None]
    values = {entry.name: known_finals(outcome, entry) for entry in outcome.entries}
    found = []
    for c in tested:
        a, b = values[c.first], values[c.second]
        n, m = factor * len(a), factor * len(b)
        quantiles = [stats.t.ppf(share, n + m - 2) for share in (1 - LEVEL / 2 / len(tested), POWER)]
        found.append(sum(quantiles) * np.sqrt(a.var(ddof=1) / n + b.var(ddof=1) / m))
    return float(np.median(found)) if found else None


def known_finals(outcome: Outcome, entry: Entry) -> np.ndarray:
    """Return the known final accuracies of an algorithm by the first measure, in percent: (seeds,)."""
    values = entry.final.get(str(outcome.measures[0]), np.empty(0))
    return values[~np.isnan(values)]


def word(c: Contrast | None) -> str:
    """Return the verdict on one algorithm against random search in a few words."""
    if c is None:
        return "no result"
    if c.adjusted is None:
        return "not tested"
    if not c.clear:
        return "undecided"
    return "better" if c.difference > 0 else "worse"


def steps(outcome: Outcome) -> list[Step]:
    """Return what to do next, the most useful first."""
    c = outcome.comparison
    states = [state for entry in outcome.entries for state in entry.states.values()]
    missing = sum(state not in ("done", "diverged") for state in states)
    found = []
    if missing:
        verb = "search is" if missing == 1 else "searches are"
        found.append(Step(f"{missing:,} {verb} not done. This makes what is missing:", command(c)))
    if "random" not in c.algorithms and c.budget.kind != "passes":
        more = dataclasses.replace(c, algorithms=("random", *c.algorithms))
        found.append(Step("Add random search, which every algorithm should beat:", command(more)))
    found += _more_seeds(outcome)
    if (near := findings.near_uniform(outcome)) and c.budget.kind != "queries":
        count = f"{len(near)} distribution{' is' if len(near) == 1 else 's are'}"
        faster = command(dataclasses.replace(c, rate=10 * c.rate)) if math.isfinite(10 * c.rate) else None
        found.append(
            Step(
                f"{count} near-uniform at the end, so that their picks are close to random. Give a larger budget"
                + (", or larger learning rates of the distributions:" if faster else "."),
                faster,
            )
        )
    others = [dataset for space, dataset in SCENES if space == c.space and dataset not in (c.dataset, "digits")]
    contrasts = outcome.versus or outcome.pairs
    if not found and contrasts and all(one.clear for one in contrasts) and c.dataset != "digits" and others:
        other = dataclasses.replace(c, dataset=others[0])
        why = "Every comparison is decided. See whether the same holds on another data set:"
        found.append(Step(why, command(other)))
    return found


def _more_seeds(outcome: Outcome) -> list[Step]:
    """Return the step to more seeds, where a comparison with random search, or without that one of a pair, is open."""
    contrasts = outcome.versus or outcome.pairs
    c, opened = outcome.comparison, [v for v in contrasts if not v.clear]
    if not opened:
        return []
    if all(v.p is None for v in contrasts):
        seeds = seeds_for_tests(len(contrasts))
        if not c.seeds < seeds <= MOST_SEEDS:
            return []  # the searches are missing, not the seeds; or there are too many tests
        why = f"Test the algorithms: {seeds} seeds of each are the fewest for which a corrected p-value can be small."
        return [Step(why, command(dataclasses.replace(c, seeds=seeds)))]
    seeds = min(MORE * c.seeds, MOST_SEEDS)
    if seeds == c.seeds:
        return []
    reach = detectable(outcome, seeds / c.seeds) or 0.0
    finds = f" A typical comparison then detects differences of about {_points(reach)} points or more."
    whom = " with random search" if outcome.versus else ""
    verb = f"comparison{whom} is" if len(opened) == 1 else f"comparisons{whom} are"
    why = f"{len(opened)} {verb} undecided. Use {seeds:,} seeds.{finds if reach >= LEAST_REACH else ''}"
    return [Step(why, command(dataclasses.replace(c, seeds=seeds)))]


def seeds_for_tests(tests: int) -> int:
    """Return the smallest number of seeds of each algorithm for which this many tests can be significant."""
    seeds = LEAST
    while 2 * tests >= LEVEL * comb(2 * seeds, seeds):
        seeds += 1
    return seeds


def command(c: Comparison) -> str:
    """Return the command that makes a comparison; options with their default values are left out."""
    words = ["supernet", "search"]
    options = {
        "--space": (c.space, DEFAULT_SPACE),
        "--dataset": (c.dataset, "cifar10"),
        "--algorithms": (",".join(c.algorithms), None),
        "--budget": (c.budget.short, None),
        "--seeds": (str(c.seeds), None),
        "--table": (c.table, None),
        "--epochs": (c.epochs, None),
        "--truth-seed": (c.truth_seed, None),
        "--fidelities": (",".join(c.only) if c.only else None, None),
        "--rate": (f"{c.rate:.15g}", "1"),
    }
    for option, (value, default) in options.items():
        if value is not None and value != default:
            words += [option, value]
    for change in c.overrides:
        words += ["--set", change]
    if c.trains:
        words.append("--train-missing")
    for plugin in c.plugins:
        words += ["--plugin", Path(plugin.path).name]
    return shlex.join(words)


def _points(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def _seeds(contrasts: Sequence[Contrast], one: str, many: str) -> str:
    """Count the searches behind contrasts: 1 search, 8 seeds, 5 to 8 seeds."""
    counts = [n for c in contrasts for n in (c.first_seeds, c.second_seeds)]
    low, high = min(counts), max(counts)
    return counted(low, one, many) if low == high else f"{low:,} to {counted(high, one, many)}"
