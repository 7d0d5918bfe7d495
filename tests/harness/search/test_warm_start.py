"""Warm starts: which architectures come first, and what that costs."""

from functools import partial
from random import Random

import numpy as np
import pytest
from made_up_search import WITHIN, made

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces.live import live_quantity
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.runs.store import LEDGER, read_json
from supernet.harness.scoring.proxies.metered import metered_scores
from supernet.harness.scoring.proxies.probe import Probe
from supernet.harness.search.algorithms.ask import search
from supernet.harness.search.algorithms.bananas import BANANAS
from supernet.harness.search.algorithms.evolution import RandomSearch, RegularisedEvolution
from supernet.harness.search.algorithms.names import algorithm_of, base_of, named, ships, with_warm_starts
from supernet.harness.search.algorithms.predictor import Ensemble
from supernet.harness.search.algorithms.registry import ALGORITHMS, register
from supernet.harness.search.algorithms.tpe import TPE
from supernet.harness.search.algorithms.warm import Warm
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.costs import seconds_of, site_of
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objective import Query
from supernet.harness.search.objectives.score import FreeScore
from supernet.harness.search.objectives.table import Fidelity, Table
from supernet.harness.search.probing import Shape, Site
from supernet.heuristics.meter import Meter

ALL = {
    "random": RandomSearch,
    "rea": RegularisedEvolution,
    "tpe": TPE,
    "bananas": partial(BANANAS, ensemble=Ensemble(layers=2, epochs=5)),
}
SITE = Site("digits", lambda images, shape: 0.5 * images)


@pytest.fixture(scope="module")
def flat():
    """An objective on which nothing can be learned: a query costs 2 seconds."""
    return Table(WITHIN, (Fidelity("1", [50.0] * len(WITHIN), [2.0] * len(WITHIN)),))


def drawn(seed, pool, among=None):
    """The pool of a search and the draw of its networks, as the seed decides them."""
    rng = Random(seed)
    indices = WITHIN.sample(np.random.default_rng(rng.getrandbits(63)), pool, among=among)
    return indices, rng.getrandbits(31)


@pytest.mark.parametrize("name", ALL)
def test_the_first_queries_are_the_best_of_the_pool(name, flat):
    trace = search(Warm(ALL[name], 10, "live-params", 200).on_site(SITE), flat, Ledger(Budget("queries", 14)), seed=5)
    pool, _ = drawn(5, 200)
    params = live_quantity(WITHIN, "live-params", WITHIN.archs(pool))
    best = sorted(range(200), key=lambda place: -params[place])[:10]  # equal ones in the order drawn
    assert trace.indices[:10] == pool[best].tolist()
    assert len(trace.indices) == 14
    assert trace.beyond == [{}] * 14  # counting parameters costs nothing


def test_passes_are_charged_before_the_first_query(flat, monkeypatch):
    monkeypatch.setattr("supernet.harness.search.objectives.score.time.perf_counter", iter([10.0, 13.0]).__next__)
    ledger = Ledger(Budget("queries", 12))
    trace = search(Warm(RegularisedEvolution, 10, "jacob-cov", 11).on_site(SITE), flat, ledger, seed=2)
    pool, draw = drawn(2, 11)
    probe = Probe("nb201", "digits")
    networks = len(np.unique(WITHIN.same_computation(pool[WITHIN.connected(WITHIN.archs(pool))])))
    images = 64 * networks  # each forward and backward
    assert trace.beyond[0] == {"passes": pytest.approx(networks), "wall": 3.0, "seconds": pytest.approx(0.5 * images)}
    assert trace.beyond[1:] == [{}] * 11
    assert ledger.spent["passes"] == pytest.approx(networks)
    assert ledger.spent["seconds"] == pytest.approx(0.5 * images + 12 * 2.0)
    assert ledger.spent["wall"] == pytest.approx(3.0 + 12 * 2.0)
    assert draw  # and the order is that of the scores of this draw
    sight = [score_of(probe, index, draw) for index in pool]
    best = sorted(range(11), key=lambda place: -np.nan_to_num(sight[place], nan=-np.inf))[:10]
    assert trace.indices[:10] == pool[best].tolist()


def score_of(probe, index, draw):
    from supernet.harness.scoring.proxies.probe import Sight
    from supernet.harness.scoring.proxies.whole import measured

    if not WITHIN.connected(WITHIN.archs([index]))[0]:
        return np.nan
    return measured(Sight(probe, draw), int(WITHIN.same_computation([index])[0]), "jacob-cov")


def test_a_budget_that_the_scores_exceed_affords_no_query(flat):
    ledger = Ledger(Budget("seconds", 100.0))
    assert search(Warm(RandomSearch, 10, "jacob-cov", 11).on_site(SITE), flat, ledger, seed=2).indices == []
    assert ledger.used == 0


def test_a_site_prices_passes_by_the_size_of_networks(table):
    truth, observed = GroundTruth(table), Measure("cifar10-valid", "valid", "12", "mean")
    site, meter, shape = site_of(WITHIN, truth, observed, np.arange(len(WITHIN))), Meter(300, 150), Shape(16, 1, 16)
    assert (site.task, site.among) == ("cifar10", ())
    costs = site.costs(meter, 50, shape, 7.0)
    assert costs == {
        "passes": pytest.approx(4.0),
        "wall": 7.0,
        "seconds": pytest.approx(4 * seconds_of(50, shape, WITHIN, truth, observed)),
    }
    assert site.costs(Meter(), 50, shape, 7.0) == {}


def test_on_a_table_of_a_sample_random_search_begins_with_its_best(tmp_path):
    chosen = Comparison("nb201", "digits", ("random", "random@live-params:60"), Budget("queries", 14), 2)
    chosen.check()
    store, ended = made(chosen, tmp_path)
    assert ended == ["done"] * 3  # a run of both seeds, and one of each
    plain, *warm = chosen.specs()
    keys = chosen.ground_truth.keys()
    known = np.sort(WITHIN.indices([WITHIN.parse(arch) for arch in keys]))
    for seed, spec in enumerate(warm):
        rows = store.read(spec.hash).trace()
        assert set(rows["index"]) <= set(known.tolist())
        pool, _ = drawn(seed, 60, among=known)
        params = live_quantity(WITHIN, "live-params", WITHIN.archs(pool))
        assert rows["index"].tolist()[:10] == pool[np.argsort(-params, kind="stable")[:10]].tolist()
        assert read_json(store.root / spec.hash / LEDGER)["queries"] == 14
        assert list(rows.columns) == list(store.read(plain.hash).trace().columns)


def test_on_a_table_of_a_sample_others_are_refused():
    with pytest.raises(UserError, match="only random works with such a table"):
        Comparison("nb201", "digits", ("rea@live-params:60",), Budget("queries", 14), 1).check()


def test_names_say_score_and_pool():
    assert named("rea, rea@jacob-cov:500") == ["rea", "rea@jacob-cov:500"]
    warm = algorithm_of("rea@jacob-cov:500")
    assert warm.title == "Regularised evolution, best of 500 by jacob-cov"
    assert warm.make == Warm(RegularisedEvolution, 10, "jacob-cov", 500)
    assert base_of("rea@jacob-cov:500") == base_of("rea") == "rea"
    assert ships("rea@jacob-cov:500")
    assert not ships("mine@jacob-cov:500")
    assert with_warm_starts(["random", "bohb", "rea"], "params", 20) == [
        "random", "random@params:20", "bohb", "rea", "rea@params:20",
    ]  # fmt: skip


def test_an_algorithm_of_ones_own_can_have_a_warm_start(flat):
    register("mine", RegularisedEvolution, starts=4)
    assert algorithm_of("mine@params:20").make == Warm(RegularisedEvolution, 4, "params", 20)
    assert ALGORITHMS["mine"].starts == 4


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("bohb@params:20", r"'bohb' does not begin with random architectures; random, rea, tpe, bananas do\."),
        ("darts@params:20", "'darts' does not begin with random architectures"),
        ("ra@params:20", r"There is no search algorithm 'ra@params:20'; did you mean rea\?"),
        ("rea@params", "There is no search algorithm 'rea@params'"),
        ("rea@params:9", r"chooses the first 10 architectures among 10 to 100,000, not among 9\."),
        ("rea@params:999999999", "not among 999,999,999"),
    ],
)
def test_mistaken_names_are_explained(name, problem):
    with pytest.raises(UserError, match=problem):
        named(name)


def test_unknown_scores_are_found_before_any_search(table):
    with pytest.raises(UserError, match="There is no training-free score 'paramz'; did you mean params"):
        Comparison("nb201", "cifar10", ("rea@paramz:20",), Budget("queries", 20), 1, str(table)).check()
    with pytest.raises(UserError, match="no warm start is possible"):
        with_warm_starts(["bohb", "darts"], "params")


def test_a_score_answers_queries_itself():
    probe, index = Probe("nb201", "digits", channels=4, images=8), 77
    score = FreeScore(probe, "jacob-cov", 0, SITE)
    answer = score.ask(Query(WITHIN.arch(index), 0))
    assert answer.value == metered_scores(probe, "jacob-cov", np.array([index]), 0, Meter())[0]
    assert answer.cost["queries"] == 1
    assert answer.cost["passes"] == pytest.approx(1)  # 8 images forward and backward
    assert answer.cost["seconds"] == pytest.approx(0.5 * 8)
    free = FreeScore(probe, "live-params", 0, SITE).ask(Query(WITHIN.arch(index), 0))
    assert free.cost == {"queries": 1}
    trace = search(RandomSearch, score, Ledger(Budget("passes", 5.5)), 0)
    assert len(trace.indices) == 5 or not all(WITHIN.connected(WITHIN.archs(trace.indices)))
