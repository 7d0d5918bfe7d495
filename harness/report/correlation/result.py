"""The results of comparisons with ground truth, as objects that give frames, figures, tables in notebooks and files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.console import RenderableType

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place, write_json, write_text
from supernet.benchmarks.spaces import SPACE_NAMES, space
from supernet.benchmarks.truth.join import indices_of_rows
from supernet.benchmarks.wording import did_you_mean, encodable, quoted, shown
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.grouped import GroupedReport
from supernet.harness.correlation.report import PARAMS, Report, params_of
from supernet.harness.correlation.report import correlate as computed
from supernet.harness.correlation.truth import Known
from supernet.harness.report.correlation import added, figures, text
from supernet.harness.report.correlation.architectures import Architectures
from supernet.harness.report.correlation.command import Command
from supernet.harness.report.correlation.grouped_page import page as grouped_page
from supernet.harness.report.correlation.page import page
from supernet.harness.report.correlation.tables import write_groups, write_tables
from supernet.harness.report.correlation.verdict import Origin, called, leading
from supernet.harness.report.html.markup import table
from supernet.harness.report.html.points import Scatter, Scores
from supernet.harness.report.style import fitted
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import PAGE, writing
from supernet.harness.scoring.free import free_score
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.metrics import Vector

REPORT = "report.json"
"""Name of the file with all numbers."""
SHOWN = 2000
"""Most architectures in the page's scatter."""
SHOWN_FIGURES = 3
"""Most score columns whose figures the page shows; those of the others lie beside it."""


@dataclass(frozen=True)
class Correlation:
    """How score columns and parameter count rank architectures, compared with ground truth."""

    report: Report
    """All numbers."""
    scores: dict[str, Vector] = field(repr=False)
    """Score column -> the values that figures show, higher is better: (n,)."""
    truth: Vector = field(repr=False)
    """True accuracies in percent: (n,)."""
    known: Known = field(repr=False)
    """The ground truth."""
    rows: NDArray[np.int64] = field(repr=False)
    """Ground-truth row of each architecture: (n,)."""
    origin: Origin = field(default_factory=Origin)
    """Where the scores come from."""

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
            rows[encodable(ranking.name)] = row | ranking.values
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
                return fitted(figures.ranks(self.scores[name], self.truth, figures.title_of(self.report, name)))
            label, measure = figures.label_of(name), str(self.report.measure)
            return fitted(figures.best_of(self.scores[name], self.truth, self._best(), label, measure))

    def as_json(self) -> dict[str, Any]:
        """Every number of the report, for JSON."""
        return self.report.as_json()

    def write(self, out: Path | str) -> list[Path]:
        """Write report.json, figures (PNG, SVG), tables (CSV, LaTeX) and the page index.html to a folder.

        The files are written elsewhere first, and moved to `out` when all are complete.

        Returns:
            Their paths, the page last.

        Raises:
            UserError: it is a file, or must not be written to.
        """
        out = Path(out)
        check_place(out, "out", folder=True)
        with writing(out) as partial:
            write_json(partial / REPORT, self.as_json())
            drawn = figures.draw(self.report, self.scores, self.truth, self._best(), partial)
            tables = write_tables(self.report, self.frame(), partial)
            paths = [partial / REPORT, *drawn, *tables]
            write_text(partial / PAGE, encodable(self._page(drawn, [path.name for path in paths])))
        return [out / path.name for path in [*paths, partial / PAGE]]

    def _best(self) -> list[str]:
        """Names of the truly best architectures, as figures show them."""
        return Architectures(self.known, self.rows).titles(figures.truly_best(self.truth))

    def _page(self, drawn: Sequence[Path], files: Sequence[str]) -> str:
        svgs = {path.stem: path.read_text(encoding="utf-8") for path in drawn if path.suffix == ".svg"}
        stems = figures.file_stems(self.scores)
        leads = [leading(self.report, self.origin).name]
        others = [name for name in self.scores if name not in leads]
        captions = {}
        for name in [*leads, *others][:SHOWN_FIGURES]:
            for kind, caption in (("ranks", "Rank by {} against true rank"), ("best", "The truly best by {}")):
                if (svg := svgs.get(f"{kind}-{stems[name]}")) is not None:
                    captions[caption.format(called(name))] = svg
        return page(self.report, self.origin, self.scores, scatter_of(self), svgs.get(figures.TAU), captions, files)

    def __rich__(self) -> RenderableType:
        return text.render(self.report, added.terminal(self.report))

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
    """All numbers."""
    command: Command | None = None
    """The command that compares these groups; None for scores from memory."""

    @property
    def notes(self) -> list[str]:
        """What a reader has to know beside the numbers."""
        return self.report.notes

    def frame(self) -> pd.DataFrame:
        """A row for each group."""
        rows = []
        for group in self.report.groups:
            row: dict[str, object] = dict(zip(map(encodable, self.report.by), map(encodable, group.key), strict=True))
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

    def write(self, out: Path | str) -> list[Path]:
        """Write report.json, the figure (PNG, SVG), the table (CSV, LaTeX) and the page index.html to a folder.

        The files are written elsewhere first, and moved to `out` when all are complete.

        Returns:
            Their paths, the page last.

        Raises:
            UserError: it is a file, or must not be written to.
        """
        out = Path(out)
        check_place(out, "out", folder=True)
        with writing(out) as partial:
            write_json(partial / REPORT, self.as_json())
            drawn = figures.draw_groups(self.report, partial)
            paths = [partial / REPORT, *drawn, *write_groups(self.report, self.frame(), partial)]
            svgs = [path.read_text(encoding="utf-8") for path in drawn if path.suffix == ".svg"]
            captions = dict.fromkeys(["Kendall τ of every group"], svgs[0]) if svgs else {}
            text = grouped_page(self.report, self.command, captions, [path.name for path in paths])
            write_text(partial / PAGE, encodable(text))
        return [out / path.name for path in [*paths, partial / PAGE]]

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


LEAST_RESAMPLES = 20
"""Fewest bootstrap resamples from which an interval is taken; our choice."""


def check_draws(resamples: int | None, seed: int = 0) -> None:
    """Check the arguments of a bootstrap.

    Raises:
        UserError: one is not a whole number, there are too few resamples, or the seed is negative.
    """
    if resamples is not None and (not isinstance(resamples, int | np.integer) or resamples < LEAST_RESAMPLES):
        raise UserError(f"A bootstrap takes {LEAST_RESAMPLES} resamples or more, not {quoted(resamples)}.")
    if not isinstance(seed, int | np.integer):
        raise UserError(f"The seed of the bootstrap is {quoted(seed)}, but must be a whole number.")
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
    origin: Origin | None = None,
    watch: Watch = SILENT,
) -> Correlation:
    """Compare scores with ground truth.

    Args:
        scored: the scores; without score columns, parameter count is compared alone.
        known: the ground truth.
        notes: what a reader has to know about the scores.
        origin: where the scores come from, for the page of the report.
        watch: receives the progress of the bootstrap.

    Raises:
        UserError: see `harness.correlation.report.correlate`, which also describes the other arguments.
    """
    m = known.measure
    free = free_ranking(scored, known)
    with watch.progress("bootstrap") as told:
        report = computed(
            scored, known.table, m,
            subset=subset, resamples=resamples, seed=seed, fractions=fractions, free=free, progress=told,
        )  # fmt: skip
    report.notes.extend(notes)
    return Correlation(
        report,
        scored.scores or {PARAMS: params_of(known.table, m.dataset, scored.rows).astype(np.float64)},
        known.table.accuracy(m.dataset, m.split, m.epochs, m.seed, scored.rows),
        known,
        scored.rows,
        origin or Origin(),
    )


def free_ranking(scored: ScoreTable, known: Known) -> FreeScore | None:
    """The training-free ranking of the architectures of a table of scores; None where they are of no search space.

    It is left out, too, where no score is compared with it.
    """
    if known.space not in SPACE_NAMES or not scored.scores:
        return None
    within = space(known.space)
    indices = indices_of_rows(within, scored.rows, known.table)
    return None if (indices < 0).any() else free_score(within, indices)


# ---- the page's scatter ----------------------------------------------------------------------------------------------


def scatter_of(found: Correlation) -> Scatter:
    """The scores and the parameter count against the truth, for the page; of many architectures a random part."""
    n = len(found.truth)
    kept, note = np.arange(n), ""
    if n > SHOWN:
        kept = np.sort(np.random.default_rng(0).choice(n, SHOWN, replace=False))
        note = f"Shown are {SHOWN:,} of the {n:,} architectures, drawn at random; ranks are among those shown."
    taus = {ranking.name: ranking.estimates["kendall_tau"].value for ranking in found.report.ranked}
    params = params_of(found.known.table, found.report.measure.dataset, found.rows).astype(np.float64)
    labels: dict[str, str] = {}
    for name in taus:
        label = called(name)
        labels[name] = f"{label} ({len(labels) + 1})" if label in labels.values() else label
    runs = [
        Scores(labels[name], None, taus[name], f"score-{k}", values[kept].tolist())
        for k, (name, values) in enumerate({**found.scores, PARAMS: params}.items(), 1)
    ]
    shown_of = Architectures(found.known, found.rows)
    return Scatter(shown_of.names(kept), shown_of.cells(kept), found.truth[kept].tolist(), runs, note)
