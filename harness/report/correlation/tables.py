"""The tables of a comparison as files: CSV with every number, LaTeX with the columns that a paper prints."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from supernet.benchmarks.files import write_text
from supernet.benchmarks.wording import encodable, shown
from supernet.harness.correlation.grouped import GroupedReport
from supernet.harness.correlation.report import PARAMS, Report, family_of
from supernet.harness.report.correlation import added
from supernet.harness.report.correlation.text import LONGEST, interval_text, mean_text
from supernet.harness.report.latex import latex
from supernet.harness.statistics.printed import p_text

METRICS, DIFFERENCES, GROUPS = "metrics", "differences", "groups"
"""Names of the tables."""


def write_tables(report: Report, metrics: pd.DataFrame, out: Path) -> list[Path]:
    """Write metrics and, where there are score columns, differences and added, as .csv and .tex; returns their paths.

    Args:
        metrics: a row for each score column and for the parameter count (`Correlation.frame`).
    """
    paths = _write(metrics.reset_index(), _short_metrics(report), out, METRICS)
    if report.differences:
        paths += _write(_differences(report), _short_differences(report), out, DIFFERENCES)
    if report.added:
        paths += _write(added.frame(report.added), added.short(report.added), out, added.ADDED)
    return paths


def write_groups(report: GroupedReport, groups: pd.DataFrame, out: Path) -> list[Path]:
    """Write groups.csv and groups.tex; returns their paths.

    Args:
        groups: a row for each group (`GroupedCorrelation.frame`).
    """
    lines = []
    for group in report.groups:
        line = {shown(name, LONGEST): shown(value, LONGEST) for name, value in zip(report.by, group.key, strict=True)}
        lines.append(
            line
            | {
                "architectures": f"{group.architectures:,}",
                "τ [95 %]": mean_text(group),
                "top 10 %": "" if group.top10 is None else f"{group.top10:.3f}",
                "regret@1": f"{group.regret:.2f}",
                "params τ": f"{group.params_tau:.3f}",
            }
        )
    return _write(groups, pd.DataFrame(lines), out, GROUPS)


def _write(every: pd.DataFrame, short: pd.DataFrame, out: Path, name: str) -> list[Path]:
    paths = [out / f"{name}.csv", out / f"{name}.tex"]
    write_text(paths[0], every.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    write_text(paths[1], latex(short))
    return paths


def _short_metrics(report: Report) -> pd.DataFrame:
    lines = []
    for ranking in report.ranked:
        against = "" if ranking.name == PARAMS else _holm(report, ranking.name)
        partial = ranking.values.get("partial_tau_given_params")
        lines.append(
            {
                "score": "parameter count" if ranking.name == PARAMS else shown(ranking.name, LONGEST),
                "τ [95 %]": interval_text(ranking.estimates["kendall_tau"]),
                "p against params (Holm)": against,
                "top 10 % [95 %]": interval_text(ranking.estimates.get("tau_true_top_10%")),
                "τ given params": "" if partial is None else f"{partial:.3f}",
                "Spearman": f"{ranking.estimates['spearman'].value:.3f}",
                "regret@1": f"{ranking.values['regret@1']:.2f}",
            }
        )
    if report.ceiling:
        top = report.ceiling.attainable_top10
        line = dict.fromkeys(lines[0], "") | {"score": "attainable", "τ [95 %]": f"{report.ceiling.attainable:.3f}"}
        lines.append(line | {"top 10 % [95 %]": "" if top is None else f"{top:.3f}"})
    return pd.DataFrame(lines)


def _holm(report: Report, name: str) -> str:
    return p_text(report.adjusted[name, PARAMS])


def _differences(report: Report) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "a": encodable(a),
                "b": encodable(b),
                "difference": d.value,
                "low": d.low,
                "high": d.high,
                "p": d.p,
                "p_holm": report.adjusted[a, b],
                "family": family_of((a, b)),
            }
            for (a, b), d in report.differences.items()
        ]
    )


def _short_differences(report: Report) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "pair": f"{shown(a, LONGEST)} − {shown(b, LONGEST)}",
                "difference of τ [95 %]": interval_text(d),
                "p": p_text(d.p),
                "p (Holm)": p_text(report.adjusted[a, b]),
            }
            for (a, b), d in report.differences.items()
        ]
    )
