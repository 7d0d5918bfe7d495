"""The tables of a study's page: effects of every setting, and the operations that each over-ranks."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from supernet.harness.correlation.report import RANDOM_DRAWS
from supernet.harness.report.html.markup import Html, el, escaped, join, with_interval
from supernet.harness.report.html.sortable import cell, head
from supernet.harness.statistics.printed import ABSENT, bounds, number
from supernet.harness.statistics.seeds import Difference
from supernet.harness.study.results import Analysis, Row

CLEAR = 0.05
"""Dunnett-corrected p-value under which an effect counts as clear."""


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


def columns(a: Analysis) -> list[Column]:
    """All columns of the table of effects, from left to right."""
    level = f"{100 * a.level:g} %"
    tau = (
        "Kendall's τ-b between scores and true accuracies, mean over seeds: 1 for the same order, 0 for none in "
        f"common, −1 for the reverse. In brackets the {level} interval over architectures and seeds; of two seeds "
        "the two "
        "values, of one seed the interval over architectures alone."
    )
    difference = (
        "Mean τ less that of the base, unpaired, over every seed that is there. Arrows say up or down; they are filled "
        f"where p (Dunnett) < {CLEAR:g}. The intervals of all settings hold together with {level}. Settings with one "
        "seed are not tested."
    )
    dunnett = "Two-sided p-value of the difference, Dunnett-corrected for all comparisons with the base."
    q = (
        "Expected share of false findings if all settings with a q no larger than this are called changes (Benjamini "
        "and Hochberg): for screening."
    )
    bins = "τ against true accuracies cut into bins of {} points from 0 (floor), so that smaller differences are ties."
    text: dict[str, Any] = {"first": "ascending", "kind": "text"}
    return [
        Column("Setting", "Heuristic", "What is changed; the base is the recipe as given.", _heuristic, **text),
        Column("Setting", "Value", "What it is changed to.", _plain(lambda row: row.value), **text),
        Column("Setting", "Family", "The kind of change.", _plain(lambda row: row.family), **text),
        Column("Setting", "Runs", "Finished runs of those planned, and what became of the others.", _runs, "ascending"),
        Column("Ranking", "τ", tau, _tau),
        Column("Ranking", "Difference", difference, lambda row: _difference(row, _reach(a.rows))),
        Column("Ranking", "p (Dunnett)", dunnett, _p(lambda d: d.p_corrected), "ascending"),
        Column("Ranking", "q", q, _p(lambda d: d.q), "ascending"),
        Column("Ranking", "Sparse τ @0.1", bins.format("0.1"), _mean("sparse_tau@0.1")),
        Column("Ranking", "Sparse τ @1", bins.format("1"), _mean("sparse_tau@1")),
        Column("Ranking", "τ top 10 %", "τ among the truly best 10 % alone; no interval.", _mean("tau_top_10")),
        Column(
            "Finding good ones",
            "Regret@1",
            "True accuracy lost by the best-scored architecture against the best of all, percentage points: a "
            "mean over "
            "seeds without an interval, which varies much between them.",
            _mean("regret@1", ".2f"),
            "ascending",
        ),
        Column(
            "Finding good ones",
            "Regret@10",
            "The same for the best of the ten that score best.",
            _mean("regret@10", ".2f"),
            "ascending",
        ),
        Column(
            "Finding good ones",
            "P(surpass random)",
            "Probability that the best-scored architecture is not beaten by the best of "
            f"{RANDOM_DRAWS} architectures drawn at random without repeats.",
            _mean("surpass_random"),
        ),
        Column(
            "Super-net",
            "Accuracy",
            "Mean validation accuracy of the architectures with shared weights, percent.",
            _mean("supernet_accuracy", ".1f"),
        ),
        Column(
            "Stability",
            "Seeds, τ",
            "Mean τ between the scores of two seeds: how far a ranking repeats itself.",
            _number(lambda row: row.seed_tau),
        ),
        Column(
            "Stability",
            "Epochs, τ",
            "Mean τ between the scores of two successive last epochs.",
            _number(lambda row: row.epoch_tau),
        ),
        Column(
            "Stability",
            "Epochs, sd",
            "Standard deviation of τ over the last epochs.",
            _number(lambda row: row.epoch_sd),
            "ascending",
        ),
        Column(
            "Cost per run", "Train, s", "Seconds of training, mean over seeds.", _cost("train_seconds"), "ascending"
        ),
        Column(
            "Cost per run", "Train images", "Images trained on, mean over seeds.", _cost("train_images"), "ascending"
        ),
    ]


def _plain(text: Callable[[Row], str]) -> Callable[[Row], tuple[object, str | None]]:
    return lambda row: (text(row) or ABSENT, text(row) or None)


def _heuristic(row: Row) -> tuple[Html, str]:
    """With the value a second time, for screens where the column of values scrolls away."""
    return join([row.heuristic, " ", el("span", row.value, class_="also", aria_hidden="true")]), row.heuristic


def _mean(name: str, form: str = ".3f") -> Callable[[Row], tuple[str, float | None]]:
    return lambda row: (number(row.means.get(name), form), row.means.get(name))


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


def _difference(row: Row, reach: tuple[float, float]) -> tuple[object, float | None]:
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
    return el("span", el("span", *shown), _bar((d.low, d.value, d.high), reach), class_=f"effect {effect}"), d.value


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """From the lowest to the highest end of all differences' intervals, 0 included."""
    differences = [row.difference for row in rows if row.difference]
    ends = [end for d in differences for end in (d.low, d.high) if end is not None]
    return min([0.0, *ends]), max([0.0, *ends])


def _bar(difference: tuple[float, float, float], reach: tuple[float, float]) -> Html:
    """The interval of a difference (low, value, high) and the line at zero, on the scale that all rows share."""
    low, high = reach
    scale = 92 / (high - low) if high > low else 0.0
    zero, left, at, right = (f"{4 + (value - low) * scale:.1f}" for value in (0.0, *difference))
    return el(
        "svg",
        el("line", class_="zero", x1=zero, x2=zero, y1=0, y2=14),
        el("line", class_="range", x1=left, x2=right, y1=7, y2=7),
        el("circle", cx=at, cy=7, r=3),
        class_="bar", viewBox="0 0 100 14", width=100, height=14, aria_hidden="true",
    )  # fmt: skip


def _p(value: Callable[[Difference], float | None]) -> Callable[[Row], tuple[str, float | None]]:
    def shown(row: Row) -> tuple[str, float | None]:
        p = value(row.difference) if row.difference else None
        return (ABSENT, None) if p is None else (probability(p), p)

    return shown


def probability(p: float) -> str:
    """A p-value as it is read: 0.034, or < 0.0001."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def families(rows: Sequence[Row]) -> Html:
    """An option for each family that a setting has."""
    names = dict.fromkeys(name for row in rows for name in row.family.split(" + ") if name)
    return join(el("option", name, value=name) for name in names)


def effects(a: Analysis, columns: Sequence[Column]) -> Html:
    """Head and body of the table of effects."""
    groups = list(dict.fromkeys(column.group for column in columns))
    spans = [el("th", g, scope="colgroup", colspan=sum(c.group == g for c in columns)) for g in groups]
    starts = {next(k for k, column in enumerate(columns) if column.group == group) for group in groups}
    heads = [
        head(column.title, column.meaning, column.first, column.kind, "start" if k in starts else "")
        for k, column in enumerate(columns)
    ]
    lines = []
    for place, row in enumerate(a.rows):
        cells = [cell(column.cell(row), column.kind, k in starts, head=k == 0) for k, column in enumerate(columns)]
        lines.append(
            el(
                "tr",
                *cells,
                class_=" ".join(["base"] * (place == 0) + ["undone"] * (row.tau is None)) or None,
                data_label=row.label,
                data_family=row.family,
            )
        )
    return join([el("thead", el("tr", *spans, class_="groups"), el("tr", *heads)), el("tbody", *lines)])


def glossary(columns: Sequence[Column]) -> Html:
    """What each column means."""
    return join(el("dt", column.title) + el("dd", column.meaning) for column in columns)


def operations(rows: Sequence[Row]) -> Html:
    """Head and body of the table of over-ranked operations; empty where no run is done."""
    known = [row for row in rows if row.excess]
    names = list(dict.fromkeys(name for row in known for name in row.excess))
    bound = max((abs(m.value) for row in known for m in row.excess.values()), default=0.0) or 1.0
    heads = [head("Setting", "Heuristic and value.", "ascending", "text")]
    heads += [
        head(name, f"Percentile points by which uses of {name} are over-ranked.", "descending", "number")
        for name in names
    ]
    lines = []
    for row in known:
        # A long label may break after the = alone.
        label = Html("<wbr>").join(map(escaped, re.split("(?<==)", row.label)))
        cells = [el("th", Html(label), scope="row", class_="text", data_v=row.label)]
        for name in names:
            mean = row.excess.get(name)
            value = mean.value if mean else None
            side = None if not value else "over" if value > 0 else "under"
            tint = None if value is None else f"--share:{abs(value) / bound:.2f}"
            ends = bounds(mean.low, mean.high, "+.1f") if mean else ""
            cells.append(
                el("td", number(value, "+.1f") + ends, class_="number", data_v=value, data_side=side, style=tint)
            )
        lines.append(el("tr", *cells, class_="base" if row is rows[0] else None))
    if not lines:
        return Html("")
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])
