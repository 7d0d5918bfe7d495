import sys
from functools import partial
from itertools import pairwise, product
from random import Random

import numpy as np
import pytest
import torch
from torch import nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Decision, SearchSpace, space
from supernet.benchmarks.spaces.nb201 import EDGES, NONE, OPS
from supernet.harness.search.algorithms.ask import search
from supernet.harness.search.algorithms.bananas import BANANAS
from supernet.harness.search.algorithms.evolution import RandomSearch
from supernet.harness.search.algorithms.moves import Moves, moves
from supernet.harness.search.algorithms.pnas import PNAS, Growth
from supernet.harness.search.algorithms.predictor import Ensemble, Networks
from supernet.harness.search.algorithms.tpe import TPE
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objectives.table import Fidelity, Table, objective

WITHIN = space("nb201")
SMALL = Ensemble(layers=2, epochs=20)
"""Quick to train, where it does not matter how well."""
ALL = {
    "tpe": TPE,
    "bananas": partial(BANANAS, ensemble=SMALL),
    "pnas": partial(PNAS, ensemble=SMALL),
}


@pytest.fixture(scope="module")
def hill():
    """Accuracy falls with the distance from one architecture."""
    values = 90.0 - 5 * (WITHIN.archs() != WITHIN.archs([7777])[0]).sum(1)
    return Table(WITHIN, (Fidelity("200", values.tolist(), [1.0] * len(values)),))


def run(make, on, queries, seed=0):
    return search(make, on, Ledger(Budget("queries", queries)), seed)


# ---- all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
def test_a_seed_decides_every_query(make, hill):
    torch.manual_seed(1)
    trace = run(make, hill, 40, seed=3)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert run(make, hill, 40, seed=3).indices == trace.indices
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # nothing of the global generator was used
    assert run(make, hill, 40, seed=4).indices != trace.indices


@pytest.mark.parametrize("name", ["bananas", "pnas"])
def test_nothing_is_asked_twice(name, hill):
    trace = run(ALL[name], hill, 190)
    assert len(set(trace.indices)) == 190


# ---- TPE ---------------------------------------------------------------------------------------------------------


def test_tpe_without_optuna_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'supernet-study\[tpe\]'"):
        TPE(moves("nb201"), 0, Random(0))


def test_tpe_serves_spaces_whose_decisions_have_different_numbers_of_options():
    within = moves("nb1shot1-1")
    algorithm = TPE(within, 2, Random(0))
    for _ in range(15):
        query = algorithm.ask()
        assert query.fidelity == 2
        assert 0 <= within.index(query.arch) < len(within.space)
        algorithm.tell(query, float(sum(query.arch)))


# ---- ensemble ----------------------------------------------------------------------------------------------------


def test_networks_fitted_together_say_what_each_fitted_alone_says():
    rng = np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 2, (24, 12)).astype(np.float32))
    targets = torch.from_numpy(rng.uniform(5, 15, 24).astype(np.float32))
    ensemble = Ensemble(networks=4, layers=3, width=8, epochs=25, batch=24)  # one batch: its order does not matter
    together = Networks.drawn(4, [12, 8, 8, 8, 1], torch.Generator().manual_seed(0))
    first = together(codes.expand(4, -1, -1)).detach()
    alone = []
    for number in range(4):
        layers = []
        for weight, bias in zip(together.weights, together.biases, strict=True):
            linear = nn.Linear(weight.shape[1], weight.shape[2])
            linear.weight.data = weight[number].detach().T.clone()
            linear.bias.data = bias[number, 0].detach().clone()
            layers += [linear, nn.ReLU()]
        alone.append(nn.Sequential(*layers[:-1]))
    said = torch.stack([network(codes).squeeze(1) for network in alone])
    torch.testing.assert_close(first, said.detach())
    ensemble.fit(together, codes, targets, torch.Generator().manual_seed(1))
    for network in alone:
        adam = torch.optim.Adam(network.parameters(), lr=0.01, betas=(0.9, 0.99))
        for _ in range(25):
            adam.zero_grad()
            (network(codes).squeeze(1) - targets).abs().mean().backward()
            adam.step()
    said = torch.stack([network(codes).squeeze(1) for network in alone]).detach()
    fitted = together(codes.expand(4, -1, -1)).detach()
    assert (fitted - first).abs().max() > 1
    torch.testing.assert_close(fitted, said, rtol=1e-3, atol=1e-3)


def test_networks_begin_apart_and_within_the_bounds_of_glorot():
    networks = Networks.drawn(3, [30, 20, 1], torch.Generator().manual_seed(0))
    assert [w.shape for w in networks.weights] == [(3, 30, 20), (3, 20, 1)]
    assert [b.shape for b in networks.biases] == [(3, 1, 20), (3, 1, 1)]
    assert not any(b.any() for b in networks.biases)
    for weight in networks.weights:
        bound = (6 / sum(weight.shape[1:])) ** 0.5
        assert 0.9 * bound < weight.abs().max() <= bound
        assert not torch.equal(weight[0], weight[1])


def test_the_ensemble_predicts_accuracies_from_a_few():
    rng = np.random.default_rng(0)
    archs = WITHIN.archs(WITHIN.sample(rng, 300))
    values = 90 - 3.0 * (archs == NONE).sum(1) - 2.0 * (archs == OPS.index("avg_pool_3x3")).sum(1)
    codes = np.eye(len(OPS), dtype=np.float32)[archs].reshape(len(archs), -1)
    says = Ensemble().predict(codes[:150], values[:150].tolist(), codes[150:], torch.Generator().manual_seed(0))
    assert says.shape == (5, 150)
    assert np.corrcoef(says.mean(axis=0), values[150:])[0, 1] > 0.9


# ---- BANANAS -----------------------------------------------------------------------------------------------------


def test_path_codes_are_those_of_all_ways_through_the_cell():
    archs = WITHIN.archs(np.arange(0, len(WITHIN), 61))
    paths = [path for length in (1, 2, 3) for path in product(range(len(OPS)), repeat=length)]
    expected = np.zeros((len(archs), len(paths)), dtype=np.float32)

    def walk(arch, node, path):
        if node == 3:
            yield path
        for op, (source, target) in zip(arch, EDGES, strict=True):
            if source == node:
                yield from walk(arch, target, (*path, op))

    for row, arch in enumerate(archs.tolist()):
        for path in walk(arch, 0, ()):
            expected[row, paths.index(path)] = 1
    assert len(paths) == 155
    np.testing.assert_array_equal(WITHIN.path_code(archs), expected)
    np.testing.assert_array_equal(WITHIN.path_code(archs)[:, :30], expected[:, :30])


def test_truncation_keeps_the_paths_of_up_to_three_operations_on_the_spaces_of_nb101():
    within = space("nb1shot1-1")
    archs = within.archs(np.arange(0, len(within), 97))
    assert within.path_code(archs)[:, : within.shortest_paths].shape == (len(archs), 1 + 3 + 9 + 27)
    np.testing.assert_array_equal(within.path_code(archs), within.cells(archs).paths())


def test_bananas_begins_at_random_and_goes_on_near_the_best(hill):
    algorithm = BANANAS(moves("nb201"), 0, Random(0), ensemble=SMALL)
    values = hill.fidelities[0].values
    seen = {}
    for number in range(60):
        query = algorithm.ask()
        if number % 10 == 0:
            best = sorted(seen, key=seen.__getitem__, reverse=True)[:10]
        if number >= 10:
            assert min(sum(a != b for a, b in zip(query.arch, other, strict=True)) for other in best) <= 4
        seen[query.arch] = values[WITHIN.index(query.arch)]
        algorithm.tell(query, seen[query.arch])
    late = list(seen.values())[-10:]
    assert np.mean(late) > np.mean(list(seen.values())[:10]) + 5


class Tiny(SearchSpace):
    name = title = "tiny"
    decisions = tuple(Decision(str(number), (0, 1)) for number in range(4))
    string = parse = params = flops = layout = None

    def path_code(self, archs):
        return np.eye(2, dtype=np.float32)[np.asarray(archs)].reshape(len(archs), -1)


def test_bananas_asks_for_all_of_a_space_and_then_for_the_best_again():
    algorithm = BANANAS(Moves(Tiny()), 0, Random(0), paths=8, initial=3, batch=2, candidates=5, ensemble=SMALL)
    asked = []
    for _ in range(20):
        query = algorithm.ask()
        asked.append(query.arch)
        algorithm.tell(query, float(sum(query.arch)))
    assert len(set(asked[:16])) == 16
    assert asked[16:] == [(1, 1, 1, 1)] * 4


# ---- PNAS --------------------------------------------------------------------------------------------------------


def sizes(trace):
    return (WITHIN.archs(trace.indices) != NONE).sum(1).tolist()


def test_pnas_goes_from_one_operation_to_six_beam_by_beam(hill):
    trace = run(partial(PNAS, ensemble=SMALL, beam=10), hill, 120)
    assert sizes(trace) == [1] * 4 + [2] * 10 + [3] * 10 + [4] * 10 + [5] * 10 + [6] * 76
    connected = WITHIN.live_edges.any(axis=1)
    assert connected[trace.indices].all()


def test_children_keep_a_parent_of_the_beam():
    growth = Growth(WITHIN)
    assert sorted(WITHIN.archs(growth.levels[0]).tolist()) == [[NONE] * 3 + [op] + [NONE] * 2 for op in range(1, 5)]
    # Two operations on a way of their own grow out of nothing: they are children whatever the beam is.
    assert growth.children(1, growth.levels[0][:1]).tolist() == growth.levels[1].tolist()
    children = WITHIN.archs(growth.children(5, np.array([WITHIN.index((2, 3, NONE, 1, 2, 3))])))
    assert sorted(children.tolist()) == [[2, 3, op, 1, 2, 3] for op in range(1, 5)]


def test_every_cell_without_idle_operations_is_on_one_level_and_grows_out_of_smaller_ones():
    growth = Growth(WITHIN)
    cells = np.concatenate(growth.levels)
    shapes = [sum(edges) for edges in product((0, 1), repeat=6) if any(edges) and all_on_ways(edges)]
    assert [len(level) for level in growth.levels] == [shapes.count(size) * 4**size for size in range(1, 7)]
    assert len(np.unique(cells)) == len(cells)
    grown = cells[~growth.first[cells]]
    for cell in np.random.default_rng(0).choice(grown, 60, replace=False):
        arch = WITHIN.archs([cell])[0]
        parents = [p for p in growth.parents[cell] if growth.sizes[p]]
        assert parents
        for parent in WITHIN.archs(parents):
            changed = parent != arch
            assert changed.any()
            assert (parent[changed] == NONE).all()


def all_on_ways(edges):
    there = [way for way in ((3,), (0, 4), (1, 5), (0, 2, 5)) if all(edges[e] for e in way)]
    return all(any(e in way for way in there) for e in range(6) if edges[e])


def test_pnas_goes_on_after_the_last_cell(hill):
    quick = Ensemble(networks=2, layers=1, width=4, epochs=1, batch=20_000)
    trace = run(partial(PNAS, ensemble=quick, beam=2000), hill, len(WITHIN) + 3)
    assert len(set(trace.indices)) == len(WITHIN)
    assert trace.indices[-3:] == [7777] * 3


def test_pnas_is_for_spaces_with_a_filler():
    with pytest.raises(UserError, match="nb1shot1-2 has no operation that stands for none"):
        PNAS(moves("nb1shot1-2"), 0, Random(0))


# ---- real tables -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def oracle(nb201_truth):
    """The test accuracies themselves, to be searched."""
    return objective(WITHIN, nb201_truth, "cifar10", ("200",), "mean", split="test")


BETTER = {
    "tpe": (TPE, 60, 12, 0.0),
    "bananas": (BANANAS, 50, 3, 0.3),
    "pnas": (PNAS, 124, 2, 0.2),
}
"""Algorithm, queries, seeds, and by how many points its best is to be better than that of as many random queries."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name == "pnas")) for name in BETTER])
def test_it_finds_and_asks_better_than_random_search(name, oracle):
    make, queries, seeds, margin = BETTER[name]
    drawn = [run(RandomSearch, oracle, queries, seed).values for seed in range(200)]
    asked = [run(make, oracle, queries, seed).values for seed in range(seeds)]
    assert np.max(asked, axis=1).mean() > np.max(drawn, axis=1).mean() + margin
    # In the end, most of what it asks is good, which depends on luck less than the best does.
    assert np.median([values[-20:] for values in asked]) > np.median(drawn) + 2


# ---- long searches -----------------------------------------------------------------------------------------------


@pytest.fixture
def fits(monkeypatch):
    """The numbers of architectures and epochs of all fits of the networks."""
    made, whole = [], Ensemble.fit

    def fit(self, networks, codes, targets, generator):
        made.append((len(codes), self.epochs))
        whole(self, networks, codes, targets, generator)

    monkeypatch.setattr(Ensemble, "fit", fit)
    return made


def test_bananas_fits_ever_more_rarely_in_long_searches(hill, fits, monkeypatch):
    monkeypatch.setattr("supernet.harness.search.algorithms.bananas.EVERY", 40)
    quick = Ensemble(networks=2, layers=1, width=4, epochs=8)
    trace = run(partial(BANANAS, ensemble=quick), hill, 120)
    assert fits[:4] == [(10, 8), (20, 8), (30, 8), (40, 8)], "as published"
    sizes = [size for size, _ in fits[4:]]
    assert all(later >= 1.1 * sooner for sooner, later in pairwise(sizes))
    assert all(epochs == round(8 * 40 / size) for size, epochs in fits[4:])
    assert len(set(trace.indices)) == 120


def test_bananas_fits_nothing_when_everything_is_known(fits):
    quick = Ensemble(networks=1, layers=1, width=2, epochs=1, batch=1000)
    within = Moves(Tiny())
    algorithm = BANANAS(within, 0, Random(0), paths=8, initial=3, batch=2, candidates=5, ensemble=quick)
    for _ in range(400):
        query = algorithm.ask()
        algorithm.tell(query, float(sum(query.arch)))
    assert max(size for size, _ in fits) < 16
    assert len(fits) < 12
