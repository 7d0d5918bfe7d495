"""Architectures without a training time, under budgets in seconds and under others."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_search import WITHIN, comparison, made
from made_up_sharing import FEW, MEASURE, spec_of

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.harness.report.search.report import analysed
from supernet.harness.runs.job import Truth
from supernet.harness.search.algorithms.registry import ALGORITHMS
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objectives.table import objective
from supernet.harness.search.picks import BestOfLeaves
from supernet.harness.search.sharing import Prices, oracle_of
from supernet.harness.training.run import start, task_of
from supernet.heuristics.methods.landmarks import drawn_from

MEASURED, TIMED = 60, 20


def written(folder, timed, dataset="cifar10-valid", epochs="12", seed="mean"):
    """A table of the first architectures of the space, of which `timed` have a training time of 100 seconds."""
    archs = WITHIN.archs()[:MEASURED]
    seconds = np.where(np.arange(MEASURED) < timed, 100.0, np.nan)
    columns = {"arch": WITHIN.strings(archs), f"{dataset}.valid.e{epochs}.{seed}": np.linspace(70, 90, MEASURED)}
    columns["cifar10.test.e200.mean"] = np.linspace(70, 90, MEASURED)
    columns |= {f"{dataset}.train_seconds.e{epochs}": seconds} if timed else {}
    path = folder / f"timed-{timed}.parquet"
    write_table(path, columns, {"space": "nb201", "family": "made", "accuracy_unit": "percent"})
    return path


def asked_for(budget, folder):
    """The comparison of random search alone on such a table, and the traces of its three searches."""
    chosen = comparison(written(folder, TIMED), algorithms=("random",), budget=Budget.parse(budget), seeds=3)
    chosen.check()
    store, ended = made(chosen, folder)
    assert ended == ["done"]
    return chosen, store, store.read(chosen.specs()[0].hash).trace()


@pytest.mark.parametrize("budget", ["2000s", "2000w"])
def test_a_budget_in_seconds_is_spent_on_architectures_with_a_training_time(budget, tmp_path):
    chosen, store, trace = asked_for(budget, tmp_path)
    assert trace.groupby("seed")["step"].max().tolist() == [20] * 3
    assert trace["index"].max() < TIMED
    notes = analysed(chosen, store).notes
    assert any(f"Of 40 of the {MEASURED} architectures of nb201 with accuracies" in note for note in notes)


def test_a_budget_of_queries_is_spent_on_all_architectures(tmp_path):
    chosen, store, trace = asked_for("40q", tmp_path)
    assert trace["index"].max() >= TIMED
    assert not any("no training time" in note for note in analysed(chosen, store).notes)


def test_without_any_training_time_a_budget_in_seconds_is_refused_before_any_search(tmp_path):
    chosen = comparison(written(tmp_path, 0), algorithms=("random",), budget=Budget("wall", 2000))
    with pytest.raises(UserError, match=r"has no training times for cifar10-valid .* in queries \(q\)\.$"):
        chosen.check()
    replace(chosen, budget=Budget("queries", 20)).check()


def test_algorithms_that_need_the_whole_space_hear_what_the_table_lacks(tmp_path):
    chosen = comparison(written(tmp_path, TIMED), algorithms=("rea",))
    with pytest.raises(UserError, match=r"has only 20 of 15,625 with training times\."):
        chosen.check()


def test_a_cost_that_is_not_a_number_ends_no_search_silently():
    with pytest.raises(UserError, match="unknown number of simulated seconds"):
        Ledger(Budget("seconds", 9)).affords(queries=1.0, seconds=float("nan"))
    assert Ledger(Budget("queries", 9)).affords(queries=1.0, seconds=float("nan"))


def test_one_unknown_time_makes_no_other_query_free(tmp_path):
    seen = objective(WITHIN, GroundTruth(written(tmp_path, TIMED)), "cifar10-valid", ("12",), "mean")
    prices = Prices(32, 1.0, seen)
    assert prices.of_queries([TIMED - 1, TIMED, 0]) == {"queries": 3, "seconds": 200, "wall": 200}


@pytest.mark.parametrize(("kind", "known"), [("seconds", TIMED), ("wall", TIMED), ("passes", MEASURED)])
def test_methods_ask_for_what_searches_may_query(kind, known, tmp_path):
    path = written(tmp_path, TIMED, "digits", "5", "s0")
    spec = spec_of("landmarks", Truth.find("nb201", MEASURE, str(path)), changes=FEW)
    assert len(oracle_of(spec.recipe, GroundTruth(path), MEASURE, kind).known) == known


def test_where_no_architecture_can_be_asked_for_the_reason_is_said(tmp_path):
    truth = Truth.find("nb201", MEASURE, str(written(tmp_path, 0, "digits", "5", "s0")))
    recipe = spec_of("landmarks", truth, "60w", changes=FEW).recipe
    oracle = oracle_of(recipe, truth.open("nb201"), MEASURE, "wall")
    run = start(recipe, task=task_of(recipe.task), oracle=oracle)
    with pytest.raises(UserError, match=r"count is 50, but only 0 .* without a training time do not count"):
        drawn_from(run.context, run.methods["landmarks"], 50)
    with pytest.raises(UserError, match="the table has no training times: give a budget in path passes"):
        BestOfLeaves()(run, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("gm-nas", "queries", "gm-nas shares weights and queries, and a budget of queries does not limit its training"),
        ("spos", "queries", "spos shares weights and queries nothing: give a budget in seconds"),
        ("rea", "passes", r"rea trains no super-net: give a budget in queries \(q\), .* by the clock \(w\)\.$"),
    ],
)
def test_a_budget_that_limits_nothing_is_refused_with_the_reason(name, kind, said):
    with pytest.raises(UserError, match=said):
        ALGORITHMS[name].check_limit(name, kind)
    ALGORITHMS[name].check_limit(name, "wall")
