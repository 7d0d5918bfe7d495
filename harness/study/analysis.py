"""From finished runs to what they say of each heuristic: estimates with intervals, paired differences, findings.

Intervals resample architectures, and add what a mean over so few seeds may be off by (harness/repeats.py); in
differences, the spread over seeds of all settings says what to expect of each. With one seed, intervals speak of the
choice of architectures alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.errors import UserError
from benchmarks.spaces import SearchSpace, space
from harness import metrics, stats
from harness.correlation import PARAMS, Ceiling, ceiling_of, params_of
from harness.repeats import NOTHING, Prior, over_repeats, prior_of_differences
from harness.scores import truth_rows
from harness.stats import Difference, Estimate
from harness.study.findings import findings_of
from harness.study.overview import mean_tau, state_of
from harness.study.plan import BASE, Setting, Study
from harness.study.run import MEASURES
from harness.study.store import Result, Store
from heuristics.catalogue import CATALOGUE

RESAMPLES = 2000
LEVEL = 0.95
PROXY_SETTINGS = 8
"""Settings that it takes to say whether super-net accuracy tells of tau: intervals of fewer say too much."""
MEANS = (
    "sparse_tau@0.1",
    "sparse_tau@1",
    "tau_top_10",
    "spearman",
    "regret@1",
    "regret@10",
    "supernet_accuracy",
    "surpass_random",
)
"""Metrics of which a report gives means over seeds."""
COSTS = ("train_seconds", "score_seconds", "train_images", "score_images")

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One setting of a study."""

    heuristic: str
    value: str
    label: str
    family: str
    states: dict[int, str]
    """Seed -> state of its run."""
    taus: dict[int, float] = field(default_factory=dict)
    """Seed -> tau-b of its run."""
    tau: Estimate | None = None
    means: dict[str, float | None] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    difference: Difference | None = None
    """tau less that of the base, over the seeds that both have."""
    p_holm: float | None = None
    seed_tau: float | None = None
    """Mean tau-b between the scores of two seeds: how far the ranking depends on the seed."""
    epoch_tau: float | None = None
    """Mean tau-b between the scores of two successive epochs at the end."""
    epoch_sd: float | None = None
    """Standard deviation of tau over the last epochs, mean over seeds."""
    over_ranked: dict[str, float] = field(default_factory=dict)
    """Operation -> percentile points by which architectures are over-ranked, averaged over its uses."""


@dataclass(frozen=True)
class Analysis:
    """What a study found so far."""

    name: str
    title: str
    space: str
    measure: dict[str, str]
    truth: str
    architectures: int
    images: int
    seeds: tuple[int, ...]
    resamples: int
    level: float
    params_tau: float
    beside_params: Difference | None
    """tau of the base less that of parameter count."""
    ceiling: Ceiling | None
    rows: list[Row]
    """The base first."""
    proxy: dict[str, float] | None
    """Correlation over settings of mean super-net accuracy with mean tau."""
    smallest_p: float | None
    findings: list[str]
    prior_df: float = 0.0
    """Degrees of freedom that the spread over seeds of all settings adds to those of each difference."""

    @property
    def base(self) -> Row:
        return self.rows[0]

    def as_json(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return asdict(self)


def analyse(
    study: Study, store: Store, *, resamples: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Analysis:
    """Analyse the runs that are done; the others count as what they are, and are named.

    Args:
        resamples: by default 2,000, or as many more as many settings need to be told apart after Holm's correction.
        progress: called with resamples done and in all.

    Raises:
        UserError: no run of the base is done.
    """
    settings = study.settings(mean_tau(store))
    table = study.truth.open(study.base.space)
    indices = study.runs(settings[0])[0].architectures(table)
    m = study.truth.measure
    rows = truth_rows(space(study.base.space), indices, table)
    y = table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows)
    found = {setting.label: _results(study, setting, store) for setting in settings}
    if not found[BASE]:
        raise UserError("No run of the base is done: there is nothing to compare with, and no report.")
    scores = {
        (label, seed): _last_scores(result, setting) for setting in settings
        for label in [setting.label] for seed, result in found[label].items()
    }  # fmt: skip
    params = params_of(table, m.dataset, rows).astype(np.float64)
    count = resamples or max(RESAMPLES, 80 * len(settings))
    statistics = {f"{label}\0{seed}": stats.kendall_statistic(x, y) for (label, seed), x in scores.items()}
    statistics[PARAMS] = stats.kendall_statistic(params, y)
    draws = stats.bootstrap(
        statistics, len(y), count=count, progress=(lambda done: progress(done, count)) if progress else None
    )
    sampled = _Sampled(scores, y, draws, count, several=len(study.seeds) > 1)
    out = [_row(study, setting, store, found[setting.label], sampled, y, indices) for setting in settings]
    tested = [row for row in out[1:] if row.difference]
    adjusted = stats.holm([row.difference.p for row in tested if row.difference])
    for row, p in zip(tested, adjusted, strict=True):
        out[out.index(row)] = _with(row, p_holm=p)
    analysis = Analysis(
        name=study.name,
        title=study.title,
        space=study.base.space,
        measure=asdict(m),
        truth=table.family,
        architectures=len(y),
        images=study.base.evaluation.images,
        seeds=study.seeds,
        resamples=count,
        level=LEVEL,
        params_tau=metrics.kendall_tau(params, y),
        beside_params=sampled.difference_from_params(list(found[BASE]), draws[PARAMS], metrics.kendall_tau(params, y)),
        ceiling=ceiling_of(table, m, rows),
        rows=out,
        proxy=_proxy(out),
        smallest_p=tested[0].difference.smallest_p if tested and tested[0].difference else None,
        findings=[],
        prior_df=sampled.prior.df,
    )
    return _with(analysis, findings=findings_of(analysis))


def _with(thing: Any, **changes: Any) -> Any:
    import dataclasses

    return dataclasses.replace(thing, **changes)


def _results(study: Study, setting: Setting, store: Store) -> dict[int, Result]:
    """Seed -> its run, of those that are done."""
    done = {}
    for spec in study.runs(setting):
        if state_of(spec, store)[0] == "done":
            done[spec.recipe.seed] = store.read(spec.hash)
    return done


def _last_scores(result: Result, setting: Setting) -> Floats:
    frame = result.scores()
    last: Floats = frame[frame["epoch"] == frame["epoch"].max()][MEASURES[setting.recipe.evaluation.metric]].to_numpy()
    return last


class _Sampled:
    """Bootstrap draws of means over seeds, of architectures and seeds together."""

    def __init__(
        self,
        scores: dict[tuple[str, int], Floats],
        y: Floats,
        draws: dict[str, Floats],
        resamples: int,
        *,
        several: bool = True,
    ) -> None:
        self.scores, self.draws, self.resamples, self.several = scores, draws, resamples, several
        self.taus = {key: metrics.kendall_tau(x, y) for key, x in scores.items()}
        seeds = sorted({seed for _, seed in scores})
        labels = dict.fromkeys(label for label, _ in scores)
        complete = [label for label in labels if all((label, seed) in scores for seed in seeds)]
        table = [[self.taus[label, seed] for seed in seeds] for label in complete]
        self.prior = prior_of_differences(np.array(table, ndmin=2)) if complete[:1] == [BASE] else NOTHING

    def mean(self, label: str, seeds: Sequence[int]) -> tuple[float, Floats]:
        """Mean tau over seeds, and its draws."""
        values = np.array([self.taus[label, seed] for seed in seeds])
        draws = np.stack([self.draws[f"{label}\0{s}"] for s in seeds])
        # Of one seed, only the others' spread is known; that of a difference is of two settings.
        prior = Prior(self.prior.variance / 2, self.prior.df) if len(seeds) == 1 else NOTHING
        return float(values.mean()), over_repeats(values, draws, prior)

    def difference(self, a: str, b: str, seeds: Sequence[int]) -> Difference | None:
        """Mean over seeds of tau of setting a less that of b; None of one seed, where others are still to tell more."""
        if len(seeds) == 1 and self.several and not self.prior.df:
            return None
        values = np.array([self.taus[a, s] - self.taus[b, s] for s in seeds])
        draws = np.stack([self.draws[f"{a}\0{s}"] - self.draws[f"{b}\0{s}"] for s in seeds])
        both = over_repeats(values, draws, self.prior)
        return stats.paired_difference(float(values.mean()), 0.0, both, np.zeros(self.resamples), LEVEL)

    def difference_from_params(self, seeds: Sequence[int], params: Floats, value: float) -> Difference | None:
        """Mean tau of the base less that of parameter count, given its draws and value."""
        if not seeds or (len(seeds) == 1 and self.several and not self.prior.df):
            return None
        tau, draws = self.mean(BASE, seeds)
        return stats.paired_difference(tau, value, draws, params, LEVEL)


def _row(
    study: Study,
    setting: Setting,
    store: Store,
    found: dict[int, Result],
    sampled: _Sampled,
    y: Floats,
    indices: NDArray[np.int64],
) -> Row:
    names = [name for name, _ in setting.changes]
    families = dict.fromkeys(CATALOGUE[name].family for name in names)
    states = {spec.recipe.seed: state_of(spec, store)[0] for spec in study.runs(setting)}
    row = Row(setting.heuristic, setting.value, setting.label, " + ".join(families), states)
    if not found:
        return row
    label, seeds = setting.label, list(found)
    value, draws = sampled.mean(label, seeds)
    shared = [seed for seed in seeds if (BASE, seed) in sampled.taus]
    epochs = [result.metrics["kendall_tau_by_epoch"] for result in found.values()]
    return _with(
        row,
        taus={seed: sampled.taus[label, seed] for seed in seeds},
        tau=stats.estimate(value, draws, LEVEL),
        means={name: _mean([result.metrics.get(name) for result in found.values()]) for name in MEANS},
        costs={name: float(np.mean([result.ledger[name] for result in found.values()])) for name in COSTS},
        difference=sampled.difference(label, BASE, shared) if setting.changes and shared else None,
        seed_tau=_mean(
            [
                metrics.agreement(sampled.scores[label, a], sampled.scores[label, b])
                for a, b in itertools.combinations(seeds, 2)
            ]
        ),
        epoch_tau=_mean([tau for result in found.values() for tau in _successive(result, setting)]),
        epoch_sd=float(np.mean([np.std(taus, ddof=1) for taus in epochs])) if len(epochs[0]) > 1 else None,
        over_ranked=over_ranked(
            space(study.base.space), indices, y, np.mean([_ranks(sampled.scores[label, s]) for s in seeds], axis=0)
        ),
    )


def _successive(result: Result, setting: Setting) -> list[float]:
    """tau-b between the scores of each two successive epochs."""
    frame = result.scores()
    score = MEASURES[setting.recipe.evaluation.metric]
    by_epoch = [part[score].to_numpy() for _, part in frame.groupby("epoch")]
    return [metrics.agreement(a, b) for a, b in itertools.pairwise(by_epoch)]


def over_ranked(within: SearchSpace, indices: NDArray[np.int64], y: Floats, ranks: Floats) -> dict[str, float]:
    """How far architectures with each operation are ranked above their true place.

    Args:
        y: true accuracies (n,).
        ranks: ranks by score from 0 (worst) to 1 (best): (n,).

    Returns:
        Operation -> mean over its uses of predicted less true percentile. 0 for all when the ranking is perfect.
    """
    displaced = 100 * (ranks - _ranks(y))
    archs = within.archs(indices)
    totals: dict[str, list[float]] = {}
    for number, decision in enumerate(within.decisions):
        if decision.name.startswith("parents"):
            continue
        for option, name in enumerate(decision.options):
            uses = displaced[archs[:, number] == option]
            totals.setdefault(str(name), []).extend(uses.tolist())
    return {name: float(np.mean(uses)) for name, uses in totals.items() if uses}


def _ranks(x: Floats) -> Floats:
    """Mean ranks from 0 to 1: (n,)."""
    from scipy.stats import rankdata

    ranks: Floats = (rankdata(x) - 1) / max(1, len(x) - 1)
    return ranks


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _proxy(rows: Sequence[Row]) -> dict[str, float] | None:
    """Whether settings with the more accurate super-nets rank better: tau-b and Pearson over settings."""
    pairs = [(row.means["supernet_accuracy"], row.tau.value) for row in rows if row.tau]
    if len(pairs) < PROXY_SETTINGS:
        return None
    accuracy, tau = np.array(pairs, dtype=np.float64).T
    try:
        draws = stats.bootstrap({"tau": stats.kendall_statistic(accuracy, tau)}, len(pairs), count=1000)["tau"]
        estimate = stats.estimate(metrics.kendall_tau(accuracy, tau), draws, LEVEL)
        return {**asdict(estimate), "pearson": metrics.pearson(accuracy, tau), "settings": len(pairs)}
    except metrics.MetricError:
        return None
