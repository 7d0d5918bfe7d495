"""The report on one score column by group, as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supernet.benchmarks.wording import counted, shown
from supernet.harness.correlation.grouped import GroupedReport, GroupResult, named
from supernet.harness.report.correlation.command import Command
from supernet.harness.report.correlation.page import downloads, measure_text
from supernet.harness.report.correlation.text import LONGEST, mean_text
from supernet.harness.report.correlation.verdict import sentence
from supernet.harness.report.html.axis import Axis, Step, interval_cell, next_steps, tick_cell
from supernet.harness.report.html.frame import document, scripts
from supernet.harness.report.html.inlined import figure
from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.html.sortable import cell, head
from supernet.harness.statistics.printed import ABSENT, number, with_interval

TEMPLATE = Path(__file__).with_name("grouped.html")
MOST = 25
"""Most groups in the figure of the first screen; our choice."""
ENOUGH = 3
"""Repeats from which the mean of a group has an interval."""


@dataclass(frozen=True)
class Column:
    """A column of numbers in the table of groups."""

    title: str
    meaning: str
    value: Callable[[GroupResult], float | None]
    shown: Callable[[GroupResult], str]
    first: str = "descending"


def page(report: GroupedReport, command: Command | None, figures: Mapping[str, str], files: Sequence[str]) -> str:
    """The whole page; equal input gives equal text.

    Args:
        command: the command that compares these groups, for commands that go further.
        figures: caption -> SVG.
        files: what lies beside the page, as paths relative to it.

    Raises:
        ValueError: a figure is not a self-contained SVG.
    """
    notes = [el("li", sentence(note, {shown(report.score)})) for note in report.notes]
    columns = _columns(report)
    parts = {
        "headline": escaped(_headline(report).replace(" tau", " τ")),
        "certainty": escaped(_certainty(report)),
        "warnings": el("ul", *notes, class_="findings mind") if notes else Html(""),
        "forest": _forest(report),
        "steps": next_steps(_steps(report, command)),
        "groups": _table(report, columns),
        "glossary": join(el("dt", column.title) + el("dd", column.meaning) for column in columns),
        "figures": join(figure(caption, svg, k) for k, (caption, svg) in enumerate(figures.items(), 1)),
        "methods": join(el("p", text) for text in _methods(report)),
        "files": downloads(files),
    }
    title = f"How well {shown(report.score, LONGEST)} ranks {report.space}, by {_by(report)}"
    what = join(
        [
            el("span", report.space, class_="name"),
            f" · {len(report.groups):,} groups · ground truth {measure_text(report.measure)}",
        ]
    )
    return document(escaped(title), what, TEMPLATE, parts, scripts("markup", "sort"))


def _by(report: GroupedReport) -> str:
    return " and ".join(shown(name, LONGEST) for name in report.by)


def _ordered(report: GroupedReport) -> list[GroupResult]:
    return sorted(report.groups, key=lambda group: -group.tau.value)


def _headline(report: GroupedReport) -> str:
    name = shown(report.score, LONGEST)
    order = [group for group in _ordered(report) if not group.constant]
    constant = len(report.groups) - len(order)
    if not order:
        where = "the one group" if constant == 1 else f"all {constant} groups"
        return f"The scores of {name} are constant in {where}: they rank nothing."
    first, last = order[0], order[-1]
    beside = f", beside {counted(constant, 'group', 'groups')} with constant scores" if constant else ""
    if len(order) == 1:
        return f"{name} has a Kendall tau of {_value(first)} in the one group, {named(first.key)}{beside}."
    if first.tau.value == last.tau.value:
        same = number(first.tau.value, ".2f")
        return f"Of {len(order)} groups{beside}, the highest Kendall tau is that of all of them: {same} in each."
    best, worst = (f"{named(group.key)}: {_value(group)}" for group in (first, last))
    return f"Of {len(order)} groups{beside}, the highest Kendall tau is that of {best}, and the lowest that of {worst}."


def _value(group: GroupResult) -> str:
    return with_interval(group.tau, ".2f")


def _certainty(report: GroupedReport) -> str:
    below = [group for group in report.groups if group.tau.value <= group.params_tau]
    count = f"In {len(below)} of {len(report.groups)} groups, τ is not above that of the parameter count. "
    what = (
        "architectures"
        if report.repeat is None
        else f"architectures, and over {shown(report.repeat, LONGEST)}s where there are {ENOUGH} or more"
    )
    return (
        f"{count}The {report.level:.0%} intervals are over {what}. Each holds by itself, and groups are not tested "
        "against each other: the highest of many looks higher than it is."
    )


def _steps(report: GroupedReport, command: Command | None) -> list[Step]:
    found = []
    few = [group for group in report.groups if group.repeats < ENOUGH]
    if report.repeat is None:
        found.append(
            Step(
                "If a column says which seed gave a score, average over it; intervals then cover seeds, too:",
                command.with_values("--repeat", "seed").printed() if command else None,
            )
        )
    elif few:
        found.append(
            Step(
                f"{len(few)} groups have fewer than {ENOUGH} repeats: add more, so that the mean has an interval over "
                "them."
            )
        )
    found.append(
        Step(
            "To test two methods against each other on the same architectures, give each a score "
            "column of its own, without groups."
        )
    )
    return found


# ---- drawings and tables ---------------------------------------------------------------------------------------------


def _forest(report: GroupedReport) -> Html:
    """tau of every group with its interval on one axis, the highest first."""
    order = _ordered(report)[:MOST]
    ends = [end for g in order for end in (g.tau.value, g.tau.low, g.tau.high) if end is not None]
    axis = Axis([0.0, *ends])
    rows = [
        el(
            "tr",
            el("th", named(group.key), scope="row"),
            interval_cell(axis, group.tau.value, group.tau.low, group.tau.high, mean_text(group)),
            el("td", number(group.tau.value, ".2f"), class_="word"),
            el("td", number(group.params_tau, ".2f"), class_="word"),
        )
        for group in order
    ]
    ticks = el("tr", el("td"), tick_cell(axis), el("td"), el("td"), class_="ticks", aria_hidden="true")
    heads = [el("th", text, scope="col") for text in (_by(report), "Kendall τ", "τ", "params τ")]
    caption = el("caption", "Kendall τ of every group", class_="hidden")
    left = len(report.groups) - len(order)
    note = f"{left} groups with lower τ are in the table alone." if left else ""
    table = el("table", caption, el("thead", el("tr", *heads)), el("tbody", *rows, ticks), class_="forest")
    return table + (el("p", note, class_="hint") if note else Html(""))


def _columns(report: GroupedReport) -> list[Column]:
    over = f", mean over {shown(report.repeat, LONGEST)}s" if report.repeat else ""
    found = [
        Column(
            "Kendall τ",
            f"Kendall's τ-b between scores and true accuracies{over}, with its {report.level:.0%} interval.",
            lambda g: g.tau.value,
            mean_text,
        ),
        _plain("τ top 10 %", f"τ-b within the truly best 10 % of 100 architectures or more{over}.", lambda g: g.top10),
        _plain("Spearman ρ", f"Spearman's rank correlation{over}.", lambda g: g.spearman),
        Column(
            "Regret@1",
            f"Points of true accuracy by which the architecture with the highest score falls short of the best{over}.",
            lambda g: g.regret,
            lambda g: number(g.regret, ".2f"),
            "ascending",
        ),
        _plain("params τ", "τ-b of the parameter count on the same architectures.", lambda g: g.params_tau),
        _plain("attainable", "τ-b of a perfect ranker against this ground truth.", lambda g: g.attainable),
        _plain("repeats agree", "τ-b between two single repeats of the ground truth.", lambda g: g.ceiling),
        Column(
            "Architectures",
            "Number of architectures, summed over repeats.",
            lambda g: g.architectures,
            lambda g: f"{g.architectures:,}",
        ),
    ]
    if report.repeat:
        name = shown(report.repeat, LONGEST)
        found += [
            Column("Repeats", f"Number of {name}s.", lambda g: g.repeats, lambda g: str(g.repeats)),
            _plain("sd of τ", f"Standard deviation of τ between {name}s.", lambda g: g.tau_sd),
        ]
    return found


def _plain(title: str, meaning: str, value: Callable[[GroupResult], float | None]) -> Column:
    return Column(title, meaning, value, lambda g: number(value(g)))


def _table(report: GroupedReport, columns: Sequence[Column]) -> Html:
    heads = [
        head(shown(name, LONGEST), "A column that the scores are grouped by.", "ascending", "text")
        for name in report.by
    ]
    heads += [head(column.title, column.meaning, column.first, "number") for column in columns]
    lines = []
    for group in report.groups:
        names = [shown(part, LONGEST) for part in group.key]
        cells = [cell((name or ABSENT, name), "text", head=k == 0) for k, name in enumerate(names)]
        cells += [cell((column.shown(group), column.value(group)), "number") for column in columns]
        lines.append(el("tr", *cells))
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])


def _methods(report: GroupedReport) -> list[str]:
    over = ""
    if report.repeat:
        over = (
            f" With {ENOUGH} or more values of {shown(report.repeat, LONGEST)}, they are Student's t intervals on "
            "Fisher's z of the mean, widened by what the choice of architectures adds; with two there is none."
        )
    return [
        f"Ground truth: {measure_text(report.measure)}, from {report.truth_table} ({report.truth_family}).",
        f"Intervals: {report.level:.0%}, from {report.resamples:,} bootstrap resamples of the architectures (seed "
        f"{report.seed}).{over}",
        "Attainable: what a perfect ranker reaches against this measure, by the Spearman-Brown formula from the "
        "agreement of single repeats.",
    ]
