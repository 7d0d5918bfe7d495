"""A correlation report as a table in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.wording import shown
from supernet.harness.correlation.grouped import GroupedReport, GroupResult
from supernet.harness.correlation.report import (
    AGAINST_PARAMS,
    AMONG_SCORES,
    FRACTIONS,
    PARAMS,
    RANDOM_DRAWS,
    THRESHOLDS,
    Report,
    family_of,
)
from supernet.harness.statistics.bootstrap import Estimate
from supernet.harness.statistics.printed import p_text, plain_interval

_ESTIMATES = {
    "kendall_tau": "Kendall tau-b",
    "tau_true_top_10%": "  within the true top 10 %",
    "spearman": "Spearman rho",
    "pearson": "Pearson r",
}
_VALUES = {
    "tau_predicted_top_10%": "tau within the predicted top 10 %",
    "partial_tau_given_params": "partial tau given params",
    "weighted_tau": "weighted tau (hyperbolic)",
    **{
        f"sparse_tau_{variant}@{t:g}": f"sparse tau, {variant}, {t:g} points"
        for t in THRESHOLDS
        for variant in ("binned", "positions", "tolerance")
    },
    "regret@1": "regret@1 (points)",
    "regret@10": "regret@10 (points)",
    "precision@10": "P@10",
    "precision@100": "P@100",
    "best_rank@1": "true rank of the pick",
    "best_rank@10": "best true rank of 10 picks",
    "surpass_random_exact": f"P(not beaten by {RANDOM_DRAWS} random draws)",
}
WIDE = 4
"""Number of score columns up to which the table has a row per metric; with more, it has a row per score column."""
LONGEST = 40
"""Most characters of a column's name that a table shows."""


def _name(name: str) -> Text:
    """A name from a file as a cell or title: never markup, never control characters."""
    return Text(shown(name, LONGEST))


def wide_console(*, stderr: bool = False, least: int = 140) -> Console:
    """A console that is at least `least` characters wide where the output is not a terminal."""
    console = Console(stderr=stderr)
    return console if console.is_terminal else Console(width=max(console.width, least), stderr=stderr)


def render(report: Report, more: RenderableType | None = None) -> RenderableType:
    """The report as `supernet correlate` prints it.

    Args:
        more: a further table, which stands before the notes.
    """
    parts: list[RenderableType] = [_head(report), _metrics(report)]
    if _tops_asked(report):
        parts.append(_tops(report))
    if len(report.differences) > 1 or len(report.ranked) == 2:
        parts += [_differences(report, family) for family in (AGAINST_PARAMS, AMONG_SCORES)]
    if report.image_curve:
        parts.append(_images(report))
    if more is not None:
        parts.append(more)
    return Group(*parts, *map(_note, report.notes))


def _note(note: str) -> Text:
    return Text(f"Note: {note}", style="yellow")


def _head(report: Report) -> Text:
    subset = "" if report.subset == "all" else f" ({report.subset})"
    lines = [
        f"{report.space}{subset}: {report.architectures:,} architectures against {report.measure}",
        f"ground truth {report.truth_table} ({report.truth_family}); {report.level:.0%} intervals from "
        f"{report.resamples:,} bootstrap resamples of the architectures",
    ]
    ceiling = report.ceiling
    if ceiling:
        against = f"the mean of {ceiling.repeats} repeats" if ceiling.repeats > 1 else "one repeat"
        lines += [
            f"ceiling: attainable, what a perfect ranker reaches against {against} of the ground truth "
            f"({ceiling.source})",
            f"repeats agree: tau-b between two single repeats, {ceiling.tau:.3f}",
        ]
    else:
        lines.append("ceiling: unknown, because this table keeps no repeats apart")
    return Text("\n".join(lines))


def _metrics(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if len(report.ranked) - 1 > WIDE:
        return _metrics_narrow(report, table)
    table.add_column("")
    for ranking in report.ranked:
        table.add_column(_title(ranking.name), justify="right")
    table.add_column("ceiling", justify="right")
    attainable = {}
    if report.ceiling:
        attainable = {"kendall_tau": f"{report.ceiling.attainable:.3f}"}
        if report.ceiling.attainable_top10 is not None:
            attainable["tau_true_top_10%"] = f"{report.ceiling.attainable_top10:.3f}"
    for key, label in _ESTIMATES.items():
        cells = [interval_text(r.estimates.get(key)) for r in report.ranked]
        if any(cells):
            table.add_row(label, *cells, attainable.get(key, ""))
    table.add_section()
    for key, label in _VALUES.items():
        cells = [_value(key, r.values.get(key)) for r in report.ranked]
        if any(cells):
            table.add_row(label, *cells, "")
    return table


def _metrics_narrow(report: Report, table: Table) -> Table:
    for title in ("score", "tau-b", "top 10 %", "Spearman", "regret@1", "regret@10", "P@10"):
        table.add_column(title, justify="left" if title == "score" else "right")
    for r in report.ranked:
        table.add_row(
            _title(r.name),
            interval_text(r.estimates["kendall_tau"]),
            interval_text(r.estimates.get("tau_true_top_10%")),
            f"{r.estimates['spearman'].value:.3f}",
            *(_value(key, r.values.get(key)) for key in ("regret@1", "regret@10", "precision@10")),
        )
    if report.ceiling:
        top = "" if report.ceiling.attainable_top10 is None else f"{report.ceiling.attainable_top10:.3f}"
        table.add_row("ceiling", f"{report.ceiling.attainable:.3f}", top, "", "", "", "", style="dim")
    return table


def _tops_asked(report: Report) -> bool:
    """Whether the user chose the fractions. The default ones are shown by the figure, and not as a table."""
    return tuple(report.fractions) != FRACTIONS


def _tops(report: Report) -> Table:
    title = "Within the truly best fraction"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for name in ("score", "fraction", "tau-b", "Spearman"):
        table.add_column(name, justify="left" if name == "score" else "right")
    for ranking in report.ranked:
        for fraction, tau in zip(report.fractions, ranking.curve, strict=True):
            if tau is not None and fraction < 1:
                rho = ranking.values[f"spearman_true_top_{100 * fraction:g}%"]
                table.add_row(_title(ranking.name), f"{100 * fraction:g} %", interval_text(tau), f"{rho:.3f}")
    return table


def _differences(report: Report, family: str) -> RenderableType:
    pairs = [pair for pair in report.differences if family_of(pair) == family]
    if not pairs:
        return Text("")
    title = f"Paired differences of tau-b, {family}"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for heading in ("", "difference", "p", "p (Holm)"):
        table.add_column(heading, justify="left" if not heading else "right")
    for a, b in pairs:
        difference = report.differences[a, b]
        name = Text(f"{shown(a, LONGEST)} - {shown(b, LONGEST)}")
        table.add_row(name, interval_text(difference), p_text(difference.p), p_text(report.adjusted[a, b]))
    return table


def _images(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="tau-b by number of scoring images", title_justify="left")
    for title in ("score", "images", "tau-b"):
        table.add_column(title, justify="left" if title == "score" else "right")
    for name, images, tau in report.image_curve:
        table.add_row(_name(name), f"{images:,}", f"{tau:.3f}")
    return table


def render_groups(report: GroupedReport) -> RenderableType:
    """The table of `supernet correlate --by`: one line per group."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in report.by:
        table.add_column(_name(name))
    repeats = [_name(report.repeat + "s"), _name(f"sd over {report.repeat}s")] if report.repeat else []
    titles: list[str | Text] = [
        *repeats[:1],
        "architectures",
        "tau-b",
        *repeats[1:],
        "top 10 %",
        "Spearman",
        "regret@1",
        "params tau-b",
        "ceiling",
        "repeats agree",
    ]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=title == "tau-b")
    for g in report.groups:
        table.add_row(
            *map(_name, g.key),
            *([str(g.repeats)] if report.repeat else []),
            f"{g.architectures:,}",
            mean_text(g),
            *([f"{g.tau_sd:.3f}" if g.tau_sd is not None else ""] if report.repeat else []),
            *(("" if value is None else f"{value:.3f}") for value in (g.top10, g.spearman)),
            f"{g.regret:.2f}",
            f"{g.params_tau:.3f}",
            *(("" if value is None else f"{value:.3f}") for value in (g.attainable, g.ceiling)),
        )
    over = ""
    if report.repeat:
        over = f"; Student's t on Fisher's z over three or more values of {shown(report.repeat, LONGEST)}"
    lines = [
        f"{report.space}: {shown(report.score, LONGEST)} against {report.measure}",
        f"ground truth {report.truth_table} ({report.truth_family}); {report.level:.0%} intervals from "
        f"{report.resamples:,} bootstrap resamples of the architectures{over}",
        "ceiling: attainable, what a perfect ranker reaches against this measure; repeats agree: tau-b between two "
        "single repeats of it",
    ]
    return Group(Text("\n".join(lines)), table, *map(_note, report.notes))


def mean_text(group: GroupResult) -> str:
    """The mean tau with its interval; where it has none, with the taus of the repeats."""
    tau = group.tau
    if tau.low is not None and tau.high is not None:
        return interval_text(Estimate(tau.value, tau.low, tau.high))
    return f"{tau.value:.3f} ({', '.join(f'{value:.3f}' for value in group.taus)})"


def _title(name: str) -> Text:
    return Text("params (baseline)") if name == PARAMS else _name(name)


def interval_text(estimate: Estimate | None) -> str:
    """An estimate such as 0.700 [0.694, 0.706]; empty for None."""
    return "" if estimate is None else plain_interval(estimate)


def _value(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if "rank@" in key else f"{value:.3f}"
