"""The results of comparisons with ground truth, as objects that give frames, figures, tables in notebooks and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import RenderableType

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.wording import did_you_mean, quoted, shown
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.grouped import GroupedReport
from supernet.harness.correlation.report import PARAMS, Report, params_of
from supernet.harness.correlation.report import correlate as computed
from supernet.harness.correlation.truth import Known
from supernet.harness.report.correlation import figures, text
from supernet.harness.report.html.markup import table
from supernet.harness.report.style import fitted
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.statistics.metrics import Vector

REPORT = "report.json"
"""Name of the file with all numbers."""


@dataclass(frozen=True)
class Correlation:
    """How score columns and parameter count rank architectures, compared with ground truth."""

    report: Report
    """All numbers."""
    scores: dict[str, Vector] = field(repr=False)
    """Score column -> the values that figures show, higher is better: (n,)."""
    truth: Vector = field(repr=False)
    """True accuracies in percent: (n,)."""
    labels: list[str] = field(repr=False)
    """A short name for each architecture, n of them."""

    @property
    def tau(self) -> float:
        """Kendall's tau-b of the first score column."""
        return self.report.ranked[0].estimates["kendall_tau"].value

    @property
    def notes(self) -> list[str]:
        """What a reader has to know beside the numbers."""
        return self.report.notes

    def frame(self) -> pd.DataFrame:
        """A row for each score column and for parameter count, with a column for each metric.

        The ends of intervals are in columns that end with _low and _high. The index is the name of the score column.
        """
        rows = {}
        for ranking in self.report.ranked:
            row: dict[str, float] = {}
            for name, estimate in ranking.estimates.items():
                row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
            rows[_encodable(ranking.name)] = row | ranking.values
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("score")

    def plot(self, what: str = "tau", score: str | None = None) -> Figure:
        """A figure of the report.

        Args:
            what: `tau`, within the truly best fractions; `ranks`, by score against true rank; or `best`, the ranks of
                the truly best architectures.
            score: the score column that `ranks` and `best` show; by default the first one.

        Raises:
            UserError: there is no such figure or score column.
        """
        drawn = ("tau", "ranks", "best")
        if what not in drawn:
            raise UserError(f"There is no figure {quoted(what)}; {did_you_mean(what, drawn)}")
        name = next(iter(self.scores)) if score is None else score
        if name not in self.scores:
            raise UserError(f"There is no score column {quoted(name)}; {did_you_mean(name, list(self.scores))}")
        with figures.style():
            if what == "tau":
                return fitted(figures.tau_by_fraction(self.report))
            if what == "ranks":
                return figures.ranks(self.scores[name], self.truth, figures.title_of(self.report, name))
            label, measure = figures.label_of(name), str(self.report.measure)
            return fitted(figures.best_of(self.scores[name], self.truth, self.labels, label, measure))

    def as_json(self) -> dict[str, Any]:
        """Every number of the report, for JSON."""
        return self.report.as_json()

    def write(self, out: Path) -> list[Path]:
        """Write report.json and all figures, as PNG and SVG, to a folder; returns their paths."""
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / REPORT, self.as_json())
        return [out / REPORT, *figures.draw(self.report, self.scores, self.truth, self.labels, out)]

    def __rich__(self) -> RenderableType:
        return text.render(self.report)

    def _repr_html_(self) -> str:
        report = self.report
        rows: list[list[object]] = []
        for ranking in report.ranked:
            name = "parameter count" if ranking.name == PARAMS else shown(ranking.name)
            estimates, values = ranking.estimates, ranking.values
            rows.append(
                [
                    name,
                    text.interval_text(estimates["kendall_tau"]),
                    text.interval_text(estimates.get("tau_true_top_10%")),
                    text.interval_text(estimates["spearman"]),
                    f"{values['regret@1']:.2f}",
                ]
            )
        if report.ceiling:
            rows.append(["attainable", f"{report.ceiling.attainable:.3f}", "", "", ""])
        heads = ["score", "Kendall tau-b", "within the true top 10 %", "Spearman rho", "regret@1"]
        caption = f"{report.space}: {report.architectures:,} architectures against {report.measure}"
        return table(heads, rows, caption, report.notes)


@dataclass(frozen=True)
class GroupedCorrelation:
    """How one score column ranks the architectures of each group."""

    report: GroupedReport

    @property
    def notes(self) -> list[str]:
        """What a reader has to know beside the numbers."""
        return self.report.notes

    def frame(self) -> pd.DataFrame:
        """A row for each group."""
        rows = []
        for group in self.report.groups:
            row: dict[str, object] = dict(zip(map(_encodable, self.report.by), map(_encodable, group.key), strict=True))
            row |= {"repeats": group.repeats, "architectures": group.architectures}
            row |= {
                "kendall_tau": group.tau.value,
                "kendall_tau_low": group.tau.low,
                "kendall_tau_high": group.tau.high,
            }
            row |= {"tau_sd": group.tau_sd, "tau_true_top_10%": group.top10, "spearman": group.spearman}
            row |= {"regret@1": group.regret, "params_tau": group.params_tau, "attainable": group.attainable}
            rows.append(row)
        return pd.DataFrame(rows)

    def plot(self) -> Figure:
        """tau-b of every group with its interval."""
        with figures.style():
            return fitted(figures.by_group(self.report))

    def as_json(self) -> dict[str, Any]:
        """Every number of the report, for JSON."""
        return self.report.as_json()

    def write(self, out: Path) -> list[Path]:
        """Write report.json and the figure, as PNG and SVG, to a folder; returns their paths."""
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / REPORT, self.as_json())
        return [out / REPORT, *figures.draw_groups(self.report, out)]

    def __rich__(self) -> RenderableType:
        return text.render_groups(self.report)

    def _repr_html_(self) -> str:
        report = self.report
        rows: list[list[object]] = [
            [*map(shown, group.key), f"{group.architectures:,}", text.mean_text(group), f"{group.params_tau:.3f}"]
            for group in report.groups
        ]
        heads = [*map(shown, report.by), "architectures", "Kendall tau-b", "parameter count"]
        caption = f"{report.space}: {shown(report.score)} against {report.measure}"
        return table(heads, rows, caption, report.notes)


def _encodable(name: str) -> str:
    """A name from a file as a data frame can hold it: lone surrogates, which JSON may contain, are escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


LEAST_RESAMPLES = 20
"""Fewest bootstrap resamples from which an interval is taken; our choice."""


def check_draws(resamples: int | None, seed: int = 0) -> None:
    """Check the arguments of a bootstrap.

    Raises:
        UserError: there are too few resamples, or the seed is negative.
    """
    if resamples is not None and resamples < LEAST_RESAMPLES:
        raise UserError(f"A bootstrap takes {LEAST_RESAMPLES} resamples or more, not {quoted(resamples)}.")
    if seed < 0:
        raise UserError(f"The seed of the bootstrap is {quoted(seed)}, but must be at least 0.")


def names_of(names: str | Iterable[str]) -> list[str]:
    """A list of names, of which a single one may be given as a text."""
    return [names] if isinstance(names, str) else list(names)


def compared(
    scored: ScoreTable,
    known: Known,
    *,
    subset: str = "all",
    resamples: int | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
    fractions: Sequence[float] | None = None,
    watch: Watch = SILENT,
) -> Correlation:
    """Compare scores with ground truth.

    Args:
        scored: the scores; without score columns, parameter count is compared alone.
        known: the ground truth.
        notes: what a reader has to know about the scores.
        watch: receives the progress of the bootstrap.

    Raises:
        UserError: see `harness.correlation.report.correlate`, which also describes the other arguments.
    """
    m = known.measure
    with watch.progress("bootstrap") as told:
        report = computed(
            scored, known.table, m,
            subset=subset, resamples=resamples, seed=seed, fractions=fractions, progress=told,
        )  # fmt: skip
    report.notes.extend(notes)
    keys = known.table.keys(scored.rows)
    return Correlation(
        report,
        scored.scores or {PARAMS: params_of(known.table, m.dataset, scored.rows).astype(np.float64)},
        known.table.accuracy(m.dataset, m.split, m.epochs, m.seed, scored.rows),
        [figures.short_label(key, row) for key, row in zip(keys, scored.rows.tolist(), strict=True)],
    )
