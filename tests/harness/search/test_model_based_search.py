"""RANK-NOSH, CTNAS and MF-KD's co-kriging: what they promise, and their pieces against plain computations."""

import time
from functools import partial
from random import Random

import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces import Decision, SearchSpace, space
from supernet.benchmarks.spaces.graph import Edge, Graph
from supernet.benchmarks.spaces.nb201 import EDGES
from supernet.harness.search.algorithms.adam import Adam
from supernet.harness.search.algorithms.ask import search
from supernet.harness.search.algorithms.cokriging import CoKriging, Kernel, distances, expected_improvement, fitted
from supernet.harness.search.algorithms.comparator import Comparator, Settings, encoded, probability
from supernet.harness.search.algorithms.ctnas import CTNAS
from supernet.harness.search.algorithms.evolution import RandomSearch
from supernet.harness.search.algorithms.mfkd import MFKD
from supernet.harness.search.algorithms.moves import Moves, unseen
from supernet.harness.search.algorithms.ranknosh import Ranker, RankNOSH
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objectives.table import Fidelity, Table

WITHIN = space("nb201")
QUICK = partial(CTNAS, initial=10, per_round=5, steps=10, comparator=Settings(width=16, steps=20))
ALL = {"rank-nosh": RankNOSH, "ctnas": QUICK, "mf-kd": MFKD}


@pytest.fixture(scope="module")
def hill():
    """Accuracy falls with the distance from architecture 7777; the cheap fidelity sees this through noise."""
    rng = np.random.default_rng(0)
    values = 90.0 - 5 * (WITHIN.archs() != WITHIN.archs([7777])[0]).sum(1)
    seconds = rng.uniform(50, 150, len(values))
    cheap = Fidelity("12", (values + rng.normal(0, 3, len(values))).tolist(), (0.06 * seconds).tolist())
    return Table(WITHIN, (cheap, Fidelity("200", values.tolist(), seconds.tolist())))


def run(make, on, budget, seed=0):
    ledger = Ledger(Budget.parse(budget))
    return search(make, on, ledger, seed), ledger


# ---- all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "budget"), [("rank-nosh", "1500s"), ("ctnas", "2500s"), ("mf-kd", "1200s")])
def test_it_beats_random_search_of_the_same_cost_over_twenty_seeds(name, budget, hill):
    def best(make, seed):
        return hill.fidelities[1].values[run(make, hill, budget, seed)[0].incumbents()[-1]]

    found = np.array([best(ALL[name], seed) for seed in range(20)])
    drawn = np.array([best(RandomSearch, seed) for seed in range(20)])
    assert found.mean() > drawn.mean() + 1
    assert (found >= drawn).mean() > 0.7


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_seed_decides_every_query_and_every_query_is_charged(make, hill):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    trace, ledger = run(make, hill, "40q", seed=3)
    again, _ = run(make, hill, "40q", seed=3)
    assert (again.indices, again.fidelities) == (trace.indices, trace.fidelities)
    assert run(make, hill, "40q", seed=4)[0].indices != trace.indices
    assert torch.equal(torch.get_rng_state(), state), "nothing of the global generator was used"
    asked = list(zip(trace.indices, trace.fidelities, strict=True))
    assert len(set(asked)) == len(asked) == ledger.spent["queries"] == 40
    assert ledger.spent["seconds"] == pytest.approx(sum(hill.fidelities[f].seconds[i] for i, f in asked))


class Tiny(SearchSpace):
    """Sixteen architectures: four operations on a line of edges."""

    name = title = "tiny"
    decisions = tuple(Decision(str(number), ("a", "b")) for number in range(4))
    string = parse = params = flops = None

    def path_code(self, archs):
        return np.eye(2, dtype=np.float32)[np.asarray(archs)].reshape(len(archs), -1)

    def layout(self, arch):
        return (Graph(tuple("01234"), tuple(Edge(k, k + 1, "ab"[op]) for k, op in enumerate(arch))),)


@pytest.mark.parametrize("top", [0, 1])
@pytest.mark.parametrize("make", [RankNOSH, partial(QUICK, initial=3), partial(MFKD, initial=(4, 2))])
def test_it_asks_for_all_of_a_small_space_and_then_for_the_best_again(make, top):
    algorithm, asked = make(Moves(Tiny()), top, Random(0)), []
    for _ in range(60):
        query = algorithm.ask()
        asked.append((query.arch, query.fidelity))
        algorithm.tell(query, float(sum(query.arch)) + query.fidelity)
    new = list(dict.fromkeys(asked))
    assert asked[: len(new)] == new, "nothing is asked twice before everything has been asked"
    assert {arch for arch, _ in new} == set(map(tuple, Tiny().archs().tolist()))
    assert set(asked[len(new) :]) == {((1, 1, 1, 1), top)}


def test_unseen_architectures_are_distinct_and_run_out():
    rng, tiny = Random(0), Moves(Tiny())
    seen = set(unseen(tiny, set(), 10, rng))
    rest = set(unseen(tiny, seen, 10, rng))
    assert len(seen) == 10
    assert rest <= set(map(tuple, Tiny().archs().tolist())) - seen
    assert unseen(tiny, set(map(tuple, Tiny().archs().tolist())), 3, rng) == []


def test_adam_is_that_of_torch():
    rng = np.random.default_rng(0)
    ours, slopes = rng.normal(size=(3, 2)), rng.normal(size=(5, 3, 2))
    theirs = torch.tensor(ours, requires_grad=True)
    adam, reference = Adam([ours], 0.1), torch.optim.Adam([theirs], lr=0.1)
    for slope in slopes:
        adam.step([slope])
        theirs.grad = torch.tensor(slope)
        reference.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10)


# ---- RANK-NOSH ---------------------------------------------------------------------------------------------------


def test_the_best_half_of_every_level_is_promoted(hill):
    three = Table(WITHIN, (hill.fidelities[0], *hill.fidelities))
    trace, _ = run(RankNOSH, three, "200q")
    reached, known = {}, {}
    for index, fidelity, value in zip(trace.indices, trace.fidelities, trace.values, strict=True):
        if fidelity:
            assert reached[index] == fidelity - 1, "one level after the other"
            waiting = [other for other, level in reached.items() if level == fidelity - 1]
            assert known[index] == max(known[other] for other in waiting)
        reached[index], known[index] = fidelity, value
        levels = np.array(list(reached.values()))
        for level in (1, 2):
            assert (levels >= level).sum() <= (levels >= level - 1).sum() / 2
    counts = [(levels >= level).sum() for level in range(3)]
    assert counts[1] >= counts[0] / 2 - 10
    assert counts[2] >= counts[1] / 2 - 10


def test_the_ranker_follows_the_margin_loss_of_torch():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2, (12, 6)).astype(np.float32)
    values = codes @ rng.normal(size=6)
    better = values[:, None] > values
    ranker = Ranker(width=5, steps=30)
    scores = ranker.predict(codes, better, codes, np.random.default_rng(1))
    draws = np.random.default_rng(1)
    first = torch.tensor(draws.normal(size=(6, 5)) / np.sqrt(6), requires_grad=True)
    bias = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    last = torch.tensor(draws.normal(size=5) / np.sqrt(5), requires_grad=True)
    adam, x = torch.optim.Adam([first, bias, last], lr=ranker.rate), torch.tensor(codes, dtype=torch.float64)
    for _ in range(30):
        f = (x @ first + bias).relu() @ last
        pairs = [(a, b) for a in range(12) for b in range(12) if better[a, b]]
        loss = torch.stack([(ranker.margin - (f[a] - f[b])).relu() for a, b in pairs]).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    np.testing.assert_allclose(scores, ((x @ first + bias).relu() @ last).detach().numpy(), rtol=1e-4, atol=1e-5)


def test_the_ranker_learns_an_order():
    rng = np.random.default_rng(0)
    codes = WITHIN.path_code(WITHIN.archs(WITHIN.sample(rng, 200)))
    values = codes @ np.linspace(-1, 1, codes.shape[1])
    better = values[:100, None] > values[:100]
    scores = Ranker().predict(codes[:100], better, codes[100:], rng)
    assert np.corrcoef(scores.argsort().argsort(), values[100:].argsort().argsort())[0, 1] > 0.7


# ---- CTNAS -------------------------------------------------------------------------------------------------------


def test_operations_on_edges_become_nodes():
    arch = (1, 2, 3, 4, 0, 1)
    ((nodes,), (leads,)) = encoded(WITHIN, (arch,))
    labels = nodes.argmax(axis=1)
    assert len(set(labels[:2])) == 2
    assert labels[2] == labels[7], "equal operations have equal labels"
    for a, (source, target) in enumerate(EDGES):
        assert leads[0, 2 + a] == (source == 0)
        assert leads[2 + a, 1] == (target == 3)
        for b, (other, _) in enumerate(EDGES):
            assert leads[2 + a, 2 + b] == (target == other)


def test_operations_on_nodes_stay_there():
    within = space("nb1shot1-1")
    arch = within.arch(77)
    (graph,) = within.layout(arch)
    ((nodes,), (leads,)) = encoded(within, (arch,))
    assert nodes.sum() == len(graph.nodes)
    assert leads.sum() == len(graph.edges)


def test_the_network_is_the_plain_sum_over_neighbours():
    archs = [(1, 2, 3, 4, 0, 1), (3, 3, 3, 3, 3, 3), (0, 1, 2, 3, 4, 0)]
    comparator = Comparator(WITHIN, Settings(steps=3), torch.Generator().manual_seed(0))
    comparator.fit(archs, [1.0, 2.0, 3.0])
    *layers, last = [w.detach().numpy() for w in comparator._weights]
    for arch, said in zip(archs, comparator.sides(archs), strict=True):
        ((nodes,), (leads,)) = encoded(WITHIN, (arch,))
        state = [node.copy() for node in nodes]
        for weight in layers:
            near = [[k, *np.flatnonzero(leads[k] + leads[:, k])] for k in range(len(state))]
            state = [np.maximum(np.mean([state[k] @ weight for k in around], axis=0), 0) for around in near]
        np.testing.assert_allclose(np.mean(state, axis=0) @ last, said, rtol=1e-4, atol=1e-5)


def test_the_comparator_tells_which_of_two_is_better():
    archs = list(map(tuple, WITHIN.archs(WITHIN.sample(np.random.default_rng(0), 120)).tolist()))
    values = np.array([arch.count(3) + 0.5 * arch.count(2) for arch in archs])
    comparator = Comparator(WITHIN, Settings(), torch.Generator().manual_seed(0))
    comparator.fit(archs[:60], values[:60].tolist())
    sides = comparator.sides(archs[60:])
    chances, gap = probability(sides, sides), values[60:, None] - values[60:]
    assert ((chances > 0.5) == (gap > 0))[np.abs(gap) >= 1].mean() > 0.9


# ---- co-kriging --------------------------------------------------------------------------------------------------


def test_co_kriging_is_the_joint_gaussian_written_out():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (9, 7)).astype(float)
    u, others = x[:4], rng.integers(0, 2, (5, 7)).astype(float)
    y, v = rng.normal(size=9), rng.normal(size=4)
    model = CoKriging(Kernel(0.4, 2.0, 0.1), Kernel(0.2, 0.5, 0.05), 0.7, 0.3)
    mean, variance = model.predict((x, y), (u, v), others)

    def covariance(kernel, a, b):
        return kernel.variance * np.exp(-np.mean(a != b) / kernel.scale)

    points = [(row, "low") for row in x] + [(row, "high") for row in u]
    known = np.empty((13, 13))
    for i, (a, one) in enumerate(points):
        for j, (b, other) in enumerate(points):
            factor = (0.7 if one == "high" else 1) * (0.7 if other == "high" else 1)
            known[i, j] = factor * covariance(model.low, a, b)
            known[i, j] += covariance(model.rest, a, b) if one == other == "high" else 0
        known[i, i] += 0.1 if one == "low" else 0.05
    inverse = np.linalg.inv(known)
    for place, point in enumerate(others):
        with_it = np.array(
            [
                (0.49 * covariance(model.low, a, point) + covariance(model.rest, a, point))
                if one == "high"
                else 0.7 * covariance(model.low, a, point)
                for a, one in points
            ]
        )
        told = np.append(y, v - 0.3)
        assert mean[place] == pytest.approx(0.3 + with_it @ inverse @ told, abs=1e-5)
        assert variance[place] == pytest.approx(0.49 * 2 + 0.5 - with_it @ inverse @ with_it, abs=1e-5)


def test_a_cheap_fidelity_that_tells_much_improves_the_regression():
    rng = np.random.default_rng(0)
    archs = WITHIN.archs(WITHIN.sample(rng, 150))
    codes = WITHIN.path_code(archs).astype(float)
    true = 2.0 * (archs == 3).sum(1) - (archs == 0).sum(1)
    cheap = 0.5 * true + rng.normal(0, 0.2, 150)
    low = codes[:100], cheap[:100] - cheap[:100].mean()
    high = codes[:15], true[:15] - true[:15].mean()
    model = CoKriging.fitted(low, high)
    fused = model.predict(low, high, codes[100:])[0]
    own = fitted(*high)
    plain = own(codes[100:], high[0]) @ np.linalg.solve(own(high[0], high[0]) + own.noise * np.eye(15), high[1])
    assert model.factor == pytest.approx(2, abs=0.5)
    assert np.corrcoef(fused, true[100:])[0, 1] > np.corrcoef(plain, true[100:])[0, 1] + 0.1


def test_distances_are_shares_of_differing_entries():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2, (4, 10)).astype(float), rng.integers(0, 2, (3, 10)).astype(float)
    np.testing.assert_allclose(distances(a, b), [[np.mean(p != q) for q in b] for p in a])


def test_expected_improvement_is_that_of_a_simulation():
    draws = np.random.default_rng(0).normal(size=400_000)
    for mean, variance in ((0.5, 1.0), (-1.0, 4.0), (2.0, 0.25)):
        simulated = np.maximum(mean + np.sqrt(variance) * draws - 0.7, 0).mean()
        assert expected_improvement(np.array([mean]), np.array([variance]), 0.7)[0] == pytest.approx(
            simulated, abs=0.01
        )


def test_searches_of_a_hundred_queries_take_seconds(hill):
    for make, most in ((RankNOSH, 4.0), (MFKD, 10.0)):
        began = time.process_time()
        run(make, hill, "100q")
        assert time.process_time() - began < most
