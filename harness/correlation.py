"""The rank-disorder report of one or more score columns against ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import UserError
from benchmarks.truth.table import GroundTruth, Measure, count_of
from harness import metrics, stats
from harness.scores import ScoreTable
from harness.stats import Difference, Estimate

PARAMS = "params"
"""Name of the baseline: parameter count as the score."""
FRACTIONS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.025, 0.01)
"""Top fractions of the tau curve."""
THRESHOLDS = (0.1, 1.0)
"""Percentage points at which sparse taus are reported: the text of Yu et al. (2021), and their code."""
TOP = (1, 5, 10, 50, 100)
RANDOM_DRAWS = 10
"""Random search to surpass: ten architectures, as Yu et al. (2021) repeat it."""
LEAST_TOP = 10
"""Fewest architectures of which a tau within a top fraction is reported."""


@dataclass(frozen=True)
class Ceiling:
    """How well single repeats of the ground truth agree; their mean, having less noise, can be ranked better."""

    tau: float
    top10: float | None
    """The same within the truly best 10 %; None where too few were measured."""
    source: str
    pairs: list[tuple[str, str, float, int]]


@dataclass(frozen=True)
class Ranking:
    """Everything said of one score column."""

    name: str
    estimates: dict[str, Estimate]
    """Metrics with intervals."""
    values: dict[str, float]
    """Metrics without."""
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
    """Holm-adjusted p-values over all the differences of the report."""
    fractions: tuple[float, ...] = FRACTIONS
    image_curve: list[tuple[str, int, float]] = field(default_factory=list)
    """(score, images, tau) of columns named score@images."""

    def as_json(self) -> dict[str, Any]:
        """Every figure of the report, for JSON."""
        plain = asdict(self)
        plain["measure"] = asdict(self.measure)
        plain["differences"] = [
            {"a": a, "b": b, **asdict(d), "p_holm": self.adjusted[a, b]} for (a, b), d in self.differences.items()
        ]
        del plain["adjusted"]
        return plain


def correlate(
    table: ScoreTable,
    truth: GroundTruth,
    measure: Measure,
    *,
    subset: str = "all",
    resamples: int | None = None,
    level: float = 0.95,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compare score columns with one ground-truth column.

    Args:
        table: the scores, already restricted to architectures with ground truth under this measure.
        resamples: bootstrap resamples; 1,000 by default, 200 above 50,000 architectures.
        progress: called with resamples done and in all.

    Raises:
        NoSuchResult: one of the architectures has no ground truth under this measure.
        MetricError: fewer than two architectures, or constant truth.
        UserError: a score has the name of the parameter counts.
    """
    if PARAMS in table.scores:
        raise UserError(
            f"A score column is called {PARAMS!r}, as the parameter counts that stand beside every score: rename it."
        )
    y = truth.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, table.rows)
    count = resamples or (1000 if len(y) <= 50_000 else 200)
    params = params_of(truth, measure.dataset, table.rows).astype(np.float64)
    columns = {**table.scores, PARAMS: params}
    members = {f: m for f in FRACTIONS if (m := metrics.true_top(y, f)).sum() >= LEAST_TOP or f == 1.0}
    statistics = {}
    for name, x in columns.items():
        metrics.checked(x, y)
        for fraction, inside in members.items():
            statistics[f"{name}/{fraction}"] = stats.kendall_statistic(x, y, None if fraction == 1.0 else inside)
        statistics[f"{name}/spearman"] = stats.spearman_statistic(x, y)
        statistics[f"{name}/pearson"] = stats.pearson_statistic(x, y)
    draws = stats.bootstrap(
        statistics,
        len(y),
        count=count,
        seed=seed,
        progress=(lambda done: progress(done, count)) if progress else None,
    )
    ranked = [_ranking(name, x, y, params, members, draws, level) for name, x in columns.items()]
    taus = {r.name: r.estimates["kendall_tau"].value for r in ranked}
    names = list(columns)
    differences = {
        (a, b): stats.paired_difference(taus[a], taus[b], draws[f"{a}/1.0"], draws[f"{b}/1.0"], level)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }
    adjusted = dict(zip(differences, stats.holm([d.p for d in differences.values()]), strict=True))
    notes = [] if not table.merged else [f"{table.merged:,} repeated lines were averaged into one per architecture."]
    notes += [f"The scores of {name} are constant: they rank nothing." for name, x in columns.items() if np.ptp(x) == 0]
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
        notes=notes,
        ceiling=ceiling_of(truth, measure, table.rows),
        ranked=ranked,
        differences=differences,
        adjusted=adjusted,
        image_curve=_image_curve(table, y),
    )


def _ranking(
    name: str,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    params: NDArray[np.float64],
    members: dict[float, NDArray[np.bool_]],
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
    return Ranking(name, estimates, values, [curve.get(f) for f in FRACTIONS])


def params_of(truth: GroundTruth, dataset: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Parameter count of these rows; `cifar10-valid` networks are those of `cifar10`."""
    own = f"{dataset}.params" in truth.columns
    return truth.params(dataset if own else dataset.removesuffix("-valid"), rows)


def ceiling_of(truth: GroundTruth, measure: Measure, rows: NDArray[np.int64]) -> Ceiling | None:
    """tau between single repeats of the ground truth on these rows, None where the table has no repeats.

    Taken from the measure's own data set, split and epochs where that has repeats, else from the nearest that
    does: same data set, then its validation variant, at the same epochs.
    """
    kinds = list(dict.fromkeys((m.dataset, m.split, m.epochs) for m in truth.measures))
    root = measure.dataset.removesuffix("-valid")
    nearness = [
        (d != measure.dataset, s != measure.split, (d, s, e))
        for d, s, e in kinds
        if e == measure.epochs and d.removesuffix("-valid") == root and len(truth.seeds(d, s, e)) >= 2
    ]
    for _, _, (dataset, split, epochs) in sorted(nearness):
        repeats = {
            seed: truth.readings(dataset, split, epochs, seed, rows) for seed in truth.seeds(dataset, split, epochs)
        }
        try:
            tau, pairs = stats.ceiling(repeats)
        except metrics.MetricError:
            continue
        best = metrics.true_top(truth.readings(*_of(measure), rows), 0.1)
        try:
            top10 = stats.ceiling({seed: values[best] for seed, values in repeats.items()})[0]
        except metrics.MetricError:
            top10 = None
        return Ceiling(tau, top10 if best.sum() >= LEAST_TOP else None, f"{dataset} {split}, {count_of(epochs)}", pairs)
    return None


def _of(measure: Measure) -> tuple[str, str, str, str]:
    return measure.dataset, measure.split, measure.epochs, measure.seed


def _image_curve(table: ScoreTable, y: NDArray[np.float64]) -> list[tuple[str, int, float]]:
    """tau of the columns named NAME@IMAGES, in the order of the number of images."""
    found = []
    for name, x in table.scores.items():
        stem, _, images = name.rpartition("@")
        if stem and images.isdecimal():
            found.append((stem, int(images), metrics.kendall_tau(x, y)))
    return sorted(found)
