"""The tables of a comparison's page: metrics of every score column, and paired differences between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from supernet.benchmarks.wording import shown
from supernet.harness.correlation.report import PARAMS, RANDOM_DRAWS, THRESHOLDS, Ranking, Report
from supernet.harness.report.correlation.text import LONGEST, WIDE
from supernet.harness.report.correlation.verdict import CLEAR, called, difference
from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.report.html.sortable import cell, head
from supernet.harness.statistics.bootstrap import Estimate
from supernet.harness.statistics.printed import ABSENT, number, p_text, with_interval

ARROWS = {"unclear": "", "gain": "▲ ", "loss": "▼ "}
Shown = tuple[object, float | str | None]
"""What a cell shows, and what it sorts by."""


@dataclass(frozen=True)
class Metric:
    """A metric of rankings, as a row or a column."""

    title: str
    meaning: str
    cell: Callable[[Ranking], Shown]
    ceiling: str = ""
    """What a perfect ranker reaches, where that is known."""
    first: str = "descending"
    """Order of the first click on its heading."""
    folded: bool = True
    """Whether the metric is shown only where all are asked for."""


VALUES = (
    ("partial_tau_given_params", "τ given params", ".3f", "descending", False,
     "Kendall's partial τ given the parameter count: what the order holds beyond size."),
    ("regret@1", "Regret@1", ".2f", "ascending", False,
     "Points of true accuracy that the architecture with the highest score lacks against the best one. One "
     "architecture decides it."),
    ("regret@10", "Regret@10", ".2f", "ascending", False, "The same for the best of the ten with the highest scores."),
    ("precision@10", "P@10", ".2f", "descending", True,
     "Share of the ten with the highest scores that are among the truly best ten."),
    ("precision@100", "P@100", ".2f", "descending", True, "The same for a hundred."),
    ("best_rank@1", "Rank of the pick", ",.0f", "ascending", True,
     "True rank of the architecture with the highest score."),
    ("best_rank@10", "Best rank of 10", ",.0f", "ascending", True,
     "Best true rank among the ten with the highest scores."),
    ("surpass_random_exact", "P(surpass random)", ".2f", "descending", True,
     "Probability that the architecture with the highest score is not beaten by the best of "
     f"{RANDOM_DRAWS} drawn at random without repeats."),
    ("weighted_tau", "Weighted τ", ".3f", "descending", True,
     "τ in which disorder among the best counts most (Vigna, 2015)."),
    ("tau_predicted_top_10%", "τ predicted top 10 %", ".3f", "descending", True,
     "τ-b within the 10 % with the highest scores."),
)  # fmt: skip
"""Key, title, format, order of the first click, whether folded, and meaning of the metrics without an interval."""
SPARSE = {
    "binned": "τ against true accuracies cut into bins of {:g} points, so that smaller differences are ties (the text "
    "of Yu et al., 2021).",
    "positions": "τ between bins of {:g} points in the order of the scores and the sorted bins, as in the released "
    "code of Yu et al.; the ties of the truth raise it.",
    "tolerance": "τ in which pairs whose true accuracies differ by less than {:g} points are ties, without bins.",
}
"""Variant of sparse tau -> its meaning at a threshold."""


def metrics(report: Report) -> list[Metric]:
    """The metrics of a report, those that matter first."""
    has = {key for ranking in report.ranked for key in (*ranking.values, *ranking.estimates)}
    values = [_value(*row) for row in VALUES if row[0] in has]
    found = [_tau(report)]
    if report.differences:
        found.append(_against_params(report))
    if "tau_true_top_10%" in has:
        found.append(_top(report))
    found += values
    found.append(Metric("Spearman ρ", "Spearman's rank correlation, with its interval.", _estimate("spearman")))
    about = "Pearson's correlation of scores and accuracies, with its interval."
    found.append(Metric("Pearson r", about, _estimate("pearson")))
    for threshold in THRESHOLDS:
        for variant, meaning in SPARSE.items():
            title = f"Sparse τ, {variant} @{threshold:g}"
            key = f"sparse_tau_{variant}@{threshold:g}"
            found.append(_value(key, title, ".3f", "descending", True, meaning.format(threshold)))
    return found


def _tau(report: Report) -> Metric:
    meaning = (
        "Kendall's τ-b between scores and true accuracies: 1 for the same order, 0 for none in common, −1 for the "
        f"reverse. Brackets are {report.level:.0%} bootstrap intervals over architectures."
    )
    ceiling = number(report.ceiling.attainable) if report.ceiling else ""
    return Metric("Kendall τ", meaning, _estimate("kendall_tau"), ceiling, folded=False)


def _against_params(report: Report) -> Metric:
    meaning = (
        "τ minus that of the parameter count, paired on the same resamples; ▲ and ▼ mark differences that are clear: p "
        f"below {CLEAR:g} after Holm's correction for all score columns."
    )
    return Metric("τ − params τ", meaning, lambda ranking: _beside(report, ranking), folded=False)


def _top(report: Report) -> Metric:
    known = report.ceiling is not None and report.ceiling.attainable_top10 is not None
    ceiling = number(report.ceiling.attainable_top10) if report.ceiling and known else ""
    meaning = "τ-b within the truly best 10 % of the architectures, with its interval."
    return Metric("τ top 10 %", meaning, _estimate("tau_true_top_10%"), ceiling, folded=False)


def _estimate(key: str) -> Callable[[Ranking], Shown]:
    def shown_of(ranking: Ranking) -> Shown:
        estimate = ranking.estimates.get(key)
        return (ABSENT, None) if estimate is None else (with_interval(estimate), estimate.value)

    return shown_of


def _value(key: str, title: str, form: str, first: str, folded: bool, meaning: str) -> Metric:
    def shown_of(ranking: Ranking) -> Shown:
        return number(ranking.values.get(key), form), ranking.values.get(key)

    return Metric(title, meaning, shown_of, first=first, folded=folded)


def _beside(report: Report, ranking: Ranking) -> Shown:
    if ranking.name == PARAMS:
        return ABSENT, None
    d, _, p = difference(report, ranking.name, PARAMS)
    return _effect(d, p)


def _effect(d: Estimate, p: float) -> Shown:
    """A difference with its interval; its sign is marked where it is clear."""
    return el("span", ARROWS[_kind(d, p)], with_interval(d, "+.3f"), class_=_kind(d, p)), d.value


def _kind(d: Estimate, p: float) -> str:
    """`gain` or `loss` of a clear difference, else `unclear`: a class of the style sheet."""
    return "unclear" if p >= CLEAR else "gain" if d.value > 0 else "loss"


def main_table(report: Report) -> Html:
    """Head and body of the table of metrics: a row per metric, or per score column where these are many."""
    wanted = metrics(report)
    return _by_score(report, wanted) if len(report.ranked) - 1 > WIDE else _by_metric(report, wanted)


def _by_metric(report: Report, wanted: Sequence[Metric]) -> Html:
    titles = [called(ranking.name) for ranking in report.ranked] + (["attainable"] if report.ceiling else [])
    heads = [el("th", "Metric", scope="col", class_="text")]
    heads += [el("th", title, scope="col", class_="number") for title in titles]
    lines = []
    for metric in wanted:
        cells = [el("td", metric.cell(ranking)[0], class_="number") for ranking in report.ranked]
        cells += [el("td", metric.ceiling, class_="number")] if report.ceiling else []
        name = el("th", metric.title, scope="row", class_="text", title=metric.meaning)
        lines.append(el("tr", name, *cells, class_="more" if metric.folded else None))
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])


def _by_score(report: Report, wanted: Sequence[Metric]) -> Html:
    extras = ["number more" if metric.folded else "number" for metric in wanted]
    heads = [head("Score", "The score column.", "ascending", "text")]
    heads += [head(m.title, m.meaning, m.first, extra) for m, extra in zip(wanted, extras, strict=True)]
    lines = []
    for ranking in sorted(report.ranked, key=lambda r: -r.estimates["kendall_tau"].value):
        name = called(ranking.name)
        cells = [cell((name, name), "text", head=True)]
        cells += [cell(metric.cell(ranking), extra) for metric, extra in zip(wanted, extras, strict=True)]
        lines.append(el("tr", *cells, class_="base" if ranking.name == PARAMS else None))
    foot = Html("")
    if report.ceiling:
        cells = [el("th", "attainable", scope="row", class_="text")]
        cells += [el("td", m.ceiling, class_=extra) for m, extra in zip(wanted, extras, strict=True)]
        foot = el("tfoot", el("tr", *cells))
    return join([el("thead", el("tr", *heads)), el("tbody", *lines), foot])


def glossary(report: Report) -> Html:
    """What each metric means."""
    return join(el("dt", metric.title) + el("dd", metric.meaning) for metric in metrics(report))


# ---- differences -----------------------------------------------------------------------------------------------------


def matrix(report: Report) -> Html:
    """tau of the row less tau of the column, the highest tau first; empty with fewer than three rankings."""
    if len(report.ranked) < 3:
        return Html("")
    order = [r.name for r in sorted(report.ranked, key=lambda r: -r.estimates["kendall_tau"].value)]
    heads = [el("th", "Row − column", scope="col")]
    heads += [el("th", shown(called(name), LONGEST), scope="col", class_="number") for name in order]
    lines = []
    for row in order:
        cells = []
        for column in order:
            if row == column:
                cells.append(el("td", "", class_="number"))
                continue
            d, _, p = difference(report, row, column)
            kind = _kind(d, p)
            said = f"{with_interval(d, '+.3f')}, p (Holm) {p_text(p)}"
            cells.append(el("td", ARROWS[kind], number(d.value, "+.2f"), class_=f"number {kind}", title=said))
        lines.append(el("tr", el("th", called(row), scope="row"), *cells))
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])


def pairs(report: Report) -> Html:
    """Head and body of the table of all paired differences."""
    heads = [
        head("Pair", "τ of the first minus τ of the second.", "ascending", "text"),
        head("Difference of τ", f"Paired on the same resamples, with its {report.level:.0%} interval.", "descending",
             "number"),
        head("p", "Two-sided p-value of the difference, not corrected.", "ascending", "number"),
        head("p (Holm)", "The p-value after Holm's correction within its family: all comparisons with the parameter "
             "count, or all among score columns.", "ascending", "number"),
    ]  # fmt: skip
    lines = []
    for (a, b), d in report.differences.items():
        p = report.adjusted[a, b]
        name = f"{called(a)} − {called(b)}"
        cells = [
            cell((name, name), "text", head=True),
            cell(_effect(d, p), "number"),
            cell((p_text(d.p), d.p), "number"),
            cell((p_text(p), p), "number"),
        ]
        lines.append(el("tr", *cells))
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])


# ---- within fractions, and by number of images -----------------------------------------------------------------------


def fractions(report: Report) -> Html:
    """tau within each truly best fraction, as a table: a row per fraction."""
    heads = [el("th", "Truly best", scope="col")]
    heads += [el("th", called(r.name), scope="col", class_="number") for r in report.ranked]
    lines = []
    for place, fraction in enumerate(report.fractions):
        taus = [ranking.curve[place] for ranking in report.ranked]
        if any(tau is not None for tau in taus):
            cells = [el("td", ABSENT if tau is None else with_interval(tau), class_="number") for tau in taus]
            lines.append(el("tr", el("th", f"{100 * fraction:g} %", scope="row"), *cells))
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])


def images(report: Report) -> Html:
    """tau by number of scoring images; empty where no columns are named NAME@IMAGES."""
    if not report.image_curve:
        return Html("")
    heads = [
        el("th", "Score", scope="col"),
        *(el("th", t, scope="col", class_="number") for t in ("Images", "Kendall τ")),
    ]
    lines = [
        el("tr", el("th", shown(name, LONGEST), scope="row"), el("td", f"{count:,}", class_="number"),
           el("td", number(tau), class_="number"))
        for name, count, tau in report.image_curve
    ]  # fmt: skip
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])
