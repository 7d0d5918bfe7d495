"""Rank correlations of one score column within groups, such as those of a method or a subset."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.wording import listed, shown
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.correlation.report import backwards, ceiling_of, params_of, reading_notes
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics, seeds
from supernet.harness.statistics.metrics import MetricError


@dataclass(frozen=True)
class MeanTau:
    """Mean tau-b over repeats with its interval, which two repeats lack because their spread is too uncertain."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GroupResult:
    """The metrics of a group; each is the mean over the group's repeats."""

    key: tuple[str, ...]
    """The group's values in the columns that are grouped by."""
    repeats: int
    architectures: int
    """Number of architectures, summed over repeats."""
    tau: MeanTau
    taus: list[float]
    """tau-b of each repeat."""
    tau_sd: float | None
    """Standard deviation of tau-b between repeats, None with one."""
    top10: float | None
    """tau-b within the truly best 10 %, None with fewer than 100 architectures."""
    spearman: float
    constant: bool
    """Whether all scores of each repeat are equal, so that they rank nothing."""
    regret: float
    """Regret of the top architecture, in percentage points."""
    params_tau: float
    """tau-b of parameter count on the same architectures."""
    attainable: float | None
    """tau-b of a perfect ranker against the measure, None where the table has no repeats."""
    ceiling: float | None
    """tau-b between two single repeats of the ground truth, None where the table has no repeats."""


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
        """All numbers of the report, for JSON."""
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
    """Rank correlations within each group, averaged over repeats.

    The interval of a group with one repeat comes from a bootstrap of its architectures; with three or more repeats it
    is that of the mean over repeats (`seeds.mean_of`); with two there is none. Repeats with fewer than
    `bootstrap.LEAST` architectures, or with equal true accuracies, cannot be judged: they are left out and named in
    the notes.

    Args:
        table: one score column and the columns to group by.
        by: columns whose values make a group.
        repeat: column whose values, such as seeds, are repeats within a group; one repeat per group by default.
        resamples: number of bootstrap resamples.
        level: level of the intervals.
        seed: seed of the bootstrap.
        progress: called with the number of groups that are done, and of all groups.

    Raises:
        NoSuchResult: see `report.correlate`.
        MetricError: no group can be judged.
    """
    (score,) = table.scores
    measured: list[tuple[tuple[str, ...], list[_Repeat]]] = []
    left_out: list[str] = []
    groups = _split(table, by, np.arange(len(table.rows)))
    for done, (key, members) in enumerate(groups):
        parts = []
        for which, part in _split(table, [repeat] if repeat else [], members):
            try:
                parts.append(_Repeat(table, score, truth, measure, part))
            except MetricError as error:
                left_out.append(f"{named((*key, *which))}: {error}")
        if parts:
            _resample(parts, resamples, seed)
            measured.append((key, parts))
        if progress:
            progress(done + 1, len(groups))
    if not measured:
        raise MetricError("No group can be judged. " + " ".join(left_out[:3]) + (" …" if len(left_out) > 3 else ""))
    found = [_group(key, parts, level) for key, parts in measured]
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
        notes=[
            *reading_notes(table),
            *_notes(score, measured, found, left_out, score in table.negated, repeat is not None),
        ],
        groups=found,
    )


def _split(
    table: ScoreTable, columns: list[str], members: NDArray[np.int64]
) -> list[tuple[tuple[str, ...], NDArray[np.int64]]]:
    """(key, positions) of each distinct combination of these columns among the members, in natural order."""
    found: dict[tuple[str, ...], list[int]] = {}
    cells = [table.groups[name].tolist() for name in columns]
    for position in members.tolist():
        found.setdefault(tuple(str(column[position]) for column in cells), []).append(position)
    return [(key, np.array(found[key], dtype=np.int64)) for key in sorted(found, key=_natural)]


def _natural(key: Iterable[str]) -> list[tuple[int, float, str]]:
    """A sort key that orders numbers by value, and before other texts."""
    order = []
    for part in key:
        try:
            order.append((0, float(part), part))
        except ValueError:
            order.append((1, 0.0, part))
    return [(rank, value if value == value else np.inf, part) for rank, value, part in order]


def named(key: tuple[str, ...]) -> str:
    """The name of a group in messages."""
    return ", ".join(map(shown, key))


def _notes(
    score: str,
    measured: list[tuple[tuple[str, ...], list[_Repeat]]],
    found: list[GroupResult],
    left_out: list[str],
    negated: bool,
    by_repeats: bool,
) -> list[str]:
    """What a reader has to know beside the numbers."""
    notes = [f"Left out: {what}" for what in left_out[:MOST]]
    if len(left_out) > MOST:
        notes.append(f"{len(left_out) - MOST:,} more groups were left out for such reasons.")
    rough = [named(key) for key, parts in measured if min(len(part.rows) for part in parts) < stats.ROUGH]
    if rough:
        notes.append(f"With fewer than {stats.ROUGH} architectures, the intervals are rough: {listed(rough)}.")
    two = [named(group.key) for group in found if group.repeats == 2]
    if two:
        notes.append(f"Two repeats are too few for an interval of their mean: {listed(two)}.")
    one = [named(group.key) for group in found if group.repeats == 1]
    if one and by_repeats:
        notes.append(f"With one repeat, the interval covers the choice of architectures alone: {listed(one)}.")
    high = [group.tau.high for group in found]
    if all(end is not None and end < 0 for end in high):
        notes.append(backwards(score, float(np.mean([group.tau.value for group in found])), negated))
    return notes


MOST = 12
"""Most groups that are left out for which the notes give the reason one by one."""


class _Repeat:
    """The ranking of a group's architectures in one repeat.

    Raises:
        MetricError: it has too few architectures, or their true accuracies are equal.
    """

    def __init__(
        self, table: ScoreTable, score: str, truth: GroundTruth, measure: Measure, members: NDArray[np.int64]
    ) -> None:
        members = members[np.argsort(table.rows[members], kind="stable")]
        self.rows, self.x = table.rows[members], table.scores[score][members]
        stats.enough(len(members))
        self.y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, self.rows)
        self.tau = metrics.kendall_tau(self.x, self.y)
        self.draws: NDArray[np.float64]
        ceiling = ceiling_of(truth, measure, self.rows)
        self.figures = {
            "top10": metrics.tau_in_true_top(self.x, self.y, 0.1) if len(self.y) >= 100 else np.nan,
            "spearman": metrics.spearman(self.x, self.y),
            "regret": metrics.regret_at(self.x, self.y, 1),
            "params": metrics.kendall_tau(params_of(truth, measure.dataset, self.rows), self.y),
            "attainable": ceiling.attainable if ceiling else np.nan,
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


def _group(key: tuple[str, ...], parts: list[_Repeat], level: float) -> GroupResult:
    taus = np.array([part.tau for part in parts])
    mean = {name: float(np.mean([part.figures[name] for part in parts])) for name in parts[0].figures}
    optional = {name: None if np.isnan(mean[name]) else mean[name] for name in ("top10", "attainable", "ceiling")}
    return GroupResult(
        key=key,
        repeats=len(parts),
        architectures=sum(len(part.rows) for part in parts),
        tau=_mean_tau(taus, np.stack([part.draws for part in parts]), level),
        taus=taus.tolist(),
        tau_sd=float(taus.std(ddof=1)) if len(parts) > 1 else None,
        top10=optional["top10"],
        spearman=mean["spearman"],
        constant=all(np.ptp(part.x) == 0 for part in parts),
        regret=mean["regret"],
        params_tau=mean["params"],
        attainable=optional["attainable"],
        ceiling=optional["ceiling"],
    )


def _mean_tau(taus: NDArray[np.float64], draws: NDArray[np.float64], level: float) -> MeanTau:
    """The mean tau with its interval; with one repeat, the interval of its draws, over the choice of architectures.

    Args:
        taus: tau-b of each repeat: (repeats,).
        draws: bootstrap draws of each repeat on common resamples: (repeats, resamples).
    """
    if len(taus) == 1:
        return MeanTau(float(taus[0]), *stats.interval(draws[0], level))
    spread = seeds.Spread.of(taus)
    mean = seeds.mean_of(taus, spread, stats.common_variance(draws), level=level)
    return MeanTau(mean.value, mean.low, mean.high)
