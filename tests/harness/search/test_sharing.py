"""Searches with shared weights: prices, budgets, resumption, and what a run leaves."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from made_up_sharing import BASE, FEW, MEASURE, WITHIN, made_truth, spec_of

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.runs.execute import execute, job
from supernet.harness.runs.store import Store
from supernet.harness.scoring.supernet import rank
from supernet.harness.search import picks, sharing
from supernet.harness.search.algorithms.evolution import RandomSearch
from supernet.harness.search.algorithms.names import named
from supernet.harness.search.algorithms.registry import ALGORITHMS, QueryAlgorithm, SharingAlgorithm, recipe_for
from supernet.harness.search.costs import FORWARD, seconds_per_pass
from supernet.harness.search.ledger import Budget
from supernet.harness.search.objective import Query
from supernet.harness.search.objectives.supernet import SharedWeights
from supernet.harness.search.picks import BestDrawn, BestOfLeaves, BestRandom, Evolved, LeastDispensable, Searched
from supernet.harness.training.loop import train
from supernet.harness.training.run import task_of
from supernet.harness.training.trial import epoch_cost

OWN = {
    "gm-nas": ("methods.gm-split.repeats=1", "methods.gm-split.splits=1"),
    "landmarks": ("methods.landmarks.count=4", "methods.landmarks.begin=0.5"),
}
"""Changes of algorithms with methods of their own, which make them quick."""
SPLITTING = 30
"""Passes of one split of NAS-Bench-201's 30 options by the gradients of one batch."""
SHARING = [name for name, algorithm in ALGORITHMS.items() if isinstance(algorithm, SharingAlgorithm)]


def _kind(name):
    """What of an algorithm decides how its run is planned, charged and read."""
    recipe = recipe_for(name, BASE, WITHIN)
    d = recipe.distribution
    methods = tuple(chosen.name for chosen in recipe.methods)
    return type(ALGORITHMS[name].pick), recipe.sampling.law, d.step, d.model, d.perturbation, d.data, methods


KINDS = list({_kind(name): name for name in SHARING}.values())
"""One algorithm of each kind; the others differ in options of the mixture, which the tests of distributions have."""


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return made_truth(tmp_path_factory.mktemp("truth"))


# ---- prices ------------------------------------------------------------------------------------------------------


def per_step(recipe):
    """Passes of a step, metered."""
    task = task_of(recipe.task)
    return epoch_cost(recipe, task=task, steps=2).whole.passes / (len(task.train) // recipe.training.batch_size)


@pytest.mark.parametrize(
    ("algorithm", "passes"),
    [
        ("rs-ws", 1), ("fairnas", 5), ("darts", 10), ("darts-2", 25), ("gdas", 2), ("setn", 6), ("pc-darts", 2.5),
        ("sdarts-rs", 10), ("sdarts-adv", 5 * (8 + 2 / 3) + 5), ("gaea-darts-erm", 8), ("drnas", 10),
        ("snas", 10), ("reinmax", 6), ("single-stage", 10),
    ],
)  # fmt: skip
def test_a_step_costs_its_passes(algorithm, passes):
    assert per_step(recipe_for(algorithm, BASE, WITHIN)) == pytest.approx(passes)


def test_samples_without_weight_go_no_further():
    recipe = recipe_for("parsec", BASE, WITHIN)
    samples = recipe.distribution.samples
    # At least: likelihoods of one distinct sample, twice, and one sample that goes on.
    assert 2 * FORWARD + 1 <= per_step(recipe) <= samples * (1 + 2 * FORWARD) + 1e-9


def test_on_1shot1_a_mixture_costs_its_operations():
    within = space("nb1shot1-1")
    base = BASE.override(["space=nb1shot1-1"])
    assert per_step(recipe_for("darts", base, within)) == pytest.approx(2 * 3)
    assert per_step(recipe_for("gdas", base, within)) == pytest.approx(2)
    assert per_step(recipe_for("fairnas", base, within)) == pytest.approx(within.cardinalities.max())


def test_an_epoch_costs_its_steps_and_what_comes_between():
    recipe = recipe_for("enas", BASE, WITHIN)
    assert epoch_cost(recipe).of(1).passes == pytest.approx(4 + FORWARD * 100)


def test_a_pass_takes_the_tables_mean_time_per_image_and_operation(truth):
    table = truth.open("nb201")
    # Seconds are millions of operations: 500 images for 5 epochs; ours has a quarter of the channels.
    recipe = BASE.override(["network.channels=16"])
    flops = WITHIN.flops(WITHIN.archs(), 16, 1, 16).mean()
    found = seconds_per_pass(recipe, WITHIN, table, MEASURE, task_of(recipe.task))
    assert found == pytest.approx(flops / 1e6 / 2500 * 32)
    small = seconds_per_pass(BASE, WITHIN, table, MEASURE, task_of(BASE.task))
    assert small == pytest.approx(found * WITHIN.flops(WITHIN.archs(), 4, 1, 16).mean() / flops)


# ---- runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", KINDS)
def test_every_algorithm_searches_within_its_budget(algorithm, truth, tmp_path, monkeypatch):
    few = {
        BestDrawn: BestDrawn(5),
        BestOfLeaves: BestOfLeaves(2, 2),
        BestRandom: BestRandom(6, 2),
        Evolved: Evolved(4, 2, 2),
        Searched: Searched(RandomSearch, 6),
    }
    changes = (
        "distribution.samples=2",
        "distribution.updates=2",
        *FEW,
        "evaluation.images=32",
        *OWN.get(algorithm, ()),
    )
    pick = ALGORITHMS[algorithm].pick
    monkeypatch.setitem(ALGORITHMS, algorithm, replace(ALGORITHMS[algorithm], pick=few.get(type(pick), pick)))
    spec = spec_of(algorithm, truth)
    recipe = spec.recipe.override(list(changes))
    epoch = epoch_cost(recipe).of(1).passes
    extra = 50 * isinstance(pick, LeastDispensable) + SPLITTING * (algorithm == "gm-nas")
    spec = replace(spec, recipe=recipe, budget=Budget("passes", 2.5 * epoch + 8 + extra))
    assert job(json.loads(json.dumps(spec.as_dict()))) == spec
    store = Store(tmp_path / "runs")
    assert execute(spec, store) == "done", store.failure(spec.hash)
    result = store.read(spec.hash)
    trace = result.trace()
    assert 1.5 * epoch < trace["passes"].max() <= spec.budget.amount
    assert trace["step"].is_monotonic_increasing
    assert trace["pick"].between(0, 15_624).all()
    if not trace["queries"].any():
        assert (trace["seconds"] / trace["passes"]).std() < 1e-9
    assert result.ledger["passes"] == trace["passes"].iloc[-1]
    learned = spec.recipe.distribution.model != "none"
    assert trace["entropy"].notna().all() == learned
    mixes = learned and spec.recipe.distribution.step in ("first-order", "second-order")
    assert trace["mixture_accuracy"].notna().all() == mixes
    assert not list(result.path.glob("checkpoint*"))


def test_the_schedule_ends_where_the_budget_does(truth, tmp_path):
    store = Store(tmp_path / "runs")
    spec = spec_of("darts", truth, "130p")
    execute(spec, store)
    log = store.read(spec.hash).log()
    assert len(log) == 3  # of 40 passes each
    assert log[-1]["learning_rate"] < 0.01


def test_a_killed_search_goes_on_to_the_same_trace(truth, tmp_path, monkeypatch):
    spec = spec_of("gaea-darts-erm", truth, "66p", changes=FEW)  # four epochs of 16 passes
    one, other = Store(tmp_path / "one"), Store(tmp_path / "other")
    execute(spec, one)
    whole = sharing._state
    calls = []

    def killed(run, arch):
        calls.append(run.epoch)
        if run.epoch == 3:
            raise KeyboardInterrupt
        return whole(run, arch)

    monkeypatch.setattr(sharing, "_state", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(spec, other)
    monkeypatch.setattr(sharing, "_state", whole)
    assert execute(spec, other) == "done"
    traces = [store.read(spec.hash).trace().drop(columns="wall") for store in (one, other)]
    pd.testing.assert_frame_equal(*traces)
    assert calls == [1, 2, 3]


def test_a_plan_neither_depends_on_earlier_random_numbers_nor_changes_them(truth, tmp_path, monkeypatch):
    spec, whole, costs = spec_of("setn", truth, "300p"), sharing._later, []

    def later(*arguments):
        found = whole(*arguments)
        costs.append(found[0]["passes"])
        return found

    monkeypatch.setattr(sharing, "_later", later)
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        sharing._planned(
            spec, spec.recipe, truth.open(spec.space), task_of(spec.recipe.task), ALGORITHMS["setn"], tmp_path, "cpu"
        )
        assert torch.equal(before, torch.get_rng_state())
    assert costs[0] == costs[1]


def test_a_budget_by_the_clock_is_kept(truth, tmp_path):
    store = Store(tmp_path / "runs")
    spec = spec_of("setn", truth, "4w")
    if execute(spec, store) == "failed":  # on a machine too busy for one epoch in that time
        assert "suffice" in store.failure(spec.hash) or "afford" in store.failure(spec.hash)
        return
    trace = store.read(spec.hash).trace()
    assert 0 < trace["wall"].max() <= 4
    assert len(trace) <= sharing.SCORED_PICKS


@pytest.mark.parametrize(
    ("budget", "said"),
    [("20q", "queries nothing"), ("3p", "does not afford one epoch"), ("0.0000001s", "does not afford")],
)
def test_a_budget_that_buys_nothing_fails_with_the_reason(budget, said, truth, tmp_path):
    store = Store(tmp_path / "runs")
    spec = spec_of("darts", truth, budget)
    assert execute(spec, store) == "failed"
    assert said in store.failure(spec.hash)


def test_a_diverged_search_is_marked(truth, tmp_path):
    store = Store(tmp_path / "runs")
    spec = spec_of("spos", truth, "120p", changes=["training.learning_rate=1e9", "training.clip=1e9"])
    assert execute(spec, store) == "diverged", store.failure(spec.hash)
    assert "diverged" in store.read(spec.hash).problem


@pytest.mark.parametrize("changes", [["training.learning_rate=1e30"], ["training.learning_rate=1e9"]], ids=str)
def test_what_diverges_at_once_is_timed_and_leaves_a_whole_run(changes, truth, tmp_path):
    store = Store(tmp_path / "runs")
    spec = spec_of("darts", truth, "200p", changes=[*changes, "training.clip=null"])
    assert execute(spec, store) == "diverged", store.failure(spec.hash)
    assert store.whole(spec.hash)


@pytest.mark.parametrize("plan", ["", "{}", "task: {name: nothing}"], ids=["empty", "the default recipe", "no recipe"])
def test_a_plan_that_is_not_of_this_search_is_made_anew(plan, truth, tmp_path):
    store = Store(tmp_path / "runs")
    spec = spec_of("darts", truth, "130p")
    with store.hold(spec) as work:
        work.mkdir()
        (work / "recipe.yaml").write_text(plan)
    assert execute(spec, store) == "done", store.failure(spec.hash)
    assert len(store.read(spec.hash).log()) == 3
    assert "name: digits" in (store.read(spec.hash).path / "recipe.yaml").read_text()


def test_damaged_picks_cost_their_own_search_alone(truth, tmp_path, monkeypatch):
    spec, store = spec_of("gaea-darts-erm", truth, "66p", changes=FEW), Store(tmp_path / "runs")
    whole = sharing._state

    def killed(run, arch):
        if run.epoch == 3:
            raise KeyboardInterrupt
        return whole(run, arch)

    monkeypatch.setattr(sharing, "_state", killed)
    with pytest.raises(KeyboardInterrupt):
        execute(spec, store)
    monkeypatch.setattr(sharing, "_state", whole)
    (store.root / ".work" / spec.hash / sharing.PICKS).write_text('{"rows": [')
    assert execute(spec, store) == "done", store.failure(spec.hash)
    assert store.read(spec.hash).trace()["step"].tolist() == [1, 2, 3, 4]


# ---- picks -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    recipe = recipe_for("setn", BASE.override(["training.epochs=3", "evaluation.images=96"]), WITHIN)
    return train(recipe, task=task_of(recipe.task))


def test_sampled_and_random_pick_the_best_scored(trained):
    drawn = WITHIN.sample(np.random.default_rng(0), 8)
    pick = BestRandom(8, kept=8)(trained, np.random.default_rng(0))
    scores = rank(trained, drawn).accuracy
    assert WITHIN.index(pick.arch) in drawn[scores == scores.max()]
    assert pick.images == 8 * (32 + 96)
    torch.manual_seed(0)
    sampled = [WITHIN.index(trained.learner.model.sample()) for _ in range(8)]
    torch.manual_seed(0)
    pick = BestDrawn(8)(trained, np.random.default_rng(0))
    scores = rank(trained, sampled).accuracy
    assert WITHIN.index(pick.arch) in np.array(sampled)[scores == scores.max()]


def test_evolution_improves_on_its_first_generation(trained, monkeypatch):
    def convolutions(run, indices, images):
        return (WITHIN.archs(indices) == 3).sum(1).astype(float)

    monkeypatch.setattr(picks, "_scores", convolutions)
    evolved = [Evolved(20, 8)(trained, np.random.default_rng(seed)) for seed in range(10)]
    first = [convolutions(None, WITHIN.sample(np.random.default_rng(s), 20), 0).max() for s in range(10)]
    best = [pick.arch.count(3) for pick in evolved]
    assert (np.array(best) >= first).all()
    assert np.mean(best) > np.mean(first) + 1
    assert all(pick.images == 8 * 20 * 96 for pick in evolved)  # nothing is scored twice, or in vain


def test_any_search_can_ask_the_super_net(trained):
    objective = SharedWeights(trained, 96)
    index = 4321
    answer = objective.ask(Query(WITHIN.arch(index), 0))
    assert answer.value == rank(trained, [index]).accuracy[0]
    assert answer.cost == {"queries": 1, "passes": pytest.approx(FORWARD * 96 / 32)}
    seen = []

    class Watched(RandomSearch):
        def tell(self, query, value):
            seen.append((value, query.arch))

    pick = Searched(Watched, 12)(trained, np.random.default_rng(0))
    assert len(seen) == 12
    assert pick.arch == max(seen, key=lambda told: told[0])[1]
    assert pick.images == 12 * 96


def test_the_option_that_is_missed_most_is_picked(trained, monkeypatch):
    """The reference makes the decisions in the same order, each by a table of accuracies without an option."""
    seen, worth = [], np.random.default_rng(1).permutation(30).reshape(6, 5)

    def accuracy(run, routing):
        rows = [row.tolist() for row in routing]
        seen.append(rows)
        return 100 - sum(
            worth[decision, option] for decision, row in enumerate(rows) for option in range(5) if not row[option]
        )

    monkeypatch.setattr("supernet.harness.scoring.supernet.accuracy_of", accuracy)
    pick = LeastDispensable()(trained, np.random.default_rng(2))
    assert pick.arch == tuple(worth.argmax(1).tolist())
    assert pick.images == 30 * 5 * 96  # a mixture costs five paths
    order = np.random.default_rng(2).permutation(6).tolist()
    mean = [row.tolist() for row in trained.learner.model.mean()]
    for number, decision in enumerate(order):
        for option, rows in enumerate(seen[5 * number : 5 * number + 5]):
            for other in range(6):
                made = order.index(other) < number
                whole = [float(o == pick.arch[other]) for o in range(5)] if made else list(mean[other])
                if other == decision:
                    whole[option] = 0.0
                assert rows[other] == pytest.approx(whole)


def test_of_options_that_are_missed_alike_the_likeliest_is_picked(trained, monkeypatch):
    monkeypatch.setattr("supernet.harness.scoring.supernet.accuracy_of", lambda run, routing: 50.0)
    assert LeastDispensable()(trained, np.random.default_rng(0)).arch == trained.learner.model.best()


# ---- names -------------------------------------------------------------------------------------------------------


def test_names_are_checked():
    assert named("rea, darts,rea") == ["rea", "darts"]
    with pytest.raises(UserError, match=r"'dart'; did you mean darts\? There are: random"):
        named("random,dart")


def test_algorithms_apply_to_nb1shot1_where_they_can():
    within = space("nb1shot1-1")
    base = BASE.override(["space=nb1shot1-1", "network.channels=8"])
    partial = ["pc-darts", "gaea-pc-darts", "gaea-pc-darts-erm"]
    for name in SHARING:
        if name in partial:
            with pytest.raises(UserError, match=f"^{name} on nb1shot1-1: .*is for nb201"):
                recipe_for(name, base, within)
        else:
            recipe_for(name, base, within)


def test_hyper_parameters_are_the_published_ones():
    d = recipe_for("darts", BASE, WITHIN).distribution
    assert (d.learning_rate, d.weight_decay, d.beta1) == (3e-4, 1e-3, 0.5)
    g = recipe_for("gaea-darts-erm", BASE, WITHIN)
    assert (g.distribution.learning_rate, g.distribution.data, g.sampling.with_none) == (0.1, "train", False)
    assert recipe_for("pc-darts", BASE, WITHIN).network.partial_channels == 4
    assert all(isinstance(a, QueryAlgorithm | SharingAlgorithm) and a.source for a in ALGORITHMS.values())
