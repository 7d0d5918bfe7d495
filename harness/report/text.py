"""A correlation report as a table in the terminal."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.correlation import PARAMS, RANDOM_DRAWS, THRESHOLDS, Report
from harness.grouped import GroupedReport
from harness.stats import Difference, Estimate

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
"""Score columns up to which metrics are rows; with more, score columns are."""


def wide_console() -> Console:
    """A console that gives tables their width when the output is not a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 140))


def render(report: Report) -> RenderableType:
    """The report as printed by `supernet correlate`."""
    parts: list[RenderableType] = [_head(report), _metrics(report)]
    if len(report.differences) > 1 or len(report.ranked) == 2:
        parts.append(_differences(report))
    if report.image_curve:
        parts.append(_images(report))
    return Group(*parts, *(Text(f"Note: {note}", style="yellow") for note in report.notes))


def _head(report: Report) -> Text:
    subset = "" if report.subset == "all" else f" ({report.subset})"
    lines = [
        f"{report.space}{subset}: {report.architectures:,} architectures against {report.measure}",
        f"ground truth {report.truth_table} ({report.truth_family}); {report.level:.0%} intervals from "
        f"{report.resamples:,} bootstrap resamples of the architectures",
    ]
    if report.ceiling:
        softer = "; their mean is less noisy, so scores may come out above" if report.measure.seed == "mean" else ""
        lines.append(f"ceiling: tau-b between single repeats of the ground truth, {report.ceiling.source}{softer}")
    else:
        lines.append("ceiling: unknown, this table keeps no repeats apart")
    return Text("\n".join(lines))


def _metrics(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if len(report.ranked) - 1 > WIDE:
        return _metrics_narrow(report, table)
    table.add_column("")
    for ranking in report.ranked:
        table.add_column(_title(ranking.name), justify="right")
    table.add_column("ceiling", justify="right")
    ceilings = {}
    if report.ceiling:
        ceilings = {"kendall_tau": f"{report.ceiling.tau:.3f}"}
        if report.ceiling.top10 is not None:
            ceilings["tau_true_top_10%"] = f"{report.ceiling.top10:.3f}"
    for key, label in _ESTIMATES.items():
        cells = [interval_text(r.estimates.get(key)) for r in report.ranked]
        if any(cells):
            table.add_row(label, *cells, ceilings.get(key, ""))
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
        top = "" if report.ceiling.top10 is None else f"{report.ceiling.top10:.3f}"
        table.add_row("ceiling", f"{report.ceiling.tau:.3f}", top, "", "", "", "", style="dim")
    return table


def _differences(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Paired differences of tau-b", title_justify="left")
    for title in ("", "difference", "p", "p (Holm)"):
        table.add_column(title, justify="left" if not title else "right")
    for (a, b), d in report.differences.items():
        table.add_row(f"{a} - {b}", interval_text(d), _p(d.p, d), _p(report.adjusted[a, b], d))
    return table


def _images(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="tau-b by number of scoring images", title_justify="left")
    for title in ("score", "images", "tau-b"):
        table.add_column(title, justify="left" if title == "score" else "right")
    for name, images, tau in report.image_curve:
        table.add_row(name, f"{images:,}", f"{tau:.3f}")
    return table


def render_groups(report: GroupedReport) -> RenderableType:
    """The table of `supernet correlate --by`: one line per group."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in report.by:
        table.add_column(name)
    repeats = [report.repeat + "s"] if report.repeat else []
    sd = [f"sd over {report.repeat}s"] if report.repeat else []
    for title in (
        *repeats,
        "architectures",
        "tau-b",
        *sd,
        "top 10 %",
        "Spearman",
        "regret@1",
        "params tau-b",
        "ceiling",
    ):
        table.add_column(title, justify="right", no_wrap=title == "tau-b")
    for g in report.groups:
        table.add_row(
            *map(str, g.key),
            *([str(g.repeats)] if report.repeat else []),
            f"{g.architectures:,}",
            interval_text(g.tau),
            *([f"{g.tau_sd:.3f}" if g.tau_sd is not None else ""] if report.repeat else []),
            "" if g.top10 is None else f"{g.top10:.3f}",
            f"{g.spearman:.3f}",
            f"{g.regret:.2f}",
            f"{g.params_tau:.3f}",
            "" if g.ceiling is None else f"{g.ceiling:.3f}",
        )
    lines = [
        f"{report.space}: {report.score} against {report.measure}",
        f"ground truth {report.truth_table} ({report.truth_family}); {report.level:.0%} intervals from "
        f"{report.resamples:,} bootstrap resamples of "
        + ("the architectures" + (f", and Student's t over each group's {report.repeat}s" if report.repeat else "")),
    ]
    return Group(Text("\n".join(lines)), table, *(Text(f"Note: {note}", style="yellow") for note in report.notes))


def _title(name: str) -> str:
    return "params (baseline)" if name == PARAMS else name


def interval_text(estimate: Estimate | None) -> str:
    """0.700 [0.694, 0.706], or nothing."""
    return "" if estimate is None else f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _value(key: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if "rank@" in key else f"{value:.3f}"


def _p(value: float, d: Difference) -> str:
    """A p-value, corrected or not; a bound where no resample contradicted the difference."""
    return f"≤ {value:.2g}" if d.p <= d.smallest_p and value < 1 else f"{value:.2g}"
