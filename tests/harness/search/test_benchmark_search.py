from functools import partial
from random import Random

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.spaces import space
from benchmarks.truth.table import Measure
from harness.search.algorithm import Trace, search
from harness.search.evolution import LocalSearch, RandomSearch, RegularisedEvolution
from harness.search.ledger import Budget, Ledger
from harness.search.moves import moves
from harness.search.multifidelity import BOHB, ETA, Hyperband, successive_halving
from harness.search.objective import Fidelity, Objective, objective, reported
from harness.search.reinforce import Reinforce

WITHIN = space("nb201")
ALL = {
    "random": RandomSearch,
    "evolution": RegularisedEvolution,
    "local": LocalSearch,
    "reinforce": Reinforce,
    "halving": successive_halving,
    "hyperband": Hyperband,
    "bohb": BOHB,
}


@pytest.fixture(scope="module")
def two_fidelities():
    """Accuracy falls with the distance from one architecture; the cheap fidelity sees it through noise."""
    rng = np.random.default_rng(0)
    best = WITHIN.archs([7777])[0]
    values = 90.0 - 5 * (WITHIN.archs() != best).sum(1)
    noisy = values + rng.normal(0, 3, len(values))
    seconds = rng.uniform(50, 150, len(values))
    cheap = Fidelity("12", noisy.tolist(), (seconds * 0.06).tolist())
    return Objective(WITHIN, (cheap, Fidelity("200", values.tolist(), seconds.tolist())))


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
@pytest.mark.parametrize("budget", ["57q", "3000s", "3000w"])
def test_searches_stop_at_the_last_query_that_the_budget_affords(make, budget, two_fidelities):
    ledger = Ledger(Budget.parse(budget))
    trace = search(make, two_fidelities, ledger, seed=3)
    costs = [two_fidelities.fidelities[f].seconds[i] for f, i in zip(trace.fidelities, trace.indices, strict=True)]
    assert ledger.spent["queries"] == len(trace.indices)
    assert ledger.spent["seconds"] == pytest.approx(sum(costs))
    assert ledger.used <= ledger.budget.amount
    if budget == "57q":
        assert len(trace.indices) == 57
    else:
        assert ledger.used > ledger.budget.amount - 150
    again = search(make, two_fidelities, Ledger(Budget.parse(budget)), seed=3)
    assert (again.indices, again.fidelities) == (trace.indices, trace.fidelities)
    other = search(make, two_fidelities, Ledger(Budget.parse(budget)), seed=4)
    assert other.indices != trace.indices


def test_moves_are_those_of_the_space():
    within, rng = moves("nb201"), Random(0)
    for _ in range(200):
        arch = within.random(rng)
        assert within.index(arch) == WITHIN.index(arch)
        changed = within.mutated(arch, rng)
        assert WITHIN.distance(arch, changed) == 1
    assert sorted(within.neighbours(arch)) == sorted(map(tuple, WITHIN.neighbours(arch).tolist()))
    draws = np.array([within.random(rng) for _ in range(4000)])
    assert np.abs([(draws == option).mean() for option in range(5)] - np.full(5, 0.2)).max() < 0.01


def test_every_other_option_is_as_likely_in_a_mutation():
    within, rng = moves("nb1shot1-1"), Random(1)
    arch = within.random(rng)
    children = [within.mutated(arch, rng) for _ in range(20_000)]
    counts = {child: children.count(child) for child in set(children)}
    wanted = {}
    for n in within.neighbours(arch):
        (changed,) = (d for d in range(len(arch)) if n[d] != arch[d])
        wanted[n] = 1 / len(arch) / (within.options[changed] - 1)
    assert set(counts) == set(wanted)
    assert max(abs(counts[n] / 20_000 - p) for n, p in wanted.items()) < 0.012


def test_the_population_loses_its_oldest_member():
    algorithm = RegularisedEvolution(moves("nb201"), 0, Random(0), population=3, sample=50)
    told = []
    for value in (99.0, 1.0, 2.0, 3.0, 4.0):
        query = algorithm.ask()
        algorithm.tell(query, value)
        told.append(query.arch)
    # The best of all, told first, has left: the parent is now the last one.
    assert WITHIN.distance(algorithm.ask().arch, told[4]) == 1


def test_local_search_ends_where_no_neighbour_is_better(two_fidelities):
    trace = search(LocalSearch, two_fidelities, Ledger(Budget("queries", 120)), seed=0)
    assert 7777 in trace.indices  # the one optimum, from wherever it starts
    assert len(set(trace.indices)) == len(trace.indices)


def test_a_policy_learns_the_better_options(two_fidelities):
    late = []
    for seed in range(5):
        trace = search(partial(Reinforce, learning_rate=0.1), two_fidelities, Ledger(Budget("queries", 400)), seed)
        late.append(np.mean(trace.values[-50:]) - np.mean(trace.values[:50]))
    assert np.mean(late) > 5


def test_halving_sends_the_best_third_on(two_fidelities):
    trace = search(successive_halving, two_fidelities, Ledger(Budget("queries", 24)), seed=0)
    first = ETA  # ceil(2 / 2 * eta)
    assert trace.fidelities[: first + 1] == [0] * first + [1]
    assert trace.indices[first] == trace.indices[int(np.argmax(trace.values[:first]))]


def test_hyperband_takes_its_brackets_in_turn(two_fidelities):
    trace = search(Hyperband, two_fidelities, Ledger(Budget("queries", 12)), seed=0)
    assert trace.fidelities == [0, 0, 0, 1, 1, 1] * 2


def test_the_incumbent_is_the_best_of_the_highest_fidelity_seen():
    trace = Trace([5, 6, 7, 8, 9], [0, 0, 1, 0, 1], [80.0, 90.0, 70.0, 99.0, 70.0])
    assert trace.incumbents().tolist() == [5, 6, 7, 7, 7]


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [("200q", "queries", 200), ("20000s", "seconds", 20000), ("1e4 s", "seconds", 1e4), ("5 passes", "passes", 5)],
)
def test_budgets_are_read(text, kind, amount):
    assert Budget.parse(text) == Budget(kind, amount)


@pytest.mark.parametrize("text", ["", "200", "q", "_q", "-5s", "20 parsecs"])
def test_what_is_no_budget_is_refused_with_the_units(text):
    with pytest.raises(UserError, match=r"is no budget.* 20000s"):
        Budget.parse(text)


# ---- real tables -------------------------------------------------------------------------------------------------

ORACLE = {
    "random": (RandomSearch, [93.68, 93.84, 93.98, 94.04]),
    "local": (LocalSearch, [93.68, 94.18, 94.32, 94.36]),
    "evolution, population 10, sample 3": (RegularisedEvolution, [93.88, 94.16, 94.32, 94.35]),
    "evolution, population 30, sample 10": (
        partial(RegularisedEvolution, population=30, sample=10), [93.95, 94.26, 94.35, 94.35]
    ),
}  # fmt: skip
"""Mean of the best CIFAR-10 test accuracy after 50, 100, 200 and 300 queries, simulated independently of this code."""


@pytest.mark.parametrize("name", ORACLE)
def test_oracle_searches_reach_the_reference_curve(name, nb201_truth):
    make, reference = ORACLE[name]
    oracle = objective(WITHIN, nb201_truth, "cifar10", ("200",), "mean", split="test")
    values = np.array(oracle.fidelities[0].values)
    reached = []
    for seed in range(500):
        trace = search(make, oracle, Ledger(Budget("queries", 300)), seed)
        reached.append(np.maximum.accumulate(values[trace.indices])[[49, 99, 199, 299]])
    reached = np.array(reached)
    # Both means have sampling errors; the reference gives two decimals and not its number of runs.
    tolerance = 4 * reached.std(0) / np.sqrt(500) + 0.015
    assert (np.abs(reached.mean(0) - reference) < tolerance).all(), reached.mean(0)


PUBLISHED = {
    "random": (RandomSearch, 93.70, 0.36),
    "evolution": (RegularisedEvolution, 93.92, 0.30),
    "reinforce": (Reinforce, 93.85, 0.37),
    "bohb": (BOHB, 93.61, 0.52),
}
"""Mean and standard deviation of CIFAR-10 test accuracy after 12,000 s, as NAS-Bench-201 gives them."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_protocol_gives_the_published_accuracies(name, nb201_truth):
    make, mean, deviation = PUBLISHED[name]
    observed = objective(WITHIN, nb201_truth, "cifar10-valid", ("12",), "mean")
    assert "12/200" in observed.notes[0]
    test = reported(WITHIN, nb201_truth, Measure("cifar10", "test", "200", "mean"))
    final = []
    for seed in range(120):
        trace = search(make, observed, Ledger(Budget("seconds", 12_000)), seed)
        final.append(test[trace.incumbents()[-1]])
    assert abs(np.mean(final) - mean) < deviation
