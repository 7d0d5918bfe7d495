"""The table of final accuracies of a comparison, with published ones beside them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from supernet.benchmarks.truth.table import Measure
from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.report.html.sortable import cell, head
from supernet.harness.search import verdict
from supernet.harness.search.analysis import NEAR, Entry, Outcome
from supernet.harness.search.findings import short
from supernet.harness.search.ledger import NAMES
from supernet.harness.search.published import FOUND_ON, PUBLISHED
from supernet.harness.statistics.printed import ABSENT, bounds, number, p_text, plus_minus

PUBLISHED_OF = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "imagenet16"}
"""Data set -> the field of `Published` with test accuracies on it."""
Cell = tuple[object, float | str | None]


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    group: str
    title: str
    meaning: str
    cell: Callable[[Entry], Cell]
    """What it shows and what it sorts by; None sorts last."""
    first: str = "descending"
    """Order of the first click."""
    kind: str = "number"
    folded: bool = False
    """Whether the column is shown only where all are asked for."""


def columns(outcome: Outcome) -> list[Column]:
    """Return all columns from left to right: those that are shown first come before the folded ones."""
    published = (outcome.comparison.space, outcome.comparison.dataset) == FOUND_ON
    found = [
        Column("", "Algorithm", "Name, and how --algorithms (`algorithms`) calls it.", _name, "ascending", "text"),
        Column("", "Seeds", "Searches that are done.", lambda entry: (states(entry), entry.done)),
    ]
    shown = [m for k, m in enumerate(outcome.measures) if k == 0 or m.split == "test"]
    for measure in shown:
        found.append(_accuracy(measure, short(measure), "here" if published else "accuracy, %"))
        if published:
            found.append(_published(measure))
    if outcome.versus:
        found.append(Column("against random search", "p (Holm)", _P, _p(outcome), "ascending"))
    found += [
        replace(_accuracy(measure, "further accuracies", short(measure)), folded=True)
        for measure in outcome.measures
        if measure not in shown
    ]
    if any(entry.rank for entry in outcome.entries):
        found.append(Column("further", "Rank", _RANK, _rank, "ascending", folded=True))
    found += [_reached(outcome, distance) for distance in NEAR]
    return found


_P = "P-value of Mann and Whitney's test against random search, corrected for all of these tests by Holm's method."
_RANK = "Mean over seeds of the rank by the first accuracy, with its 95 % interval (Student's t); 1 is best."


def final_table(outcome: Outcome) -> Html:
    """Head and body of the table, the highest mean of the first accuracy first."""
    every = columns(outcome)
    groups: list[tuple[str, bool, int]] = []
    for column in every:
        if groups and groups[-1][:2] == (column.group, column.folded):
            groups[-1] = (*groups[-1][:2], groups[-1][2] + 1)
        else:
            groups.append((column.group, column.folded, 1))
    spans = [
        el("th", group, scope="colgroup", colspan=count, class_="more" if folded else None)
        for group, folded, count in groups
    ]
    starts, names = [], [(column.group, column.folded) for column in every]
    for k, column in enumerate(every):
        extra = " start" if k and names[k] != names[k - 1] else ""
        starts.append(f"{column.kind}{extra}{' more' if column.folded else ''}")
    heads = [
        head(column.title, column.meaning, column.first, name, "descending" if k == 2 else "none")
        for k, (column, name) in enumerate(zip(every, starts, strict=True))
    ]
    rows = []
    for entry in outcome.best_first:
        shown = zip(every, starts, strict=True)
        cells = [cell(column.cell(entry), name, head=k == 0) for k, (column, name) in enumerate(shown)]
        rows.append(el("tr", *cells, class_="base" if entry.name == "random" else None))
    return join([el("thead", el("tr", *spans, class_="groups"), el("tr", *heads)), el("tbody", *rows)])


def glossary(outcome: Outcome) -> Html:
    """What each column means."""
    seen = {f"{column.group} {column.title}".strip(): column.meaning for column in columns(outcome)}
    return join(el("dt", name) + el("dd", meaning) for name, meaning in seen.items())


def _name(entry: Entry) -> Cell:
    return join([entry.title, " ", el("code", entry.name)]), entry.title


def _accuracy(measure: Measure, group: str, title: str) -> Column:
    meaning = f"{measure}: mean ± standard deviation over seeds, percent."

    def shown(entry: Entry) -> Cell:
        mean, deviation = entry.summary(measure)
        return plus_minus(mean, deviation), mean

    return Column(group, title, meaning, shown)


def _published(measure: Measure) -> Column:
    field = PUBLISHED_OF[measure.dataset]

    def shown(entry: Entry) -> Cell:
        known = PUBLISHED.get(entry.name)
        mean, deviation = getattr(known, field) if known else (None, None)
        return plus_minus(mean, deviation), mean

    meaning = "Published mean ± standard deviation, percent, with budgets and settings of their own."
    return Column(short(measure), "published", meaning, shown)


def _p(outcome: Outcome) -> Callable[[Entry], Cell]:
    versus = {c.first: c for c in outcome.versus}

    def shown(entry: Entry) -> Cell:
        c = versus.get(entry.name)
        if c is None or c.adjusted is None:
            return ("not tested" if c else ABSENT), None
        text = p_text(c.adjusted)
        if not c.clear:
            return text, c.adjusted
        up = c.difference > 0
        return el(
            "span", f"{'▲' if up else '▼'} {text}", class_="gain" if up else "loss", title=verdict.word(c)
        ), c.adjusted

    return shown


def _rank(entry: Entry) -> Cell:
    return (f"{entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.1f')}", entry.rank[0]) if entry.rank else (ABSENT, None)


def _reached(outcome: Outcome, distance: float) -> Column:
    meaning = (
        f"Median of {NAMES[outcome.unit]} spent until the pick of a search was first within {distance:g} points of the "
        f"best known accuracy, {outcome.best:.2f} %, and the share of searches that ever were. There is no median "
        "where half or more never were. Such a search may end further away, because it picks by what it sees."
    )

    def shown(entry: Entry) -> Cell:
        if not entry.reached:
            return ABSENT, None
        spent, share = entry.reached.get(distance, (math.inf, 0.0))
        return f"{number(spent, ',.0f')} ({100 * share:.0f} %)", spent

    return Column("reached", f"within {distance:g}", meaning, shown, "ascending", folded=True)


def states(entry: Entry) -> str:
    """How many searches are done, and the states of the others."""
    others = {state for state in entry.states.values() if state != "done"}
    return f"{entry.done}" + (f" of {len(entry.states)} ({', '.join(sorted(others))})" if others else "")
