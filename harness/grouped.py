"""One score column, split into groups (a method, a subset, …), each ranked on its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.truth.table import GroundTruth, Measure
from harness import metrics, stats
from harness.correlation import ceiling_of, params_of
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

    The interval of a group resamples its repeats and, within each, its architectures.

    Raises:
        NoSuchResult, MetricError: see `correlate`.
    """
    (score,) = table.scores
    groups = []
    grouping = table.groups.groupby(by, sort=True)
    for done, (key, members) in enumerate(grouping):
        parts = [part.index for _, part in members.groupby(repeat, sort=True)] if repeat else [members.index]
        groups.append(_group(table, score, truth, measure, key, [p.to_numpy() for p in parts], resamples, level, seed))
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
        groups=groups,
    )


def _group(
    table: ScoreTable,
    score: str,
    truth: GroundTruth,
    measure: Measure,
    key: Any,
    parts: list[Any],
    resamples: int,
    level: float,
    seed: int,
) -> GroupResult:
    figures = []
    draws = []
    for number, members in enumerate(parts):
        x, rows = table.scores[score][members], table.rows[members]
        y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, rows)
        ceiling = ceiling_of(truth, measure, rows)
        figures.append(
            {
                "tau": metrics.kendall_tau(x, y),
                "top10": metrics.tau_in_true_top(x, y, 0.1) if len(y) >= 100 else np.nan,
                "spearman": metrics.spearman(x, y),
                "regret": metrics.regret_at(x, y, 1),
                "params": metrics.kendall_tau(params_of(truth, measure.dataset, rows), y),
                "ceiling": ceiling.tau if ceiling else np.nan,
            }
        )
        statistic = {"tau": stats.kendall_statistic(x, y)}
        draws.append(stats.bootstrap(statistic, len(y), count=resamples, seed=seed + number)["tau"])
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(parts), size=(resamples, len(parts)))
    two_level = np.stack(draws)[chosen, rng.integers(resamples, size=chosen.shape)].mean(axis=1)
    mean = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
    optional = {name: None if np.isnan(mean[name]) else mean[name] for name in ("top10", "ceiling")}
    return GroupResult(
        key=key if isinstance(key, tuple) else (key,),
        repeats=len(parts),
        architectures=sum(map(len, parts)),
        tau=stats.estimate(mean["tau"], two_level, level),
        tau_sd=float(np.std([f["tau"] for f in figures], ddof=1)) if len(parts) > 1 else None,
        top10=optional["top10"],
        spearman=mean["spearman"],
        regret=mean["regret"],
        params_tau=mean["params"],
        ceiling=optional["ceiling"],
    )
