"""One score column, split into groups (a method, a subset, …), each ranked on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.table import GroundTruth, Measure
from harness import metrics, stats
from harness.correlation import ceiling_of, params_of
from harness.repeats import over_repeats
from harness.scores import ScoreTable
from harness.stats import Estimate


@dataclass(frozen=True)
class GroupResult:
    """The mean over a group's repeats of each figure."""

    key: tuple[Any, ...]
    repeats: int
    architectures: int
    """In all repeats together."""
    tau: Estimate
    tau_sd: float | None
    """Standard deviation of tau-b between repeats, None with one."""
    top10: float | None
    spearman: float
    regret: float
    params_tau: float
    ceiling: float | None


@dataclass(frozen=True)
class GroupedReport:
    """A table of rank correlations by group."""

    space: str
    score: str
    by: list[str]
    repeat: str | None
    measure: Measure
    truth_table: str
    truth_family: str
    resamples: int
    level: float
    seed: int
    notes: list[str]
    groups: list[GroupResult]

    def as_json(self) -> dict[str, Any]:
        """Every figure of the report, for JSON."""
        return asdict(self)


def correlate_groups(
    table: ScoreTable,
    truth: GroundTruth,
    measure: Measure,
    *,
    by: list[str],
    repeat: str | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> GroupedReport:
    """Rank correlations within each group of `by`, averaged over the values of `repeat` (seeds, say).

    The interval of a group resamples its architectures, together in all repeats that have them, and adds what the mean
    over so few repeats may be off by, where there are several (harness/repeats.py).

    Raises:
        NoSuchResult, MetricError: see `correlate`.
    """
    (score,) = table.scores
    measured = []
    grouping = table.groups.groupby(by, sort=True, dropna=False)
    for done, (key, members) in enumerate(grouping):
        repeats = members.groupby(repeat, sort=True, dropna=False) if repeat else [(None, members)]
        parts = [_Repeat(table, score, truth, measure, part.index.to_numpy()) for _, part in repeats]
        _resample(parts, resamples, seed)
        measured.append((key if isinstance(key, tuple) else (key,), parts))
        if progress:
            progress(done + 1, len(grouping))
    return GroupedReport(
        space=table.space,
        score=score,
        by=by,
        repeat=repeat,
        measure=measure,
        truth_table=truth.path.name,
        truth_family=truth.family,
        resamples=resamples,
        level=level,
        seed=seed,
        notes=[f"{table.merged:,} repeated lines were averaged into one per architecture."] if table.merged else [],
        groups=[_group(key, parts, level, seed) for key, parts in measured],
    )


class _Repeat:
    """One ranking: a group's architectures in one repeat."""

    def __init__(
        self, table: ScoreTable, score: str, truth: GroundTruth, measure: Measure, members: NDArray[np.int64]
    ) -> None:
        members = members[np.argsort(table.rows[members], kind="stable")]
        self.rows, self.x = table.rows[members], table.scores[score][members]
        self.y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, self.rows)
        self.tau = metrics.kendall_tau(self.x, self.y)
        self.draws: NDArray[np.float64]
        ceiling = ceiling_of(truth, measure, self.rows)
        self.figures = {
            "top10": metrics.tau_in_true_top(self.x, self.y, 0.1) if len(self.y) >= 100 else np.nan,
            "spearman": metrics.spearman(self.x, self.y),
            "regret": metrics.regret_at(self.x, self.y, 1),
            "params": metrics.kendall_tau(params_of(truth, measure.dataset, self.rows), self.y),
            "ceiling": ceiling.tau if ceiling else np.nan,
        }


def _resample(parts: list[_Repeat], resamples: int, seed: int) -> None:
    """Draw tau of all repeats on common resamples of the architectures that any of them has."""
    union = np.unique(np.concatenate([part.rows for part in parts]))
    statistics = {}
    for number, part in enumerate(parts):
        places = np.searchsorted(union, part.rows)
        x, y, members = np.zeros(len(union)), np.zeros(len(union)), np.zeros(len(union), dtype=bool)
        x[places], y[places], members[places] = part.x, part.y, True
        statistics[str(number)] = stats.kendall_statistic(x, y, members)
    draws = stats.bootstrap(statistics, len(union), count=resamples, seed=seed)
    for number, part in enumerate(parts):
        part.draws = draws[str(number)]


def _group(key: tuple[Any, ...], parts: list[_Repeat], level: float, seed: int) -> GroupResult:
    taus = np.array([part.tau for part in parts])
    draws = over_repeats(taus, np.stack([part.draws for part in parts]), seed=seed)
    mean = {name: float(np.mean([part.figures[name] for part in parts])) for name in parts[0].figures}
    optional = {name: None if np.isnan(mean[name]) else mean[name] for name in ("top10", "ceiling")}
    return GroupResult(
        key=key,
        repeats=len(parts),
        architectures=sum(len(part.rows) for part in parts),
        tau=stats.estimate(float(taus.mean()), draws, level),
        tau_sd=float(taus.std(ddof=1)) if len(parts) > 1 else None,
        top10=optional["top10"],
        spearman=mean["spearman"],
        regret=mean["regret"],
        params_tau=mean["params"],
        ceiling=optional["ceiling"],
    )
