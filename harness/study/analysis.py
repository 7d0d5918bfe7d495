"""From finished runs to what they say of each heuristic: means over seeds, differences from the base, findings.

Settings are compared unpaired, on every seed that is there (harness/seeds.py); to what the seeds may be off by comes
the
sampling of architectures, from a bootstrap that resamples them for all runs alike. With one seed, intervals speak of
the
choice of architectures alone, and settings are not tested: one seed tells networks apart, not settings.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.tasks.task import TASKS
from supernet.benchmarks.truth.join import truth_rows
from supernet.harness.correlation.report import PARAMS, Ceiling, ceiling_of, params_of
from supernet.harness.runs.store import Result, Store
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import chance, metrics, seeds
from supernet.harness.statistics.seeds import Comparisons, Difference, Mean, Spread
from supernet.harness.study.findings import findings_of
from supernet.harness.study.make import MEASURES
from supernet.harness.study.overview import mean_tau, state_of
from supernet.harness.study.plan import BASE, Setting, Study
from supernet.heuristics.catalogue import CATALOGUE

RESAMPLES = 1000
LEVEL = seeds.LEVEL
ALIVE = 2 / 3
"""Share of a setting's runs that must not have diverged for their mean to stand for the setting."""
PROXY_SETTINGS = 8
"""Settings that it takes to say whether super-net accuracy tells of tau."""
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
    hashes: dict[int, str] = field(default_factory=dict)
    """Seed -> name of its run."""
    taus: dict[int, float] = field(default_factory=dict)
    """Seed -> tau-b of its run."""
    tau: Mean | None = None
    """Mean over seeds; None where no run is done, or more than a third diverged."""
    means: dict[str, float | None] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    difference: Difference | None = None
    """tau less that of the base."""
    step: float | None = None
    """Of a staged plan: tau less that of the setting that this one changes."""
    collapsed: tuple[int, ...] = ()
    """Seeds whose tau lies far below their setting's others; they count in its mean."""
    at_chance: tuple[int, ...] = ()
    """Seeds whose super-net does not classify better than guessing, so that its ranking means nothing."""
    seed_tau: float | None = None
    """Mean tau-b between the scores of two seeds: how far the ranking depends on the seed."""
    epoch_tau: float | None = None
    """Mean tau-b between the scores of two successive epochs at the end."""
    epoch_sd: float | None = None
    """Standard deviation of tau over the last epochs, mean over seeds."""
    over_ranked: dict[str, float] = field(default_factory=dict)
    """Operation -> percentile points by which architectures are over-ranked, averaged over its uses."""
    excess: dict[str, Mean] = field(default_factory=dict)
    """Operation -> what of that is more than regression to the mean, with an interval over seeds."""

    @property
    def diverged(self) -> tuple[int, ...]:
        """Seeds whose run diverged."""
        return tuple(seed for seed, state in self.states.items() if state == "diverged")


@dataclass(frozen=True)
class Proxy:
    """How far the accuracy of super-nets goes with their tau."""

    over_settings: float
    """Kendall's tau-b between mean accuracy and mean tau of the settings."""
    settings: int
    within: float | None
    """Pearson's r over runs, of deviations from their settings' means; None without repeated seeds."""
    within_low: float | None
    within_high: float | None
    runs: int


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
    """Of every setting but the base."""
    base_seeds: tuple[int, ...]
    design: str
    resamples: int
    level: float
    params_tau: float
    params_top10: float | None
    beside_params: Difference | None
    """tau of the base less that of parameter count."""
    ceiling: Ceiling | None
    rows: list[Row]
    """The base first."""
    proxy: Proxy | None
    detectable: float | None
    """Smallest true difference of tau that this design finds with 80 % power after Dunnett's correction."""
    omnibus_p: float | None
    """That all settings have the same mean tau (F test)."""
    seed_sd: float | None
    """Pooled standard deviation of tau between seeds of one setting."""
    findings: list[str]

    @property
    def base(self) -> Row:
        return self.rows[0]

    @property
    def tested(self) -> list[Row]:
        """Settings that are compared with the base by a test."""
        return [row for row in self.rows[1:] if row.difference and row.difference.p is not None]

    def as_json(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return asdict(self)


def analyse(
    study: Study, store: Store, *, resamples: int | None = None, progress: Callable[[int, int], None] | None = None
) -> Analysis:
    """Analyse the runs that are done; the others count as what they are, and are named.

    Args:
        resamples: of the architectures, 1,000 by default.
        progress: called with resamples done and in all.

    Raises:
        UserError: no run of the base is done, or too few architectures are ranked.
    """
    settings = study.settings(mean_tau(store))
    table = study.truth.open(study.base.space)
    indices = study.runs(settings[0])[0].architectures(table)
    if len(indices) < stats.LEAST:
        raise UserError(
            f"The study ranks {len(indices)} architectures; a report needs {stats.LEAST} or more. Raise `sample`."
        )
    m = study.truth.measure
    within = space(study.base.space)
    rows = truth_rows(within, indices, table)
    y = table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows)
    found = {setting.label: _results(study, setting, store) for setting in settings}
    if not found[BASE]:
        raise UserError("No run of the base is done: there is nothing to compare with, and no report.")
    params = params_of(table, m.dataset, rows).astype(np.float64)
    count = resamples or RESAMPLES
    ranked = _Ranked.of(settings, found, params, y, count, progress)
    comparisons = ranked.compared()
    fallen = ranked.fallen()
    out = [_row(study, setting, store, found[setting.label], ranked, comparisons, fallen) for setting in settings]
    out = _with_steps(study, settings, _with_excess(within, indices, y, out, settings, ranked))
    top = metrics.true_top(y, 0.1)
    analysis = Analysis(
        name=study.name,
        title=study.title,
        space=study.base.space,
        measure=asdict(m),
        truth=table.family,
        architectures=len(y),
        images=study.base.evaluation.images,
        seeds=study.seeds,
        base_seeds=study.base_seeds,
        design=study.design,
        resamples=count,
        level=LEVEL,
        params_tau=metrics.kendall_tau(params, y),
        params_top10=metrics.kendall_tau(params[top], y[top]) if top.sum() >= stats.LEAST else None,
        beside_params=ranked.beside_params(metrics.kendall_tau(params, y), comparisons.spreads[0]),
        ceiling=ceiling_of(table, m, rows),
        rows=out,
        proxy=_proxy(out, found),
        detectable=comparisons.detectable,
        omnibus_p=comparisons.omnibus_p if len(out) > 1 else None,
        seed_sd=comparisons.typical_sd,
        findings=[],
    )
    return dataclasses.replace(analysis, findings=findings_of(analysis))


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


@dataclass(frozen=True)
class _Ranked:
    """Scores, taus and bootstrap draws of all runs that are done."""

    scores: dict[str, dict[int, Floats]]
    """Label -> seed -> scores (n,)."""
    taus: dict[str, dict[int, float]]
    draws: dict[str, dict[int, Floats]]
    """Label -> seed -> tau on common resamples of the architectures."""
    params: Floats
    """tau of parameter count on the same resamples."""
    usable: tuple[str, ...]
    """Settings whose mean stands for them, the base first where it is one."""

    @classmethod
    def of(
        cls,
        settings: Sequence[Setting],
        found: Mapping[str, Mapping[int, Result]],
        params: Floats,
        y: Floats,
        count: int,
        progress: Callable[[int, int], None] | None,
    ) -> _Ranked:
        scores = {
            setting.label: {seed: _last_scores(result, setting) for seed, result in found[setting.label].items()}
            for setting in settings
        }
        statistics = {
            f"{label}\0{seed}": stats.kendall_statistic(x, y) for label, of in scores.items() for seed, x in of.items()
        }
        statistics[PARAMS] = stats.kendall_statistic(params, y)
        told = (lambda done: progress(done, count)) if progress else None
        draws = stats.bootstrap(statistics, len(y), count=count, progress=told)
        return cls(
            scores,
            {label: {s: metrics.kendall_tau(x, y) for s, x in of.items()} for label, of in scores.items()},
            {label: {s: draws[f"{label}\0{s}"] for s in of} for label, of in scores.items()},
            draws[PARAMS],
            tuple(label for label, of in scores.items() if of),
        )

    def mean_draws(self, label: str) -> Floats:
        """Draws of the mean over seeds: (resamples,)."""
        draws: Floats = np.mean(list(self.draws[label].values()), axis=0)
        return draws

    def values(self, label: str) -> Floats:
        """tau of every seed: (seeds,)."""
        return np.array(list(self.taus[label].values()))

    def compared(self) -> Comparisons:
        """Every usable setting against the base, in the order of `usable`."""
        base, *others = self.usable if BASE in self.usable else (BASE, *self.usable)
        first = self.mean_draws(base)
        sampling = [float(np.var(self.mean_draws(label) - first, ddof=1)) for label in others]
        return seeds.compare(self.values(base), [self.values(label) for label in others], sampling)

    def fallen(self) -> dict[str, list[int]]:
        """Label -> seeds whose run collapsed."""
        places = seeds.collapsed([self.values(label) for label in self.usable])
        return {
            label: [list(self.taus[label])[k] for k in found] for label, found in zip(self.usable, places, strict=True)
        }

    def beside_params(self, params_tau: float, spread: Spread) -> Difference | None:
        """Mean tau of the base less that of parameter count; of fewer than three seeds, none."""
        values = self.values(BASE)
        if len(values) < 3:
            return None
        sampling = float(np.var(self.mean_draws(BASE) - self.params, ddof=1))
        return seeds.against_constant(values, params_tau, spread, sampling)


def _row(
    study: Study,
    setting: Setting,
    store: Store,
    found: Mapping[int, Result],
    ranked: _Ranked,
    comparisons: Comparisons,
    fallen: Mapping[str, Sequence[int]],
) -> Row:
    names = [name for name, _ in setting.changes]
    families = dict.fromkeys(CATALOGUE[name].family for name in names)
    specs = study.runs(setting)
    states = {spec.recipe.seed: state_of(spec, store)[0] for spec in specs}
    hashes = {spec.recipe.seed: spec.hash for spec in specs}
    row = Row(setting.heuristic, setting.value, setting.label, " + ".join(families), states, hashes)
    if not found:
        return row
    label = setting.label
    place = ranked.usable.index(label)
    sampling = float(np.var(ranked.mean_draws(label), ddof=1))
    alive = len(found) / (len(found) + len(row.diverged)) >= ALIVE
    tau = seeds.mean_of(ranked.values(label), comparisons.spreads[place], sampling)
    if len(found) == 1:
        tau = Mean(tau.value, *stats.interval(ranked.mean_draws(label), LEVEL), 1)
    epochs = [result.metrics["kendall_tau_by_epoch"] for result in found.values()]
    return dataclasses.replace(
        row,
        taus=ranked.taus[label],
        tau=tau if alive else None,
        means={name: _mean([result.metrics.get(name) for result in found.values()]) for name in MEANS},
        costs={name: float(np.mean([result.ledger[name] for result in found.values()])) for name in COSTS},
        difference=comparisons.differences[place - 1] if setting.changes and alive else None,
        collapsed=tuple(fallen[label]),
        at_chance=tuple(seed for seed, result in found.items() if _at_chance(result, setting)),
        seed_tau=_mean([metrics.agreement(a, b) for a, b in itertools.combinations(ranked.scores[label].values(), 2)]),
        epoch_tau=_mean([tau for result in found.values() for tau in _successive(result, setting)]),
        epoch_sd=float(np.mean([np.std(taus, ddof=1) for taus in epochs])) if len(epochs[0]) > 1 else None,
    )


def _at_chance(result: Result, setting: Setting) -> bool:
    frame = result.scores()
    last = frame[frame["epoch"] == frame["epoch"].max()]
    classes = TASKS[setting.recipe.task.name].classes
    return chance.at_chance(last["accuracy"].to_numpy(), setting.recipe.evaluation.images, classes)


def _with_steps(study: Study, settings: Sequence[Setting], rows: Sequence[Row]) -> list[Row]:
    """In a staged plan, the difference of every setting from the one that it changes."""
    if study.design != "staged":
        return list(rows)
    by_changes = {setting.changes: row for setting, row in zip(settings, rows, strict=True)}
    out = []
    for setting, row in zip(settings, rows, strict=True):
        before = by_changes.get(setting.changes[:-1])
        known = row.tau is not None and before is not None and before.tau is not None and setting.changes
        out.append(dataclasses.replace(row, step=row.tau.value - before.tau.value) if known else row)  # type: ignore[union-attr]
    return out


def _successive(result: Result, setting: Setting) -> list[float]:
    """tau-b between the scores of each two successive epochs."""
    frame = result.scores()
    score = MEASURES[setting.recipe.evaluation.metric]
    by_epoch = [part[score].to_numpy() for _, part in frame.groupby("epoch")]
    return [metrics.agreement(a, b) for a, b in itertools.pairwise(by_epoch)]


# ---- over-ranked operations --------------------------------------------------------------------------------------


def _with_excess(
    within: SearchSpace,
    indices: NDArray[np.int64],
    y: Floats,
    rows: Sequence[Row],
    settings: Sequence[Setting],
    ranked: _Ranked,
) -> list[Row]:
    """Rows with what they over-rank; the spread between seeds of all settings says how sure that is."""
    done = [setting.label for setting in settings if ranked.scores[setting.label]]
    raw, excess = {}, {}
    for label in done:
        found = [over_ranked(within, indices, y, _ranks(x)) for x in ranked.scores[label].values()]
        raw[label] = {name: float(np.mean([one[name][0] for one in found])) for name in found[0]}
        excess[label] = {name: np.array([one[name][1] for one in found]) for name in found[0]}
    spreads = {name: seeds.squeezed([excess[label][name] for label in done]) for name in excess[done[0]]}
    out = []
    for row in rows:
        if row.label in done:
            place = done.index(row.label)
            means = {
                name: seeds.mean_of(values, spreads[name][place], bounded=False)
                for name, values in excess[row.label].items()
            }
            row = dataclasses.replace(row, over_ranked=raw[row.label], excess=means)
        out.append(row)
    return out


def over_ranked(
    within: SearchSpace, indices: NDArray[np.int64], y: Floats, ranks: Floats
) -> dict[str, tuple[float, float]]:
    """How far architectures with each operation are ranked above their true place, and what of that is bias.

    A ranking that is noisy but treats all operations alike puts good architectures too low and bad ones too high on
    average: predicted percentiles regress to the mean with slope rho (Spearman's). The excess leaves that out: it is
    the
    mean over uses of (predicted - true) - (rho - 1) (true - 50).

    Args:
        y: true accuracies (n,).
        ranks: ranks by score from 0 (worst) to 1 (best): (n,).

    Returns:
        Operation -> (mean over its uses of predicted less true percentile, the excess), in percentile points. Both are
        0 for all operations when the ranking is perfect; the excess also when all scores are equal.
    """
    truth = _ranks(y)
    rho = metrics.pearson(ranks, truth) if np.ptp(ranks) > 0 else 0.0
    displaced = 100 * (ranks - truth)
    beyond = displaced - 100 * (rho - 1) * (truth - 0.5)
    archs = within.archs(indices)
    totals: dict[str, list[tuple[float, float]]] = {}
    for number, decision in enumerate(within.decisions):
        if decision.name.startswith("parents"):
            continue
        for option, name in enumerate(decision.options):
            uses = archs[:, number] == option
            totals.setdefault(str(name), []).extend(zip(displaced[uses].tolist(), beyond[uses].tolist(), strict=True))
    out = {}
    for name, uses in totals.items():
        if uses:
            means = np.mean(uses, axis=0)
            out[name] = (float(means[0]), float(means[1]))
    return out


def _ranks(x: Floats) -> Floats:
    """Mean ranks from 0 to 1: (n,)."""
    ranks: Floats = (rankdata(x) - 1) / max(1, len(x) - 1)
    return ranks


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


# ---- accuracy as a sign of tau -----------------------------------------------------------------------------------


def _proxy(rows: Sequence[Row], found: Mapping[str, Mapping[int, Result]]) -> Proxy | None:
    """Whether more accurate super-nets rank better: over settings, and over the seeds of one setting."""
    done = [row for row in rows if row.tau]
    if len(done) < PROXY_SETTINGS:
        return None
    accuracy = np.array([row.means["supernet_accuracy"] for row in done], dtype=np.float64)
    tau = np.array([row.tau.value for row in done if row.tau])
    try:
        over = metrics.kendall_tau(accuracy, tau)
    except metrics.MetricError:
        return None
    pairs, df = [], -1
    for row in done:
        if len(row.taus) > 1:
            each = np.array([(found[row.label][s].metrics["supernet_accuracy"], t) for s, t in row.taus.items()])
            pairs.append(each - each.mean(axis=0))
            df += len(each) - 1
    runs = sum(len(row.taus) for row in done)
    both = np.concatenate(pairs) if pairs else np.zeros((0, 2))
    if df < 3 or not (np.ptp(both, axis=0) > 0).all():
        return Proxy(over, len(done), None, None, None, runs)
    r = float(np.corrcoef(both.T)[0, 1])
    # Fisher's z with the degrees of freedom that the settings' means leave.
    low, high = (float(np.tanh(np.arctanh(r) + z / np.sqrt(max(df - 1, 1)))) for z in (-1.96, 1.96))
    return Proxy(over, len(done), r, low, high, runs)
