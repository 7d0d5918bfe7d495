"""TE-NAS: ranks against sorted lists, what it looks at, and what it charges."""

import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from made_up_search import WITHIN
from small import colours

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.loader import eval_batches
from supernet.harness.scoring.proxies.pruning import condition_number, linear_regions
from supernet.harness.search.algorithms.ask import search
from supernet.harness.search.algorithms.moves import moves
from supernet.harness.search.algorithms.tenas import TENAS, Pruning, fall, pruned, trials_of, without
from supernet.harness.search.algorithms.trials import Sizes, Trials
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objectives.table import Fidelity, Table
from supernet.harness.search.probing import Site
from supernet.harness.supernet.plain import mixture
from supernet.harness.supernet.plain.pool import Pool
from supernet.heuristics.meter import Meter

TASK = colours()
SMALL = TENAS(repeats=1, images=3, channels=2, patches=20, batches=2)
SIZES = Sizes(4, 2, 20, 2)
SITE = Site("made up", lambda images, shape: 0.25 * images)
OPTIONS = ((1, 2, 3, 4), (3,), (1, 4), (2, 3), (4,), (1, 2, 3))


# ---- ranks -------------------------------------------------------------------------------------------------------


def plainly(options, conditions, regions):
    """The operations that edges lose, by sorting lists as the paper's algorithm says."""
    ranks = {trial: [] for trial in trials_of(options)}
    for values, downwards in ((conditions, True), (regions, False)):
        ordered = sorted(zip(values, ranks, strict=True), key=lambda pair: pair[0], reverse=downwards)
        rank, before = -1, None
        for value, trial in ordered:
            rank += value != before
            before = value
            ranks[trial].append(rank)
    lost = []
    for edge in dict.fromkeys(edge for edge, _ in ranks):
        here = [(sum(both), both[0], op) for (e, op), both in ranks.items() if e == edge]
        lost.append((edge, min(here)[2]))
    return lost


def test_every_edge_loses_the_operation_with_the_lowest_sum_of_ranks():
    rng = np.random.default_rng(0)
    for _ in range(200):
        options = tuple(tuple(sorted(rng.choice([1, 2, 3, 4], rng.integers(1, 5), replace=False))) for _ in range(6))
        count = len(trials_of(options))
        conditions, regions = rng.integers(0, 6, (2, count)) / 10  # with many equal ones
        left = options
        for edge, op in plainly(options, conditions.tolist(), regions.tolist()):
            left = without(left, edge, op)
        found = pruned(options, conditions, regions)
        assert found == left
        assert [len(ops) for ops in found] == [max(1, len(ops) - 1) for ops in options]


def test_what_lowers_the_condition_number_and_costs_no_regions_goes_first():
    options = ((1, 2), (3, 4))
    assert pruned(options, np.array([0.5, -0.5, 0.1, 0.2]), np.array([0.0, 0.3, 0.4, 0.1])) == ((2,), (3,))


def test_changes_are_relative_and_infinity_is_worse_than_anything():
    assert fall(200.0, 150.0) == 0.25
    assert fall(math.inf, 5.0) == 1.0
    assert fall(math.inf, math.inf) == 0.0
    assert fall(5.0, math.inf) == -math.inf


# ---- what it looks at --------------------------------------------------------------------------------------------


def test_quantities_are_those_of_the_mixtures_of_a_draw():
    trials = Trials(SIZES, TASK, 7, Meter())
    wide, thin = np.random.SeedSequence(7).generate_state(2).tolist()
    network = mixture.network(Pool(wide), OPTIONS, 2, 1, TASK.classes).train()
    assert trials.condition(OPTIONS) == condition_number(network, trials.images)
    assert trials.regions(OPTIONS) == linear_regions(mixture.thin(Pool(thin), OPTIONS, TASK.classes), trials.patches)
    assert trials.condition(OPTIONS) != trials.condition(without(OPTIONS, 0, 3))
    assert trials.condition(OPTIONS) != Trials(SIZES, TASK, 8, Meter()).condition(OPTIONS)


def test_images_and_patches_are_of_the_training_images():
    trials = Trials(Sizes(4, 2, 500, 2), TASK, 7, Meter())  # more patches than images
    ((every, _),) = eval_batches(TASK.train, TASK, len(TASK.train))
    assert trials.images.shape == (4, 3, 8, 8)
    assert all((every == image).flatten(1).all(1).any() for image in trials.images)
    assert [batch.shape for batch in trials.patches] == [(500, 1, 3, 3)] * 2
    values = set(every.flatten().tolist())
    assert set(trials.patches[1].flatten().tolist()) <= values
    windows = {tuple(w) for w in every.unfold(2, 3, 1).unfold(3, 3, 1).reshape(-1, 9).tolist()}
    assert {tuple(patch) for patch in trials.patches[0].reshape(-1, 9).tolist()} <= windows


# ---- the search --------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """Made-up quantities that depend on draw and options, and cost 10 images forward and 1 backward in all."""

    def made_up(self, options, kind):
        self._meter.forward += 5
        self._meter.backward += 0.5
        return float(np.random.default_rng([self._draw, kind, *(o for ops in options for o in (0, *ops))]).random()) + 1

    monkeypatch.setattr(Trials, "condition", lambda self, options: made_up(self, options, 1))
    monkeypatch.setattr(Trials, "regions", lambda self, options: made_up(self, options, 2))


def search_of(seed):
    return Pruning(SMALL, SITE, TASK, moves("nb201"), 0, Random(seed))


def test_one_operation_is_left_on_every_edge_and_every_look_is_charged(monkeypatch):
    looked = {"condition": [], "regions": []}
    for name, calls in looked.items():
        true = getattr(Trials, name)

        def noted(self, options, true=true, calls=calls):
            calls.append(options)
            return true(self, options)

        monkeypatch.setattr(Trials, name, noted)
    algorithm = search_of(0)
    query = algorithm.ask()
    assert all(op != 0 for op in query.arch)
    assert looked["condition"] == looked["regions"]
    assert len(looked["condition"]) == 3 + 24 + 18 + 12  # three rounds, which begin with 4, 3 and 2 on each edge
    paths = [sum(map(len, options)) / 6 for options in looked["condition"]]
    forward = sum(p * (3 + 2 * 20 * 9 / 64) for p in paths)
    backward = sum(p * 3 * 3 for p in paths)
    spent = algorithm.spent()
    assert spent["passes"] == pytest.approx((forward + 2 * backward) / 3 / 3)
    assert spent["seconds"] == pytest.approx(0.25 * (forward + 2 * backward) / 3)
    assert spent["wall"] > 0
    assert algorithm.spent() == {}


@pytest.mark.usefixtures("quick")
def test_several_draws_are_averaged():
    algorithm = Pruning(replace(SMALL, repeats=3, decimals=2), SITE, TASK, moves("nb201"), 0, Random(0))
    draws = [Trials(SIZES, TASK, draw, Meter()) for draw in (4, 5, 6)]
    found = algorithm._changes(OPTIONS, draws)
    for number, name in enumerate(["condition", "regions"]):
        for place, (edge, op) in enumerate(trials_of(OPTIONS)):
            values = [(getattr(d, name)(OPTIONS), getattr(d, name)(without(OPTIONS, edge, op))) for d in draws]
            wanted = np.mean([round((before - after) / before, 2) for before, after in values])
            assert found[number][place] == pytest.approx(wanted)


@pytest.mark.usefixtures("quick")
def test_a_seed_decides_the_architecture_and_each_search_goes_on_with_other_draws():
    algorithm = search_of(3)
    first = algorithm.ask()
    algorithm.tell(first, 50.0)
    assert search_of(3).ask() == first
    assert search_of(4).ask() != first
    assert algorithm.ask() != first


@pytest.mark.usefixtures("quick")
def test_a_budget_of_seconds_pays_for_looks_and_queries():
    flat = Table(WITHIN, (Fidelity("1", [50.0] * len(WITHIN), [2.0] * len(WITHIN)),))
    make = lambda within, top, rng: Pruning(SMALL, SITE, TASK, within, top, rng)  # noqa: E731
    ledger = Ledger(Budget("queries", 2))
    trace = search(make, flat, ledger, seed=0)
    assert len(trace.indices) == 2
    assert ledger.spent["seconds"] == pytest.approx(4.0 + sum(costs["seconds"] for costs in trace.beyond))
    enough = 2.0 + trace.beyond[0]["seconds"]
    assert len(search(make, flat, Ledger(Budget("seconds", enough)), seed=0).indices) == 1
    assert search(make, flat, Ledger(Budget("seconds", enough - 0.1)), seed=0).indices == []


def test_other_spaces_are_refused():
    with pytest.raises(UserError, match="those of nb1shot1-1 have no edges in common"):
        Pruning(SMALL, SITE, TASK, moves("nb1shot1-1"), 0, Random(0))


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match=r"TE-NAS looks at 10,000,000 images; digits has"):
        TENAS(images=10_000_000).on_site(Site("digits"))
