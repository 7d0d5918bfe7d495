"""From finished runs to what they say of each heuristic: means over seeds, differences from the base, findings.

Settings are compared unpaired, on every seed that is there (`harness.statistics.seeds`). A bootstrap that resamples the
architectures for all runs alike adds the variance of their choice to the variance between seeds. With one seed,
intervals speak of the choice of architectures alone, and settings are not tested: one seed tells networks apart, not
settings.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.task import TASKS
from supernet.benchmarks.truth.join import truth_rows
from supernet.harness.correlation.report import PARAMS, ceiling_of, params_of
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import chance, metrics, seeds, spreads
from supernet.harness.statistics.seeds import Comparisons, Difference, Mean
from supernet.harness.statistics.spreads import Spread
from supernet.harness.study.adds import Adds, adds_of
from supernet.harness.study.factors import Factors, factors_of
from supernet.harness.study.findings import findings_of
from supernet.harness.study.free import free_of
from supernet.harness.study.gathered import Done, Floats, Gathered
from supernet.harness.study.operations import with_excess
from supernet.harness.study.plan import BASE, Setting
from supernet.harness.study.results import COSTS, MEANS, Analysis, Proxy, Row
from supernet.harness.study.sizes import given_size
from supernet.harness.study.structure import structure_of
from supernet.heuristics.catalogue import find

RESAMPLES = 1000
LEVEL = seeds.LEVEL
ALIVE = 2 / 3
"""Share of a setting's runs that must not have diverged for their mean to stand for the setting."""
PROXY_SETTINGS = 8
"""Smallest number of settings for a statement on whether super-net accuracy tells tau, our choice."""


def analyse(gathered: Gathered, *, resamples: int | None = None) -> Analysis:
    """Analyse the runs that are done; the others count as what they are, and are named.

    Args:
        resamples: of the architectures, 1,000 by default.

    Raises:
        UserError: no run of the base is done, or too few architectures are ranked.
    """
    study, settings = gathered.study, gathered.settings
    table = study.truth.open(study.base.space)
    sampled = study.runs(settings[0])[0].architectures(table)
    indices = sampled if gathered.indices is None else gathered.indices
    if len(indices) < stats.LEAST:
        raise UserError(
            f"The study ranks {len(indices)} architectures; a report needs {stats.LEAST} or more. Raise `sample`."
        )
    m = study.truth.measure
    within = space(study.base.space)
    rows = truth_rows(within, indices, table)
    y = table.accuracy(m.dataset, m.split, m.epochs, m.seed, rows)
    if not gathered.done[BASE]:
        raise UserError("No run of the base is done: there is nothing to compare with, and no report.")
    params = params_of(table, m.dataset, rows).astype(np.float64)
    count = resamples or RESAMPLES
    ranked = _Ranked.of(gathered, params, y, count)
    # The settings of a screen are there for its factors: one by one, they are not what is asked about.
    comparisons = ranked.compared() if ranked.stands and study.design != "screen" else ranked.spread()
    fallen = ranked.fallen()
    out = [_row(gathered, setting, ranked, comparisons, fallen) for setting in settings]
    if study.design == "staged":
        out = _with_steps(settings, out, ranked)
    out = with_excess(within, indices, y, out, ranked.scores)
    given = given_size(ranked.scores, ranked.draws, ranked.usable, params, y)
    if study.design != "screen":
        out = _with_regrets(gathered, ranked.usable, out)
        out = _with_partial(out, dict(zip(ranked.usable[1:], given.comparisons.differences, strict=True)))
    adds = adds_of(within, indices, ranked.scores, ranked.usable, y)
    out = _with_adds(out, adds, ranked.usable)
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
        params_top10=metrics.tau_in_true_top(params, y, 0.1) if top.sum() >= stats.LEAST else None,
        beside_params=ranked.beside_params(metrics.kendall_tau(params, y), comparisons.spreads[0]),
        ceiling=ceiling_of(table, m, rows),
        rows=out,
        proxy=_proxy(out, gathered.done),
        detectable=comparisons.detectable,
        omnibus_p=comparisons.omnibus_p if len(out) > 1 else None,
        seed_sd=math.sqrt(comparisons.pooled.variance) if comparisons.pooled.df else None,
        seed_df=comparisons.pooled.df,
        sampling=comparisons.sampling,
        margin=study.margin,
        looked=tuple(label for label, _ in study.seeds_by),
        command=study.command,
        findings=[],
        free_ranking=adds.ranking,
        structure=structure_of(within, indices, y, params, ranked.scores, given),
        free=free_of(gathered, y),
        factors=_factors(gathered, ranked, out),
    )
    findings = findings_of(analysis)
    if asked := len(sampled) - len(indices):
        findings.append(
            f"{asked:,} of {len(sampled):,} architectures are left out of all rankings, because methods of some runs "
            "asked for their ground truth."
        )
    return dataclasses.replace(analysis, findings=findings)


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
    """The base, and the settings whose mean stands for them."""
    stands: bool
    """Whether the mean of the base stands for it."""

    @classmethod
    def of(cls, gathered: Gathered, params: Floats, y: Floats, count: int) -> _Ranked:
        scores = {label: {seed: run.scores[-1] for seed, run in of.items()} for label, of in gathered.done.items()}
        statistics = {
            f"{label}\0{seed}": stats.kendall_statistic(x, y) for label, of in scores.items() for seed, x in of.items()
        }
        statistics[PARAMS] = stats.kendall_statistic(params, y)
        draws = stats.bootstrap(statistics, len(y), count=count)
        return cls(
            scores,
            {label: {s: metrics.kendall_tau(x, y) for s, x in of.items()} for label, of in scores.items()},
            {label: {s: draws[f"{label}\0{s}"] for s in of} for label, of in scores.items()},
            draws[PARAMS],
            tuple(label for label in scores if label == BASE or _alive(gathered, label)),
            _alive(gathered, BASE),
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
        base, *others = self.usable
        return self.against(base, others)

    def against(self, base: str, others: Sequence[str]) -> Comparisons:
        """Settings against one of them, all with runs that are done."""
        first = self.mean_draws(base)
        sampling = [float(np.var(self.mean_draws(label) - first, ddof=1)) for label in others]
        return seeds.compare(self.values(base), [self.values(label) for label in others], sampling)

    def spread(self) -> Comparisons:
        """The usable settings without comparisons."""
        return seeds.uncompared([self.values(label) for label in self.usable])

    def fallen(self) -> dict[str, list[int]]:
        """Label -> seeds whose run collapsed."""
        places = spreads.collapsed([self.values(label) for label in self.usable])
        return {
            label: [list(self.taus[label])[k] for k in found] for label, found in zip(self.usable, places, strict=True)
        }

    def beside_params(self, params_tau: float, spread: Spread) -> Difference | None:
        """Mean tau of the base less that of parameter count; of fewer than three seeds, none."""
        values = self.values(BASE)
        if len(values) < 3 or not self.stands:
            return None
        sampling = float(np.var(self.mean_draws(BASE) - self.params, ddof=1))
        return seeds.against_constant(values, params_tau, spread, sampling)


def _alive(gathered: Gathered, label: str) -> bool:
    """Whether so few runs of a setting diverged that the mean of the others stands for it."""
    done, diverged = len(gathered.done[label]), list(gathered.states[label].values()).count("diverged")
    return done > 0 and done / (done + diverged) >= ALIVE


def _factors(gathered: Gathered, ranked: _Ranked, rows: Sequence[Row]) -> Factors | None:
    """Effects on average over the other heuristics, from the settings whose mean stands for them."""
    labels = [row.label for row in rows if row.tau]
    return factors_of(
        gathered.study,
        gathered.settings,
        {label: ranked.values(label) for label in labels},
        {label: ranked.mean_draws(label) for label in labels},
        {row.label: len(row.diverged) for row in rows},
    )


def _row(
    gathered: Gathered,
    setting: Setting,
    ranked: _Ranked,
    comparisons: Comparisons,
    fallen: Mapping[str, Sequence[int]],
) -> Row:
    label, found = setting.label, gathered.done[setting.label]
    families = dict.fromkeys(h.family for name, _ in setting.changes if (h := find(name)) is not None)
    row = Row(
        setting.heuristic, setting.value, label, " + ".join(families), gathered.states[label], gathered.hashes[label]
    )
    if not found:
        return row
    place = ranked.usable.index(label) if _alive(gathered, label) else None
    tau = None
    if place is not None:
        sampling = float(np.var(ranked.mean_draws(label), ddof=1))
        tau = seeds.mean_of(ranked.values(label), comparisons.spreads[place], sampling)
        if len(found) == 1:
            tau = Mean(tau.value, *stats.interval(ranked.mean_draws(label), LEVEL), 1)
    epochs = [run.metrics["kendall_tau_by_epoch"] for run in found.values()]
    return dataclasses.replace(
        row,
        taus=ranked.taus[label],
        tau=tau,
        means={name: _mean([run.metrics.get(name) for run in found.values()]) for name in MEANS},
        costs={name: float(np.mean([run.result.ledger[name] for run in found.values()])) for name in COSTS},
        difference=comparisons.differences[place - 1] if comparisons.differences and place else None,
        collapsed=tuple(fallen.get(label, ())),
        at_chance=tuple(seed for seed, run in found.items() if _at_chance(run, setting)),
        seed_tau=_mean([metrics.agreement(a, b) for a, b in itertools.combinations(ranked.scores[label].values(), 2)]),
        epoch_tau=_mean([metrics.agreement(a, b) for run in found.values() for a, b in itertools.pairwise(run.scores)]),
        epoch_sd=float(np.mean([np.std(taus, ddof=1) for taus in epochs])) if len(epochs[0]) > 1 else None,
    )


def _at_chance(run: Done, setting: Setting) -> bool:
    classes = TASKS[setting.recipe.task.name].classes
    return chance.at_chance(run.accuracy, setting.recipe.evaluation.images, classes)


def _with_regrets(gathered: Gathered, usable: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Rows with the difference of their regret from that of the base, compared as taus are."""
    values = {
        label: np.array([run.metrics["regret@1"] for run in gathered.done[label].values()], dtype=np.float64)
        for label in usable
    }
    base, *others = usable
    if not any(np.ptp(regrets) > 0 for regrets in values.values()):
        return list(rows)  # a regret is one architecture's: seeds that pick the same one are no certainty
    found = seeds.compare(values[base], [values[label] for label in others], bound=None).differences
    by_label = dict(zip(others, found, strict=True))
    return [dataclasses.replace(row, regret=by_label.get(row.label) if row.difference else None) for row in rows]


def _with_steps(settings: Sequence[Setting], rows: Sequence[Row], ranked: _Ranked) -> list[Row]:
    """The rows of a staged plan, each compared with the setting that it changes; every stage is tested by itself."""
    by_changes = {setting.changes: row for setting, row in zip(settings, rows, strict=True)}
    stages: dict[str, list[str]] = {}
    for setting, row in zip(settings, rows, strict=True):
        before = by_changes.get(setting.changes[:-1])
        if setting.changes and row.tau is not None and before is not None and before.tau is not None:
            stages.setdefault(before.label, []).append(row.label)
    steps: dict[str, Difference] = {}
    for incumbent, labels in stages.items():
        steps |= zip(labels, ranked.against(incumbent, labels).differences, strict=True)
    return [dataclasses.replace(row, step=steps.get(row.label)) for row in rows]


def _with_partial(rows: Sequence[Row], differences: Mapping[str, Difference]) -> list[Row]:
    """The rows with the difference of their partial tau from the base, where that of their tau is known."""
    return [
        dataclasses.replace(row, partial_difference=differences[row.label]) if row.difference else row for row in rows
    ]


def _with_adds(rows: Sequence[Row], adds: Adds, usable: Sequence[str]) -> list[Row]:
    """The rows with what their super-nets add to the training-free ranking, where their tau is known."""
    differences = dict(zip(usable[1:], adds.comparisons.differences, strict=True))
    return [
        dataclasses.replace(
            row, adds=adds.means[row.label], adds_difference=differences.get(row.label) if row.difference else None
        )
        if row.tau
        else row
        for row in rows
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _proxy(rows: Sequence[Row], found: Mapping[str, Mapping[int, Done]]) -> Proxy | None:
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
