"""Comparisons: from options to runs, and from runs to a report."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_up_search import WITHIN, comparison, made
from scipy import stats as scipy_stats

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.shelf import EMBEDDED
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.harness.measured import benchmark as embedded
from supernet.harness.measured.additions import Additions
from supernet.harness.measured.results import write_result
from supernet.harness.report.search.report import write_search_report
from supernet.harness.report.search.tables import tables
from supernet.harness.runs.store import Store
from supernet.harness.search.analysis import NEAR, _last, _mean_interval, expected_best
from supernet.harness.search.comparison import BLOCK, SCENES, Comparison
from supernet.harness.search.contrasts import rank_sum_p
from supernet.harness.search.ledger import Budget
from supernet.harness.search.truths import Truths, _representatives
from supernet.harness.statistics.bootstrap import holm
from supernet.heuristics.recipe import from_dict


def test_a_trace_names_architectures_by_index_and_by_official_string(table, tmp_path):
    chosen = comparison(table, algorithms=("bohb",), seeds=2)
    store, _ = made(chosen, tmp_path)
    (spec,) = chosen.specs()
    trace = store.read(spec.hash).trace()
    assert trace["arch"].tolist() == WITHIN.strings(WITHIN.archs(trace["index"].to_numpy()))
    assert trace["pick_arch"].tolist() == WITHIN.strings(WITHIN.archs(trace["pick"].to_numpy()))
    assert (trace["arch"] != trace["pick_arch"]).any()


# ---- runs --------------------------------------------------------------------------------------------------------


def test_a_comparison_has_runs_of_blocks_of_seeds_for_queries_and_of_single_seeds_for_shared_weights(table):
    specs = comparison(table, algorithms=("random", "bohb", "darts"), seeds=60).specs()
    assert [(s.algorithm, len(s.seeds)) for s in specs[:6]] == [
        ("random", BLOCK), ("random", BLOCK), ("random", 10), ("bohb", BLOCK), ("bohb", BLOCK), ("bohb", 10),
    ]  # fmt: skip
    assert [s.fidelities for s in specs[:6:3]] == [("12",), ("12", "200")]
    assert [s.truth.measure.epochs for s in specs[:6:3]] == ["12", "200"]
    shared = specs[6:]
    assert [s.seeds for s in shared] == [(seed,) for seed in range(60)]
    assert shared[0].recipe.distribution.model == "softmax"
    assert len({s.hash for s in specs}) == len(specs)


def test_more_seeds_keep_the_runs_there_are(table):
    few = {s.hash for s in comparison(table, seeds=50).specs()}
    many = {s.hash for s in comparison(table, seeds=100).specs()}
    assert few < many


def test_fidelities_go_from_the_cheapest_up_and_have_to_be_there(table):
    assert comparison(table, only=("200", "12")).fidelities == ("12", "200")
    with pytest.raises(UserError, match=r"no cifar10-valid valid accuracies of mean after 36 epochs.*after 12, 200"):
        comparison(table, only=("12", "36")).specs()
    (alone,) = comparison(table, algorithms=("bohb",), only=("200",)).specs()
    assert (alone.fidelities, alone.truth.measure.epochs) == (("200",), "200")


def test_the_rate_changes_the_recipes_of_distributions_alone(table):
    slow, fast = (comparison(table, algorithms=("spos", "darts"), rate=rate) for rate in (1.0, 10.0))
    assert slow.recipe("spos") == fast.recipe("spos")
    assert slow.recipe("darts") != fast.recipe("darts")


def test_the_embedded_scenes_are_of_the_tables_that_ship():
    shipped = {name: embedded.load(name) for name in embedded.names() if (EMBEDDED / f"{name}.parquet").exists()}
    compared = {name for name, bench in shipped.items() if (bench.space, "digits") in SCENES}
    assert set(shipped) - compared == {"darts-digits"}, "searches need a space that can be listed"
    for name in compared:
        chosen = Comparison(shipped[name].space, "digits", ("random",), Budget("wall", 60), 1)
        assert chosen.ground_truth.path == EMBEDDED / f"{name}.parquet"
        assert set(chosen.scene.reported) <= set(chosen.ground_truth.measures)
        stored = from_dict(chosen.ground_truth.about["recipe"])
        assert shipped[name].recipe.training == stored.training
        assert shipped[name].recipe.task.name == "digits"


@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("seed", ["one", "r0"])
def test_nas_bench_101_is_seen_by_the_repeat_that_its_table_has(seed, tmp_path):
    within = space("nb1shot1-1")
    hashes = within.hashes(within.subset("unique-cell")).tolist()
    values = np.random.default_rng(0).uniform(80, 95, len(hashes))
    columns = {"hash": hashes}
    for epochs, name in (("12", seed), ("108", seed), ("108", "r2")):
        columns[f"cifar10.valid.e{epochs}.{name}"] = values + int(epochs) / 100
    columns |= {"cifar10.test.e108.mean": values, "cifar10.train_seconds.e108.r0": 10 * values}
    write_table(
        tmp_path / "made.parquet",
        columns | {"cifar10.train_seconds.e108.r1": 30 * values},
        {"space": "nb101", "family": "made", "accuracy_unit": "percent"},
    )
    chosen = Comparison(
        "nb1shot1-1", "cifar10", ("random", "hyperband"), Budget("seconds", 2e5), 2, str(tmp_path / "made.parquet")
    )
    assert chosen.truth.measure.seed == seed
    assert chosen.fidelities == ("12", "108")
    other = replace(chosen, truth_seed="r2")
    assert (other.truth.measure.seed, other.fidelities, other.identity != chosen.identity) == ("r2", ("108",), True)
    assert Comparison.from_dict(json.loads(json.dumps(other.as_dict()))) == other
    with pytest.raises(UserError, match="no seed 'r7' there"):
        _ = replace(chosen, truth_seed="r7").truth
    seen = chosen.objective("108")
    known = ~np.isnan(seen.fidelities[0].values)
    assert np.array(seen.fidelities[0].seconds)[known].mean() == pytest.approx(20 * values.mean(), rel=0.05)
    store, ended = made(chosen, tmp_path)
    assert ended == ["done", "done"]
    outcome = write_search_report(chosen, store, tmp_path / "report")
    assert all(len(entry.picks) == 2 for entry in outcome.entries)


def test_searches_query_what_a_table_of_nas_bench_101_has_measured(tmp_path):
    within = space("nb1shot1-1")
    hashes = within.hashes(within.subset("unique-cell")).tolist()
    values = np.random.default_rng(0).uniform(80, 95, len(hashes))
    lacking = np.arange(len(hashes)) >= 200
    columns = {"hash": hashes, "cifar10.test.e108.mean": values, "cifar10.train_seconds.e108.r0": 10 * values}
    for epochs in (12, 108):
        columns[f"cifar10.valid.e{epochs}.one"] = np.where(lacking | (values < epochs / 100 + 80), np.nan, values)
    path = tmp_path / "made.parquet"
    write_table(path, columns, {"space": "nb101", "family": "made", "accuracy_unit": "percent"})
    chosen = Comparison("nb1shot1-1", "cifar10", ("random",), Budget("queries", 20), 2, str(path))
    seen = chosen.objective("108")
    known = np.flatnonzero(~np.isnan(seen.fidelities[0].values))
    assert set(within.hashes(known)) == set(np.array(hashes)[~lacking & (values >= 81.08)])
    assert "searches query only these" in seen.notes[0]
    store, ended = made(chosen, tmp_path)
    assert ended == ["done"]
    assert np.isin(store.read(chosen.specs()[0].hash).trace()["index"], known).all()


def test_a_comparison_survives_json(table):
    chosen = comparison(table, overrides=("network.channels=4",), only=("12",), rate=3.0)
    assert Comparison.from_dict(json.loads(json.dumps(chosen.as_dict()))) == chosen
    assert chosen.fidelities == ("12",)
    assert chosen.recipe("darts").distribution.learning_rate == pytest.approx(9e-4)
    assert chosen.recipe("darts").network.channels == 4


def test_what_is_there_is_not_searched_again(table, tmp_path):
    chosen = comparison(table)
    assert made(chosen, tmp_path)[1] == ["done"] * 3
    assert made(chosen, tmp_path)[1] == []
    more = replace(chosen, algorithms=("random", "rea", "bohb", "local"))
    assert made(more, tmp_path)[1] == ["done"]


def test_an_unknown_scene_is_refused_with_those_there_are(table):
    with pytest.raises(UserError, match=r"no comparison on nb201 with 'mnist'.*nb201 with cifar10"):
        comparison(table, dataset="mnist")


def test_a_search_never_sees_test_accuracies(table, tmp_path):
    chosen = comparison(table)
    spec = chosen.specs()[0]
    cheating = replace(spec, truth=replace(spec.truth, measure=Measure("cifar10", "test", "200", "mean")))
    cheating = replace(cheating, fidelities=("200",))
    store = Store(tmp_path / "runs")
    from supernet.harness.runs.execute import execute

    assert execute(cheating, store) == "failed"
    assert "must not see test" in store.failure(cheating.hash)


@pytest.mark.usefixtures("no_figures")
def test_a_table_with_holes_serves_random_search_alone(tmp_path):
    archs = WITHIN.archs()[:50]
    columns = {"arch": [WITHIN.string(arch) for arch in archs.tolist()]}
    for name in ("cifar10-valid.valid.e12.mean", "cifar10.test.e200.mean"):
        columns[name] = np.arange(50.0)
    path = tmp_path / "few.parquet"
    write_table(path, columns, {"space": "nb201", "family": "made", "accuracy_unit": "percent"})
    chosen = comparison(path, algorithms=("random", "rea"), budget=Budget("queries", 30), seeds=2)
    store, ended = made(chosen, tmp_path)
    assert ended == ["done", "failed"]
    assert "has only 50 of 15,625" in store.failure(chosen.specs()[1].hash)
    trace = store.read(chosen.specs()[0].hash).trace()
    assert trace["index"].max() < 50
    assert tables(write_search_report(chosen, store, tmp_path / "report"))["final"]["seeds"].tolist() == [2, 0]


# ---- numbers -----------------------------------------------------------------------------------------------------


def test_the_expectation_of_random_search_is_that_of_a_simulation():
    rng = np.random.default_rng(0)
    observed = rng.integers(0, 12, 40).astype(float)  # with ties
    true = observed + rng.normal(size=40)
    n = np.array([1.0, 2.0, 5.0, 20.0])
    found = expected_best(observed, true, n)
    assert found[0] == pytest.approx(true.mean())
    for k, value in zip((2, 5, 20), found[1:], strict=True):
        draws = rng.integers(0, 40, (60_000, k))
        noise = rng.random(draws.shape)  # ties at random
        best = draws[np.arange(len(draws)), np.argmax(observed[draws] + 0.5 * noise, axis=1)]
        assert value == pytest.approx(true[best].mean(), abs=4 * true[best].std() / np.sqrt(60_000))


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_intervals_over_seeds_cover_what_they_promise(seeds):
    low, high = _mean_interval(np.random.default_rng(0).normal(size=(seeds, 4000)))
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=0.012)
    assert np.isnan(_mean_interval(np.ones((1, 3)))).all()


def test_the_last_step_within_a_budget_need_not_be_the_one_before():
    spent = np.array([10.0, 9.0, 30.0, 25.0])
    assert _last(spent, np.array([8.0, 9.0, 10.0, 25.0, 29.0, 30.0])).tolist() == [-1, 1, 1, 3, 3, 3]


@pytest.mark.usefixtures("no_figures")
def test_curves_ranks_and_tests_are_those_of_a_plain_computation(table, tmp_path):
    chosen = comparison(table, algorithms=("random", "rea", "local"), seeds=10, budget=Budget("queries", 30))
    store, _ = made(chosen, tmp_path)
    outcome = write_search_report(chosen, store, tmp_path / "report")
    truth = GroundTruth(table).accuracy("cifar10", "test", "200", "mean")
    assert outcome.best == truth.max()
    finals = {}
    for entry in outcome.entries:
        by_seed = [run.sort_values("step") for _, run in entry.trace.groupby("seed")]
        regrets = np.array([truth.max() - truth[run["pick"]] for run in by_seed])
        finals[entry.name] = truth[[run["pick"].iloc[-1] for run in by_seed]]
        steps = np.array([int(budget) for budget in entry.curve.spent + 1e-9])
        np.testing.assert_allclose(entry.curve.mean, regrets[:, steps - 1].mean(0))
        np.testing.assert_allclose(entry.curve.quartiles[1], np.median(regrets[:, steps - 1], axis=0))
        assert (entry.curve.low <= entry.curve.mean + 1e-9).all()
        for distance in NEAR:
            first = [np.flatnonzero(r <= distance + 1e-9) for r in regrets]
            wanted = np.median([f[0] + 1 if len(f) else np.inf for f in first])
            assert entry.reached[distance] == (wanted, np.mean([len(f) > 0 for f in first]))
    values = np.array(list(finals.values()))
    ranks = scipy_stats.rankdata(-values, axis=0).mean(1)
    assert [entry.rank[0] for entry in outcome.entries] == pytest.approx(ranks.tolist())
    pair = next(p for p in outcome.pairs if (p.first, p.second) == ("random", "rea"))
    assert pair.difference == pytest.approx((values[0] - values[1]).mean())
    assert (pair.low, pair.high) == pytest.approx(
        tuple(scipy_stats.ttest_ind(values[0], values[1], equal_var=False).confidence_interval())
    )
    assert pair.p == rank_sum_p(values[0], values[1])
    assert [contrast.first for contrast in outcome.versus] == ["rea", "local"]
    assert [c.adjusted for c in outcome.versus] == holm([rank_sum_p(values[k], values[0]) for k in (1, 2)])
    q = scipy_stats.false_discovery_control([p.p for p in outcome.pairs])
    assert [p.adjusted for p in outcome.pairs] == pytest.approx(q.tolist())
    assert outcome.omnibus.p == pytest.approx(scipy_stats.kruskal(*values).pvalue)
    # Demšar's table: 2.343 for three at 5 %.
    assert outcome.critical == pytest.approx(2.343 * np.sqrt(3 * 4 / 6 / 10), rel=1e-3)


# ---- truths ------------------------------------------------------------------------------------------------------


def test_one_of_a_functional_class_stands_for_all():
    sampled = np.array([77, 4000])
    found = _representatives(WITHIN, sampled)
    classes = WITHIN.classes("network")
    assert (classes[found] == classes).all()
    assert len(np.unique(found)) == 6900
    assert found[77] == 77
    assert found[4000] == 4000


def test_architectures_that_an_embedded_table_lacks_are_measured_once(tmp_path, monkeypatch):
    name = "nb201-digits"
    benchmark = embedded.load(name)
    sampled = benchmark.indices()
    archs = WITHIN.archs(sampled)
    path = tmp_path / f"{name}.parquet"
    columns = {
        "arch": [WITHIN.string(arch) for arch in archs.tolist()],
        "digits.test.e5.s0": np.linspace(40, 60, len(sampled)),
    }
    about = {"space": "nb201", "family": "made", "accuracy_unit": "percent"}
    write_table(path, columns, about)
    measured = []

    def train_all(what, jobs, folder, workers, progress):
        measured.extend(jobs)
        folder.mkdir(parents=True, exist_ok=True)
        for job in jobs:
            result = {**embedded._identity(what, job), "test": 70.0, "valid": 69.0, "train_seconds": 1.0}
            write_result(embedded._path(folder, what, job), result)
        return []

    monkeypatch.setattr(embedded, "train_all", train_all)
    additions = Additions.to(GroundTruth(path), tmp_path / "measured")
    truths = Truths(WITHIN, GroundTruth(path), Measure("digits", "test", "5", "s0"), additions)
    known = int(sampled[3])
    other = int(np.setdiff1d(WITHIN.subset("unique-network"), sampled)[0])
    twin = int(np.flatnonzero(WITHIN.classes("network") == WITHIN.classes("network")[other])[-1])
    assert truths.sampled
    assert np.isnan(truths.of([other])).all()
    assert truths.measure_missing([known, other, twin], workers=1) == []
    assert [job.seed for job in measured] == [0]
    assert truths.of([known, other, twin]).tolist() == [columns["digits.test.e5.s0"][3], 70.0, 70.0]
    again = Truths(WITHIN, GroundTruth(path), Measure("digits", "test", "5", "s0"), additions)
    assert again.measure_missing([other], workers=1) == []
    (tmp_path / "measured" / "nb201-digits" / f"{measured[0].index}-s0.json").write_text("")
    damaged = Truths(WITHIN, GroundTruth(path), Measure("digits", "test", "5", "s0"), additions)
    assert np.isnan(damaged.of([other])).all(), "and is measured again"


def test_a_table_that_is_measured_by_others_is_not_added_to(table, tmp_path):
    additions = Additions.to(GroundTruth(table), tmp_path)
    assert additions is None
    truths = Truths(WITHIN, GroundTruth(table), Measure("cifar10", "test", "200", "mean"), additions)
    assert not truths.sampled
    assert truths.measure_missing([3], workers=1) == []
