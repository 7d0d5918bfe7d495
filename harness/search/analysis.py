"""The analysis of searches: regret by budget spent, final accuracies, ranks, tests, and time to reach an accuracy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from supernet.benchmarks.truth.table import Measure
from supernet.benchmarks.wording import listed
from supernet.harness.runs.state import look
from supernet.harness.runs.store import Store
from supernet.harness.search.algorithms.names import algorithm_of
from supernet.harness.search.algorithms.registry import QueryAlgorithm, use
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.contrasts import Contrast, Omnibus, contrast, omnibus, with_holm, with_q
from supernet.harness.search.truths import Truths

GRID = 80
"""Number of points of a curve: our choice."""
NEAR = (0.5, 0.1)
"""Distances from the best known accuracy, in points, for which the time to come so close is reported: our choice."""
RANKED = 10
"""Smallest number of common seeds for which mean ranks over the seeds of one data set are reported: our choice."""
MARKS = (0.5, 1.0)
"""Shares of a super-net's epochs after which picks that the table lacks are measured for its curve: our choice."""


@dataclass(frozen=True)
class Curve:
    """Regret of the incumbent as the budget is spent, in points of accuracy: (points,) each."""

    spent: NDArray[np.float64]
    """Amounts of the budget spent."""
    mean: NDArray[np.float64]
    """Mean over seeds."""
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    """Bounds of the 95 % interval of the mean over seeds, not below 0; NaN for one seed."""
    quartiles: NDArray[np.float64]
    """First, second and third quartile over seeds: (3, points)."""


@dataclass
class Entry:
    """One algorithm of a comparison."""

    name: str
    title: str
    source: str
    sharing: bool
    states: dict[int, str] = field(default_factory=dict)
    """Seed -> done, diverged, failed or missing."""
    problems: list[str] = field(default_factory=list)
    """One sentence for each reason of a failure, with the seeds concerned."""
    trace: pd.DataFrame = field(default_factory=pd.DataFrame)
    picks: dict[int, int] = field(default_factory=dict)
    """Seed -> index of the final pick."""
    final: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    """Measure -> accuracies of the final picks in percent, by ascending seed: (seeds,)."""
    curve: Curve | None = None
    reached: dict[float, tuple[float, float]] = field(default_factory=dict)
    """Distance from the best -> (median amount spent until a pick is within it, infinite if most searches never are;
    share of searches that are)."""
    rank: tuple[float, float, float] | None = None
    """Mean rank by final accuracy among the algorithms, with its interval; 1 is best. None below RANKED seeds."""

    @property
    def done(self) -> int:
        """The number of seeds whose searches are done."""
        return sum(state == "done" for state in self.states.values())

    def summary(self, measure: Measure) -> tuple[float | None, float | None]:
        """Return mean and standard deviation over seeds of the known final accuracies; None if there are too few."""
        values = self.final.get(str(measure), np.empty(0))
        values = values[~np.isnan(values)]
        if not len(values):
            return None, None
        return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None


@dataclass
class Outcome:
    """All results that a report shows."""

    comparison: Comparison
    measures: tuple[Measure, ...]
    best: float
    """The largest known value of the first measure, in percent."""
    entries: list[Entry]
    common: list[int]
    """Seeds that all algorithms have finished, on which ranks are compared."""
    versus: list[Contrast]
    """Every other algorithm against random search, with p-values by Holm's method: the only confirmatory tests."""
    pairs: list[Contrast]
    """All pairs of algorithms, with false discovery rates: exploratory tests."""
    omnibus: Omnibus | None
    """The test of all algorithms at once."""
    critical: float | None
    """Nemenyi's critical difference of mean ranks at 5 %; None for fewer than three algorithms or RANKED seeds."""
    random: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    """Expected regret of random search: (budgets spent, regrets)."""
    notes: list[str]

    @property
    def unit(self) -> str:
        """The unit of the budget."""
        return self.comparison.budget.kind

    @property
    def best_first(self) -> list[Entry]:
        """The entries by descending mean final accuracy; those without one come last."""
        return sorted(self.entries, key=lambda entry: -(entry.summary(self.measures[0])[0] or -1.0))


def gather(comparison: Comparison, store: Store) -> list[Entry]:
    """Collect the states of all runs of a comparison and the traces of those that are done: an entry per algorithm."""
    use(comparison.plugins)  # the runs may have loaded plug-ins of other searches since
    entries: dict[str, Entry] = {}
    reasons: dict[tuple[str, str], list[int]] = {}
    for spec in comparison.specs():
        algorithm = algorithm_of(spec.algorithm)
        entry = entries.setdefault(
            spec.algorithm,
            Entry(spec.algorithm, algorithm.title, algorithm.source, not isinstance(algorithm, QueryAlgorithm)),
        )
        run = look(spec, store)
        entry.states |= dict.fromkeys(spec.seeds, run.state)
        if run.reason:
            reasons.setdefault((spec.algorithm, run.reason), []).extend(spec.seeds)
        if run.result is not None and run.state == "done":
            entry.trace = pd.concat([entry.trace, run.result.trace()], ignore_index=True)
    for (name, reason), seeds in reasons.items():
        entries[name].problems.append(f"{name}, {_said(seeds)}: {reason}")
    for entry in entries.values():
        if len(entry.trace):
            last = entry.trace.sort_values("step").groupby("seed")["pick"].last()
            entry.picks = dict(zip(last.index.tolist(), last.tolist(), strict=True))
    return list(entries.values())


def _said(seeds: Sequence[int]) -> str:
    """Write seeds in words: seed 3; seeds 0 to 9; seeds 0, 4, 7."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {listed(seeds)}"


def wanted(entries: Sequence[Entry]) -> list[int]:
    """Return the indices of architectures whose accuracies curves and tables need; some may have to be measured."""
    return sorted({int(pick) for entry in entries for pick in _marked(entry)["pick"]} if entries else set())


def _marked(entry: Entry) -> pd.DataFrame:
    """Return the rows of a trace at the shares MARKS of its steps."""
    if not len(entry.trace):
        return pd.DataFrame({"pick": [], "seed": []})
    last = entry.trace.groupby("seed")["step"].transform("max")
    steps = [np.ceil(share * last) for share in MARKS]
    return entry.trace[np.logical_or.reduce([entry.trace["step"] == step for step in steps])]


def analyse(comparison: Comparison, entries: list[Entry], truths: Sequence[Truths]) -> Outcome:
    """Compute curves, tables and tests of the finished searches.

    Args:
        comparison: the comparison.
        entries: the result of `gather`; their curves, accuracies and ranks are filled in.
        truths: one for each reported measure; regret is computed from the first.
    """
    main, kind = truths[0], comparison.budget.kind
    best = float(main.known.max())
    done = [entry for entry in entries if entry.picks]
    for entry in done:
        indices = np.array([entry.picks[seed] for seed in sorted(entry.picks)])
        entry.final = {str(t.measure): t.of(indices) for t in truths}
        _follow(entry, main, best, kind)
    common = _common(done, main)
    _rank(done, common, main)
    notes = _notes(comparison, done, main)
    critical = None
    if len(done) > 2 and len(common) >= RANKED:
        k = len(done)
        critical = float(
            scipy_stats.studentized_range.ppf(0.95, k, np.inf) / np.sqrt(2) * np.sqrt(k * (k + 1) / 6 / len(common))
        )
    finals = {entry.name: known for entry in done if len(known := _known(entry.final[str(main.measure)]))}
    against = [name for name in finals if name != "random"] if "random" in finals else []
    return Outcome(
        comparison, tuple(t.measure for t in truths), best, entries, common,
        with_holm([contrast(name, "random", finals[name], finals["random"]) for name in against]),
        with_q([contrast(a, b, finals[a], finals[b]) for a, b in itertools.combinations(finals, 2)]),
        omnibus(finals), critical, _expected_random(comparison, main, best), notes,
    )  # fmt: skip


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[~np.isnan(values)]


def _follow(entry: Entry, truth: Truths, best: float, kind: str) -> None:
    """Compute the curve of an algorithm, and the amounts spent until it came near the best."""
    runs = []
    frame = entry.trace.assign(regret=best - truth.of(entry.trace["pick"].to_numpy()))
    frame = frame[~frame["regret"].isna()]
    for _, run in frame.sort_values("step").groupby("seed"):
        runs.append((run[kind].to_numpy(dtype=np.float64), run["regret"].to_numpy()))
    if len(runs) < len(entry.picks) or not runs:
        return
    start, end = max(spent[0] for spent, _ in runs), max(spent[-1] for spent, _ in runs)
    grid = np.unique(np.geomspace(max(start, 1e-9), max(end, start), GRID))
    values = np.stack([regret[np.maximum(0, _last(spent, grid))] for spent, regret in runs])
    mean = values.mean(0)
    low, high = _regret_interval(values)
    entry.curve = Curve(grid, mean, low, high, np.quantile(values, [0.25, 0.5, 0.75], axis=0))
    for distance in NEAR:
        first = [spent[regret <= distance + 1e-9].min(initial=np.inf) for spent, regret in runs]
        entry.reached[distance] = (float(np.median(first)), float(np.mean(np.isfinite(first))))


def _last(spent: NDArray[np.float64], grid: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the last step that each budget of the grid affords, -1 for none: (grid,). `spent` may also fall."""
    allowed = grid * (1 + 1e-9)
    if (np.diff(spent) >= 0).all():
        return np.searchsorted(spent, allowed, side="right") - 1
    return np.array([np.flatnonzero(spent <= budget).max(initial=-1) for budget in allowed])


def _mean_interval(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval of the mean over rows by Student's t; NaN for one row: (columns,) twice.

    A bootstrap of few rows would be too narrow: with three rows it covers the true mean in 75 % of cases.
    """
    n, mean = len(values), values.mean(0)
    if n < 2:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = scipy_stats.t.ppf(0.975, n - 1) * values.std(0, ddof=1) / np.sqrt(n)
    return mean - half, mean + half


def _regret_interval(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval of the mean regret over rows, on the scale of its square root: (columns,) twice.

    Regrets are skewed and bounded by 0, below which this interval, by Student's t, never falls. In simulations with
    random searches of NAS-Bench-201 it covers the true mean at least as often as an interval on the plain scale, and
    its errors on the two sides are closer to equal. Both bounds are NaN for one row.
    """
    mean, (low, high) = values.mean(0), _mean_interval(values)
    root, half = np.sqrt(mean), (high - low) / 2
    step = np.divide(half, 2 * root, out=np.zeros_like(root), where=root > 0)
    step = np.where(np.isnan(half), np.nan, step)
    return np.maximum(root - step, 0) ** 2, (root + step) ** 2


def _common(done: Sequence[Entry], truth: Truths) -> list[int]:
    """Return the seeds that all algorithms have finished and whose accuracies are all known, ascending."""
    seeds = [{seed for seed, pick in entry.picks.items() if not np.isnan(truth.of([pick])[0])} for entry in done]
    return sorted(set.intersection(*seeds)) if seeds else []


def _table(done: Sequence[Entry], seeds: Sequence[int], truth: Truths) -> NDArray[np.float64]:
    """Return final accuracies in percent: (algorithms, seeds)."""
    return np.array([truth.of([entry.picks[seed] for seed in seeds]) for entry in done])


def _rank(done: list[Entry], seeds: Sequence[int], truth: Truths) -> None:
    """Set the mean rank of each algorithm over these seeds, if there are enough."""
    if len(done) < 2 or len(seeds) < RANKED:
        return
    ranks = scipy_stats.rankdata(-_table(done, seeds, truth), axis=0)
    low, high = np.clip(_mean_interval(ranks.T), 1, len(done))
    for entry, mean, a, b in zip(done, ranks.mean(1), low, high, strict=True):
        entry.rank = float(mean), float(a), float(b)


def _expected_random(
    comparison: Comparison, truth: Truths, best: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the expected regret of random search with replacement over the table: (budgets spent, regrets).

    With N architectures ranked from the worst observed accuracy to the best, the incumbent after n queries has rank r
    with probability (r/N)^n - ((r-1)/N)^n; its regret is that of its true accuracy. This is exact for budgets of
    queries. For a budget in seconds, n is the budget divided by the mean cost, without rounding: an approximation,
    which is slightly optimistic if accurate architectures cost more. None if costs or accuracies are not known.
    """
    if comparison.budget.kind == "passes":
        return None
    seen = comparison.objective(comparison.truth.measure.epochs)
    observed, cost = np.array(seen.fidelities[0].values), np.array(seen.fidelities[0].seconds)
    members = np.flatnonzero(~np.isnan(observed))
    true = truth.of(members)
    if np.isnan(true).any():
        return None
    price = 1.0 if comparison.budget.kind == "queries" else float(np.nanmean(cost[members]))
    if not np.isfinite(price) or comparison.budget.amount < price:
        return None
    n = np.geomspace(1, comparison.budget.amount / price, GRID)
    return n * price, best - expected_best(observed[members], true, n)


def expected_best(
    observed: NDArray[np.float64], true: NDArray[np.float64], n: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the expected true value of the best observed of n draws with replacement, ties at random: (budgets,).

    Args:
        observed, true: observed and true values of all architectures: (architectures,).
        n: numbers of draws, not necessarily whole: (budgets,).
    """
    order = np.argsort(observed, kind="stable")
    _, group, sizes = np.unique(observed[order], return_inverse=True, return_counts=True)
    mean = np.bincount(group, true[order]) / sizes
    upper = np.cumsum(sizes) / len(observed)
    lower = upper - sizes / len(observed)
    return np.array([((upper**k - lower**k) * mean).sum() for k in n])


def _notes(comparison: Comparison, done: Sequence[Entry], truth: Truths) -> list[str]:
    """Return notes for the reader about costs and accuracies."""
    query = {
        entry.name
        for entry in done
        if not entry.sharing or ("queries" in entry.trace and (entry.trace["queries"] > 0).any())
    }
    seen = dict.fromkeys(spec.fidelities for spec in comparison.specs() if spec.algorithm in query)
    notes = list(dict.fromkeys(note for epochs in seen for note in comparison.objective(*epochs).notes))
    alone = [entry.title for entry in done if entry.name in ("halving", "hyperband")]
    if alone and len(comparison.fidelities) == 1:
        notes.append(f"With one fidelity there is nothing to halve, so that this is random search: {listed(alone)}.")
    if any(entry.sharing for entry in done):
        kind = comparison.budget.kind
        if kind == "seconds":
            notes.append(
                "Seconds of super-nets are path passes times the benchmark's mean time per training image, scaled by "
                "the mean operations of a path; a mixture counts as many paths as it has options, and a forward pass "
                "alone counts a third of a pass."
            )
        if kind == "wall":
            notes.append(
                "Seconds by the clock of super-nets were measured; those of table look-ups are the seconds of training "
                "that the table records."
            )
        notes.append(
            "Each super-net was trained for the epochs that its budget affords, so that its learning rate falls with "
            "the budget; a point of its curve is what it would have picked after that epoch."
        )
    if truth.sampled:
        notes.append(
            "The table has a sample of the space. Picks that it lacks were trained as its architectures were, once "
            f"each ({truth.measure.seed}). The best known accuracy is that of all measured so far, so that regrets "
            "grow when a better architecture is measured."
        )
    return list(dict.fromkeys(notes))
