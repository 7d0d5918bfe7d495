"""The rank-disorder report of one or more score columns against ground truth."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import GroundTruth, Measure, count_of
from supernet.benchmarks.wording import listed, shown
from supernet.harness.correlation.added import Added, added_of, free_statistics
from supernet.harness.correlation.files import ScoreTable
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.bootstrap import Difference, Estimate

PARAMS = "params"
"""Name of the baseline, whose score is the parameter count."""
FRACTIONS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01)
"""Truly best fractions of the architectures within which the tau curve is reported by default."""
THRESHOLDS = (0.1, 1.0)
"""Thresholds of sparse tau in percentage points: that of the text of Yu et al. (2021), and that of their code."""
TOP = (1, 5, 10, 50, 100)
"""Numbers of top-scored architectures for which regret, precision and true ranks are reported."""
RANDOM_DRAWS = 10
"""Architectures that random search draws in the probability to surpass it; ten, as in Yu et al. (2021)."""
LEAST_TOP = 10
"""Fewest architectures for which a tau within a top fraction is reported."""
REPEAT = re.compile(r"[a-z]+[0-9]+")
"""The name of a numbered repeat of the ground truth; a reading under another name may be a copy of one."""
AGAINST_PARAMS, AMONG_SCORES = "scores against params", "scores against each other"
"""The families of comparisons; Holm's correction is made within each."""


@dataclass(frozen=True)
class Ceiling:
    """How high tau can be, given the noise of the ground truth."""

    tau: float
    """tau-b between two single repeats, as the mean over pairs."""
    top10: float | None
    """tau-b between two single repeats within the truly best 10 %; None where too few were measured."""
    attainable: float
    """tau-b of a perfect ranker against the mean of `repeats` repeats (`bootstrap.attainable_tau`)."""
    attainable_top10: float | None
    """The same within the best 10 % by that mean (`bootstrap.attainable_in_top`); None where too few were measured."""
    repeats: int
    """Number of repeats that the measure is the mean of; 1 where it is a single repeat."""
    source: str
    """Data set, split and epochs whose repeats were compared."""
    pairs: list[tuple[str, str, float, int]]
    """(repeat, repeat, tau, architectures with both)."""


@dataclass(frozen=True)
class Ranking:
    """All metrics of one score column."""

    name: str
    estimates: dict[str, Estimate]
    """Metric -> its value and interval."""
    values: dict[str, float]
    """Metric without an interval -> its value."""
    curve: list[Estimate | None]
    """tau-b within each of the report's top fractions; None where too few architectures are in it."""


@dataclass(frozen=True)
class Report:
    """Scores against one ground-truth column on one set of architectures."""

    space: str
    subset: str
    measure: Measure
    truth_table: str
    truth_family: str
    architectures: int
    resamples: int
    level: float
    seed: int
    notes: list[str]
    ceiling: Ceiling | None
    ranked: list[Ranking]
    """The score columns in the file's order, then the parameter count."""
    differences: dict[tuple[str, str], Difference]
    """Paired differences of tau-b between columns; their p-values are adjusted in `adjusted`."""
    adjusted: dict[tuple[str, str], float]
    """p-values after Holm's correction within each family (`family_of`)."""
    fractions: tuple[float, ...] = FRACTIONS
    image_curve: list[tuple[str, int, float]] = field(default_factory=list)
    """(score, images, tau) of columns named score@images."""
    added: Added | None = None
    """What each score adds to a training-free ranking; None where there is none of these architectures."""

    def as_json(self) -> dict[str, Any]:
        """All numbers of the report, for JSON."""
        plain = asdict(self)
        plain["measure"] = asdict(self.measure)
        plain["differences"] = [
            {"a": a, "b": b, **asdict(d), "p_holm": self.adjusted[a, b], "family": family_of((a, b))}
            for (a, b), d in self.differences.items()
        ]
        del plain["adjusted"]
        return plain


def family_of(pair: tuple[str, str]) -> str:
    """The family of comparisons that a pair of columns belongs to."""
    return AGAINST_PARAMS if PARAMS in pair else AMONG_SCORES


def correlate(
    table: ScoreTable,
    truth: GroundTruth,
    measure: Measure,
    *,
    subset: str = "all",
    resamples: int | None = None,
    level: float = 0.95,
    seed: int = 0,
    fractions: Sequence[float] | None = None,
    free: FreeScore | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare score columns with one ground-truth column.

    Args:
        table: the scores, already restricted to architectures with ground truth under this measure.
        subset: name of the subset of the space that the scores were restricted to.
        resamples: number of bootstrap resamples; 1,000 by default, 200 above 50,000 architectures.
        level: level of the intervals.
        seed: seed of the bootstrap.
        fractions: truly best fractions, in (0, 1], within which tau and Spearman's rho are reported where they hold
            LEAST_TOP architectures; FRACTIONS by default. All architectures and the best 10 % are always among them.
        free: a training-free ranking of the same architectures.
        progress: called with the number of resamples that are done, and of all resamples.

    Raises:
        NoSuchResult: one of the architectures has no ground truth under this measure.
        MetricError: there are fewer than `bootstrap.LEAST` architectures, the truth is constant, or a fraction is not
            in (0, 1].
        UserError: a score column has the name of the parameter counts.
    """
    if PARAMS in table.scores:
        raise UserError(
            f"A score column is called {PARAMS!r}, the name of the parameter counts beside every score: rename it."
        )
    y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, table.rows)
    stats.enough(len(y))
    count = resamples or (1000 if len(y) <= 50_000 else 200)
    params = params_of(truth, measure.dataset, table.rows).astype(np.float64)
    columns = {**table.scores, PARAMS: params}
    wanted = tuple(sorted({1.0, 0.1, *(FRACTIONS if fractions is None else fractions)}, reverse=True))
    members = {f: m for f in wanted if (m := metrics.true_top(y, f)).sum() >= LEAST_TOP or f == 1.0}
    statistics = {}
    for name, x in columns.items():
        metrics.checked(x, y)
        for fraction, inside in members.items():
            statistics[f"{name}/{fraction}"] = stats.kendall_statistic(x, y, None if fraction == 1.0 else inside)
        statistics[f"{name}/spearman"] = stats.spearman_statistic(x, y)
        statistics[f"{name}/pearson"] = stats.pearson_statistic(x, y)
    top = members.get(0.1)
    if free is not None:
        statistics |= free_statistics(free, table.scores, y, top)
    draws = stats.bootstrap(
        statistics,
        len(y),
        count=count,
        seed=seed,
        progress=(lambda done: progress(done, count)) if progress else None,
    )
    ranked = [_ranking(name, x, y, params, members, wanted, draws, level) for name, x in columns.items()]
    taus = {r.name: r.estimates["kendall_tau"] for r in ranked}
    names = list(columns)
    differences = {
        (a, b): stats.difference_of_correlations(
            taus[a].value, taus[b].value, draws[f"{a}/1.0"], draws[f"{b}/1.0"], level, df=len(y) - 1
        )
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    return Report(
        space=table.space,
        subset=subset,
        measure=measure,
        truth_table=truth.path.name,
        truth_family=truth.family,
        architectures=len(y),
        resamples=count,
        level=level,
        seed=seed,
        notes=_notes(table, columns, taus, len(y), [f for f in fractions or () if f not in members]),
        ceiling=ceiling_of(truth, measure, table.rows),
        ranked=ranked,
        differences=differences,
        adjusted=_adjusted(differences),
        fractions=wanted,
        image_curve=_image_curve(table, y),
        added=added_of(free, table.scores, y, top, draws, level) if free is not None else None,
    )


def _adjusted(differences: dict[tuple[str, str], Difference]) -> dict[tuple[str, str], float]:
    """p-values after Holm's correction, in the order of the differences."""
    found: dict[tuple[str, str], float] = {}
    for family in (AGAINST_PARAMS, AMONG_SCORES):
        pairs = [pair for pair in differences if family_of(pair) == family]
        found |= dict(zip(pairs, stats.holm([differences[pair].p for pair in pairs]), strict=True))
    return {pair: found[pair] for pair in differences}


def _notes(
    table: ScoreTable,
    columns: dict[str, NDArray[np.float64]],
    taus: dict[str, Estimate],
    architectures: int,
    too_small: Sequence[float],
) -> list[str]:
    """What a reader has to know beside the numbers."""
    notes = reading_notes(table)
    if architectures < stats.ROUGH:
        notes.append(f"With fewer than {stats.ROUGH} architectures ({architectures}), the intervals are rough.")
    if too_small:
        asked = listed(f"{100 * f:g} %" for f in too_small)
        notes.append(f"The best {asked} are fewer than {LEAST_TOP} architectures: no correlation within them is given.")
    notes += [
        f"The scores of {shown(name)} are constant: they rank nothing."
        for name, x in columns.items()
        if x.min() == x.max()
    ]
    for name, tau in taus.items():
        if name != PARAMS and tau.high < 0:
            notes.append(
                f"{_ranked_backwards(name, tau.value)}."
                if table.directed
                else backwards(name, tau.value, name in table.negated)
            )
    return notes


def reading_notes(table: ScoreTable) -> list[str]:
    """What was left out or averaged while the scores were read."""
    merged = [f"{table.merged:,} repeated lines were averaged into one per architecture."] if table.merged else []
    return [*merged, *table.notes]


def backwards(name: str, tau: float, negated: bool) -> str:
    """The note on a score that ranks clearly in the wrong direction."""
    hint = (
        "it was negated; if higher values are better, leave it out of --lower-is-better (`lower_is_better`)"
        if negated
        else f"if lower values are better, give --lower-is-better {shown(name)} (`lower_is_better`)"
    )
    return f"{_ranked_backwards(name, tau)}: {hint}."


def _ranked_backwards(name: str, tau: float) -> str:
    """How the note on a score that ranks clearly in the wrong direction begins."""
    return f"{shown(name)} ranks backwards (tau {tau:.2f})"


def _ranking(
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    params: NDArray[np.float64],
    members: dict[float, NDArray[np.bool_]],
    fractions: Sequence[float],
    draws: dict[str, NDArray[np.float64]],
    level: float,
) -> Ranking:
    curve = {
        f: stats.estimate(
            metrics.kendall_tau(x, y) if f == 1.0 else metrics.tau_in_true_top(x, y, f),
            draws[f"{name}/{f}"],
            level,
        )
        for f in members
    }
    estimates = {
        "kendall_tau": curve[1.0],
        "spearman": stats.estimate(metrics.spearman(x, y), draws[f"{name}/spearman"], level),
        "pearson": stats.estimate(metrics.pearson(x, y), draws[f"{name}/pearson"], level),
    }
    if 0.1 in curve:
        estimates["tau_true_top_10%"] = curve[0.1]
    values = {"weighted_tau": metrics.weighted_tau(x, y)}
    values |= {f"spearman_true_top_{100 * f:g}%": metrics.spearman_in_true_top(x, y, f) for f in members if f < 1}
    if name != PARAMS:
        values["partial_tau_given_params"] = metrics.partial_tau(x, y, params)
    if 0.1 in curve:
        values["tau_predicted_top_10%"] = metrics.tau_in_predicted_top(x, y, 0.1)
    for t in THRESHOLDS:
        values[f"sparse_tau_binned@{t:g}"] = metrics.sparse_tau_binned(x, y, t)
        values[f"sparse_tau_positions@{t:g}"] = metrics.sparse_tau_positions(x, y, t)
        values[f"sparse_tau_tolerance@{t:g}"] = metrics.sparse_tau_tolerance(x, y, t)
    for k in (k for k in TOP if k <= len(y)):
        values[f"regret@{k}"] = metrics.regret_at(x, y, k)
        values[f"precision@{k}"] = metrics.precision_at(x, y, k)
        values[f"best_rank@{k}"] = metrics.best_rank_at(x, y, k)
        values[f"worst_rank@{k}"] = metrics.worst_rank_at(x, y, k)
    if len(y) >= RANDOM_DRAWS:
        values["surpass_random_paper"] = metrics.surpass_random_paper(x, y, 1, RANDOM_DRAWS)
        values["surpass_random_exact"] = metrics.surpass_random_exact(x, y, 1, RANDOM_DRAWS)
    return Ranking(name, estimates, values, [curve.get(f) for f in fractions])


def params_of(truth: GroundTruth, dataset: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Parameter count of each of these rows: (n,). The networks of `cifar10-valid` are those of `cifar10`."""
    own = f"{dataset}.params" in truth.columns
    return truth.params(dataset if own else dataset.removesuffix("-valid"), rows)


def ceiling_of(truth: GroundTruth, measure: Measure, rows: NDArray[np.int64]) -> Ceiling | None:
    """The ceiling of the architectures in these rows; None where the table has no repeats.

    It is estimated from the repeats of the measure's own data set, split and epochs. If there are none, other splits of
    the data set are used, and then its variant with or without `-valid`, at the same epochs. A reading without a
    number, such as `one`, does not count as a repeat.
    """
    kinds = list(dict.fromkeys((m.dataset, m.split, m.epochs) for m in truth.measures))
    root = measure.dataset.removesuffix("-valid")
    nearness = [
        (d != measure.dataset, s != measure.split, (d, s, e))
        for d, s, e in kinds
        if e == measure.epochs and d.removesuffix("-valid") == root and len(_repeats(truth, d, s, e)) >= 2
    ]
    for _, _, kind in sorted(nearness):
        repeats = {seed: truth.readings(*kind, seed, rows) for seed in _repeats(truth, *kind)}
        try:
            tau, pairs = stats.ceiling(repeats)
        except metrics.MetricError:
            continue
        readings = np.stack(list(repeats.values()))
        best = metrics.true_top(truth.readings(*_parts_of(measure), rows), 0.1)
        count = _repeats_behind(measure, readings)
        enough = best.sum() >= LEAST_TOP
        return Ceiling(
            tau=tau,
            top10=_agreement({seed: values[best] for seed, values in repeats.items()}) if enough else None,
            attainable=stats.attainable_tau(tau, count),
            attainable_top10=stats.attainable_in_top(readings, count) if enough else None,
            repeats=count,
            source=f"{kind[0]} {kind[1]}, {count_of(kind[2])}",
            pairs=pairs,
        )
    return None


def _repeats(truth: GroundTruth, dataset: str, split: str, epochs: str) -> list[str]:
    """Names of the numbered repeats of these readings."""
    return [seed for seed in truth.seeds(dataset, split, epochs) if REPEAT.fullmatch(seed)]


def _repeats_behind(measure: Measure, readings: NDArray[np.float64]) -> int:
    """Number of repeats that the measure is the mean of: 1, or that of the repeats with any of the architectures."""
    return 1 if measure.seed != "mean" else int((~np.isnan(readings)).any(axis=1).sum())


def _agreement(repeats: dict[str, NDArray[np.float64]]) -> float | None:
    """Mean tau-b between single repeats; None where no two share enough architectures."""
    try:
        return stats.ceiling(repeats)[0]
    except metrics.MetricError:
        return None


def _parts_of(measure: Measure) -> tuple[str, str, str, str]:
    return measure.dataset, measure.split, measure.epochs, measure.seed


def _image_curve(table: ScoreTable, y: NDArray[np.float64]) -> list[tuple[str, int, float]]:
    """(NAME, IMAGES, tau-b) for each column named NAME@IMAGES, sorted by name and number of images."""
    found = []
    for name, x in table.scores.items():
        stem, _, images = name.rpartition("@")
        if stem and images.isdecimal():
            found.append((stem, int(images), metrics.kendall_tau(x, y)))
    return sorted(found)
