"""Searches that share weights and query, too: what is charged and what is planned."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_sharing import BASE, FEW, MEASURE, WITHIN, made_truth, spec_of

from supernet.harness.runs.execute import execute
from supernet.harness.runs.store import Store
from supernet.harness.search import picks
from supernet.harness.search.algorithms.evolution import RandomSearch
from supernet.harness.search.algorithms.registry import ALGORITHMS
from supernet.harness.search.costs import seconds_per_pass
from supernet.harness.search.ledger import Budget
from supernet.harness.search.picks import BestOfLeaves, Searched
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import start, streams, task_of
from supernet.heuristics.methods.partition import Partition, copies


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return made_truth(tmp_path_factory.mktemp("truth"))


@pytest.mark.parametrize(
    ("algorithm", "changes", "queries"),
    [
        ("landmarks", ("methods.landmarks.count=12",), 12),
        ("gm-nas", ("methods.gm-split.repeats=1", "methods.gm-split.splits=1"), 4),
    ],
)
def test_queries_are_charged_and_the_schedule_ends_within_the_budget(
    algorithm, changes, queries, truth, tmp_path, monkeypatch
):
    quick = {"landmarks": Searched(RandomSearch, 6), "gm-nas": BestOfLeaves(2)}[algorithm]
    monkeypatch.setitem(ALGORITHMS, algorithm, replace(ALGORITHMS[algorithm], pick=quick))
    spec = spec_of(algorithm, truth, changes=[*FEW, *changes, "evaluation.images=32"])
    table = truth.open("nb201")
    per_pass = seconds_per_pass(spec.recipe, WITHIN, table, MEASURE, task_of(spec.recipe.task))
    flops = WITHIN.flops(WITHIN.archs(), 16, 1, 16) / 1e6
    most = queries * flops.mean() + 3 * np.sqrt(queries) * flops.std()
    spec = replace(spec, budget=Budget("seconds", 60 * per_pass + most))
    store = Store(tmp_path / "runs")
    assert execute(spec, store) == "done", store.failure(spec.hash)
    result = store.read(spec.hash)
    trace = result.trace()
    last = trace.iloc[-1]
    assert last["queries"] == queries
    asked = last["seconds"] - last["passes"] * per_pass
    assert queries * flops.min() <= asked <= queries * flops.max()
    assert last["seconds"] <= spec.budget.amount
    assert last["step"] == len(result.log()), "no epoch was in vain"
    assert result.ledger["queries"] == queries


def test_the_best_of_every_part_is_asked_for_and_the_best_of_these_is_picked(truth, monkeypatch):
    recipe = BASE.override(["methods.gm-split.repeats=1", *FEW])
    run = start(recipe, task=task_of(recipe.task), oracle=Oracle.for_recipe(recipe, truth.open("nb201"), MEASURE))
    limits = [{0: [2, 3, 4]}, {0: [0, 1], 3: [3]}, {0: [0, 1], 3: [0, 1, 2, 4]}]
    run.context.network = Partition(copies(run.network, len(limits)), limits)
    worth = np.random.default_rng(5).normal(size=len(WITHIN))
    scored = []

    def scores(run, indices, images):
        scored.append(indices)
        return worth[indices]

    monkeypatch.setattr(picks, "_scores", scores)
    pick = BestOfLeaves(samples=7, leaves=3)(run, np.random.default_rng(0))
    for part, drawn in enumerate(scored):
        assert len(set(drawn.tolist())) == 7
        assert all(arch[d] in options for arch in WITHIN.archs(drawn) for d, options in limits[part].items())
    best = [int(drawn[worth[drawn].argmax()]) for drawn in scored]
    archs = WITHIN.archs(best)
    true = (archs == 3).sum(1) + 0.5 * (archs == 2).sum(1)
    assert sorted(pick.asked) == sorted(best)
    assert pick.arch == tuple(archs[true.argmax()].tolist())
    assert pick.images == 3 * 7 * recipe.evaluation.images
    assert not run.oracle.asked, "what a pick on the way asks for is not known to the training"


def test_what_splits_cost_is_foreseen():
    recipe = BASE.override(["methods.gm-split.repeats=2", "methods.gm-split.splits=2", *FEW])
    run = start(recipe, task=task_of(recipe.task))
    method = run.methods["gm-split"]
    foreseen = method.foreseen(run.context).once
    run.context.begin_epoch(run.recipe.training.epochs - 1, 0)
    run.context.batches = streams(run, 0)
    method.start_epoch(run.context)
    assert 0.5 * foreseen < run.context.meter.passes(recipe.training.batch_size) <= foreseen == 2 * (30 + 2 * 25)
