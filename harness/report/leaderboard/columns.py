"""The columns of the leaderboard, for its page, its CSV and its terminal table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from supernet.harness.leaderboard.board import Row
from supernet.harness.leaderboard.figures import SPARSE, Value
from supernet.harness.statistics.printed import number, with_interval


@dataclass(frozen=True)
class Column:
    """A column of figures."""

    title: str
    meaning: str
    shown: Callable[[Row], str]
    key: Callable[[Row], float | None]
    """What it sorts by."""
    first: str = "descending"
    """Order of the first click."""


def _plain(title: str, meaning: str, value: Callable[[Row], float], form: str, first: str = "descending") -> Column:
    return Column(title, meaning, lambda row: number(value(row), form), value, first)


COLUMNS = (
    Column(
        "τ",
        "Kendall's τ-b between scores and true accuracies: 1 for the same order, 0 for none in common. In brackets the "
        "95 % interval: over architectures, or over super-nets where there are several.",
        lambda row: with_interval(row.figures.tau),
        lambda row: row.figures.tau.value,
    ),
    Column(
        "τ top 10 %",
        "τ within the truly best tenth of these architectures, with its 95 % interval.",
        lambda row: with_interval(row.figures.top10),
        lambda row: row.figures.top10.value if row.figures.top10 else None,
    ),
    Column(
        "adds to params",
        "τ of the sum of two ranks, by score and by parameter count, minus τ of the parameter count alone; paired 95 % "
        "interval. Above 0, the scores know something that the parameter count does not. Below 0, this sum of equal "
        "weights ranks worse than the parameter count alone; the partial τ may still be above 0.",
        lambda row: with_interval(row.figures.adds, "+.3f"),
        lambda row: row.figures.adds.value,
    ),
    Column(
        "adds to free-1",
        "τ of the fusion with the training-free ranking free-1 (parameters on live edges and jacob_cov at "
        "initialisation, by the logarithms of ranks; the score has the weight 0.25), minus τ of free-1 alone; paired "
        "95 % interval. Above 0, the scores know something that can be had neither from size nor from an untrained "
        "network.",
        lambda row: with_interval(row.figures.adds_to_free, "+.3f"),
        lambda row: row.figures.adds_to_free.value if row.figures.adds_to_free else None,
    ),
    _plain(
        "params τ",
        "τ of the parameter count on the same architectures. Rankings of different architectures are compared by this "
        "column, not by τ alone.",
        lambda row: row.figures.params_tau,
        ".3f",
    ),
    _plain("partial τ", "Kendall's partial τ given the parameter count.", lambda row: row.figures.partial, ".3f"),
    _plain(
        f"sparse τ @{SPARSE:g}",
        f"τ against true accuracies cut into bins of {SPARSE:g} point, so that smaller differences are ties.",
        lambda row: row.figures.sparse,
        ".3f",
    ),
    _plain(
        "regret@1",
        "Percentage points of true accuracy that the best-scored architecture falls short of the best one of those "
        "that the row covers. One pick decides it; there is no interval.",
        lambda row: row.figures.regret,
        ".2f",
        "ascending",
    ),
    _plain(
        "architectures",
        "How many architectures have a score; in all super-nets together where there are several.",
        lambda row: row.figures.architectures,
        ",.0f",
    ),
    _plain(
        "ranked last",
        "Scores that are minus infinity or not a number; they share the last place.",
        lambda row: row.ranked_last,
        ",.0f",
        "ascending",
    ),
)


def findings(rows: list[Row]) -> list[str]:
    """What the rows of one ground truth say together, in sentences."""
    published = [row for row in rows if row.entry]
    above = [row for row in published if row.figures.tau.value > row.figures.params_tau]
    adding = [row for row in published if (row.figures.adds.low or 0) > 0]
    n = len(published)
    found = [
        f"{len(above)} of {n} published rankings have a higher τ than the parameter count has on the same "
        "architectures.",
        f"{len(adding)} of {n} add to the parameter count (interval above 0)"
        + _most([(row.figures.adds, row.method) for row in adding]),
    ]
    beside = [(row.figures.adds_to_free, row.method) for row in published if row.figures.adds_to_free]
    if beside:
        more = [(value, name) for value, name in beside if (value.low or 0) > 0]
        found.append(
            f"{len(more)} of {len(beside)} add to free-1, which needs no training (interval above 0){_most(more)}"
        )
    return found


def _most(adding: Sequence[tuple[Value, str]]) -> str:
    """How a sentence on rankings that clearly add ends: with the one that adds most, if one does."""
    if not adding:
        return "."
    value, name = max(adding, key=lambda pair: pair[0].value)
    return f"; {name} adds most: {with_interval(value, '+.3f')}."
