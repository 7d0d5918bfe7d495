from functools import partial
from itertools import groupby
from random import Random

import numpy as np
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import Measure
from supernet.harness.search.algorithms.ask import Query, Trace, search
from supernet.harness.search.algorithms.evolution import LocalSearch, RandomSearch, RegularisedEvolution
from supernet.harness.search.algorithms.moves import moves
from supernet.harness.search.algorithms.multifidelity import BOHB, ETA, Density, Hyperband, successive_halving
from supernet.harness.search.algorithms.reinforce import Reinforce
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objectives.table import Fidelity, Table, objective, reported

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
    return Table(WITHIN, (cheap, Fidelity("200", values.tolist(), seconds.tolist())))


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
        assert sum(a != b for a, b in zip(arch, changed, strict=True)) == 1
    assert sorted(within.neighbours(arch)) == sorted(WITHIN.neighbours(arch))
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
    assert sum(a != b for a, b in zip(algorithm.ask().arch, told[4], strict=True)) == 1


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


@pytest.mark.parametrize(("make", "second"), [(Hyperband, [12, 4, 1]), (BOHB, [9, 3, 1])])
def test_brackets_of_four_fidelities_begin_with_the_numbers_of_the_paper_and_of_the_release(make, second):
    algorithm, asked = make(moves("nb201"), 3, Random(0)), []
    for _ in range(27 + 9 + 3 + 1 + sum(second) + 6):
        query = algorithm.ask()
        asked.append(query.fidelity)
        algorithm.tell(query, 0.0)
    found = [(fidelity, len(list(same))) for fidelity, same in groupby(asked)]
    assert found == [*zip(range(4), [27, 9, 3, 1], strict=True), *zip(range(1, 4), second, strict=True), (2, 6)]


@pytest.mark.parametrize("top", [0, 1])
def test_with_one_or_two_fidelities_brackets_of_both_are_equal(top):
    one, other = (make(moves("nb201"), top, Random(0)) for make in (Hyperband, BOHB))
    assert [one.size(below) for below in range(top + 1)] == [other.size(below) for below in range(top + 1)]


def test_the_incumbent_is_the_best_of_the_highest_fidelity_seen():
    trace = Trace([5, 6, 7, 8, 9], [0, 0, 1, 0, 1], [80.0, 90.0, 70.0, 99.0, 70.0])
    assert trace.incumbents().tolist() == [5, 6, 7, 7, 7]


@pytest.mark.parametrize(
    ("text", "short"), [("200q", "200q"), ("12_000 s", "12000s"), ("0.5w", "0.5w"), ("1e20p", "1e20p")]
)
def test_budgets_are_written_as_they_are_read(text, short):
    assert Budget.parse(text).short == short
    assert Budget.parse(short) == Budget.parse(text)


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [("200q", "queries", 200), ("20000s", "seconds", 20000), ("1e4 s", "seconds", 1e4), ("5 passes", "passes", 5)],
)
def test_budgets_are_read(text, kind, amount):
    assert Budget.parse(text) == Budget(kind, amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "200",
        "q",
        "_q",
        "-5s",
        "20 parsecs",
        "0q",
        "0.0w",
        "1e999s",
        "1_q",
        "1__0q",
        "٣q",
        "nans",
        "infq",
        "9" * 9999,
    ],
)
def test_invalid_budgets_are_refused_with_the_units(text):
    with pytest.raises(UserError, match=r"^Invalid budget .{2,200}\. Write .* 20000s\.$"):
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


# ---- BOHB --------------------------------------------------------------------------------------------------------


def bohb(known, rng=0, **options):
    """BOHB at its beginning that was told some accuracies at one fidelity."""
    algorithm = BOHB(moves("nb201"), 0, Random(rng), **options)
    for value, arch in known:
        algorithm.tell(Query(arch, 0), value)
    return algorithm


def observations(count, rng=0):
    """Random architectures, the number of 3x3 convolutions being the accuracy."""
    within, draw = moves("nb201"), Random(rng)
    archs = [within.random(draw) for _ in range(count)]
    return [(float(arch.count(3)), arch) for arch in archs]


def test_a_candidate_keeps_an_option_that_the_good_agree_on_with_the_probability_of_the_release():
    good = Density([(3,) * 6] * 7, [5] * 6, least=0.3)
    assert good.bandwidths == [0.3] * 6
    rng = Random(0)
    drawn = np.array([good.near(rng) for _ in range(20_000)])
    # Kept with 1 - 0.3, or drawn again among five.
    assert (drawn == 3).mean() == pytest.approx(0.7 + 0.3 / 5, abs=0.01)
    assert [(drawn == option).mean() for option in (0, 1, 2, 4)] == pytest.approx([0.06] * 4, abs=0.005)


def test_bandwidths_follow_the_normal_reference_rule_above_their_minimum():
    archs = [(0, 1, 4, 0, 2, 2), (0, 2, 0, 0, 2, 2), (1, 1, 4, 0, 2, 2), (0, 1, 0, 0, 2, 2)]
    wanted = 1.06 * np.std(archs, axis=0) * 4 ** (-1 / 10)
    found = Density(archs, [5] * 6, least=0.01).bandwidths
    assert found == pytest.approx(np.maximum(wanted, 0.01).tolist())
    assert max(found) > 1  # such a decision is always drawn anew
    draws = np.array([Density(archs, [5] * 6, least=0.01).near(Random(s))[2] for s in range(4000)])
    assert [(draws == option).mean() for option in range(5)] == pytest.approx([0.2] * 5, abs=0.03)


def test_densities_sum_to_one_over_the_space():
    known = [arch for _, arch in observations(9)]
    density = Density(known, [5] * 6, least=0.3)
    assert sum(density(tuple(arch)) for arch in WITHIN.archs().tolist()) == pytest.approx(1)
    assert min(density(tuple(arch)) for arch in WITHIN.archs([0, 7777]).tolist()) > 0


@pytest.mark.parametrize(("seen", "good", "other"), [(14, 7, 7), (20, 7, 13), (47, 7, 39), (100, 15, 85)])
def test_the_good_and_the_others_are_as_many_as_in_the_release(seen, good, other):
    known = observations(seen)
    found = bohb(known).division(known)
    assert [len(part.among) for part in found] == [good, other]
    values = [[arch.count(3) for arch in part.among] for part in found]
    assert min(values[0]) >= max(values[1])


def test_a_model_begins_with_seven_of_each(monkeypatch):
    asked = []
    monkeypatch.setattr(Density, "near", lambda self, rng: asked.append(len(self.among)) or (3,) * 6)
    assert bohb(observations(13)).propose() != (3,) * 6
    assert not asked
    assert bohb(observations(14)).propose() == (3,) * 6
    assert asked == [7] * 4  # candidates


def test_the_most_expensive_fidelity_with_a_model_is_used(monkeypatch):
    used = []
    monkeypatch.setattr(Density, "near", lambda self, rng: used.append(set(self.among)) or (3,) * 6)
    algorithm = BOHB(moves("nb201"), 1, Random(0))
    cheap, dear = observations(40), observations(14, rng=1)
    for value, arch in cheap + dear[:13]:
        algorithm.tell(Query(arch, (value, arch) in dear), value)
    algorithm.propose()
    assert used.pop() <= {arch for _, arch in cheap}
    algorithm.tell(Query(dear[13][1], 1), dear[13][0])
    algorithm.propose()
    assert used.pop() <= {arch for _, arch in dear}


def test_proposals_are_random_as_often_as_asked(monkeypatch):
    monkeypatch.setattr(Density, "near", lambda self, rng: (3,) * 6)
    algorithm = bohb(observations(30), at_random=1 / 3)
    assert np.mean([algorithm.propose() == (3,) * 6 for _ in range(3000)]) == pytest.approx(2 / 3, abs=0.03)
