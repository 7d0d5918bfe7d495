"""Every method, and every kind of heuristic and distribution, in the super-net of DARTS cells."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small import SETTINGS, assert_same, recipe, weights

from supernet.benchmarks.spaces import space
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.loop import train
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import start
from supernet.heuristics import registry
from supernet.heuristics.catalogue import CATALOGUE, find
from supernet.heuristics.measuring import Measure
from supernet.heuristics.recipe import RecipeError

SPACE = space("darts")
TINY = [
    "space=darts", "network.channels=2", "training.batch_size=6", "evaluation.images=10", "evaluation.batch_size=5",
]  # fmt: skip
CHEAPER = {
    "disturbance": ["methods.disturbance.images=6"],
    "few-shot": ["methods.few-shot.groups=0,1,2,3/4,5,6,7"],
    "gm-split": ["methods.gm-split.splits=1"],
    "interference": ["methods.interference.images=6", "methods.interference.every=2"],
    "landmarks": ["methods.landmarks.added=1"],
    "successive": ["methods.successive.images=6", "methods.successive.every=2", "training.batch_size=3"],
}
"""What keeps a method with a cost per decision or option quick here."""
LEARNED = ["sampling.law=distribution", "distribution.learning_rate=0.1", "sampling.with_none=false"]


@pytest.fixture(scope="module")
def few(task):
    """The task with one batch of training images."""
    return replace(task, train=task.train.take(slice(0, 6)), valid=task.valid.take(slice(0, 10)))


def tiny(*changes):
    return recipe(*TINY, *changes)


def oracle():
    return Oracle(SPACE.sample(np.random.default_rng(0), 40), lambda indices: 50 + indices % 40)


BLIND = {"magic-t", "nsas", "prior-rank", "replay", "reptile"}
"""Methods that see paths and losses alone, and no modules of the network."""


LIKE_OTHERS = {
    "co-distil",
    "disturbance",
    "few-shot",
    "gm-split",
    "interference",
    "k-shot",
    "landmarks",
    "magic-a",
    "ogd",
}
"""Methods that use of the network what those that are always tried use, too."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] * (name in LIKE_OTHERS))
        for name in registry.SHIPPED
        if name not in BLIND
    ],
)
def test_every_method_trains(name, few):
    about = [*SETTINGS[name], *CHEAPER.get(name, [])]
    run = train(tiny(f"methods.{name}=true", *about), task=few, oracle=oracle())
    assert len(run.log) == 2
    assert all(bool(value.isfinite().all()) for value in weights(run).values())
    assert bool(run.measured) == isinstance(run.methods[name], Measure)
    scores = rank(run, SPACE.sample(np.random.default_rng(1), 2))
    assert np.isfinite(scores.loss).all()


@pytest.mark.parametrize("name", ["di-ws"])
def test_methods_resume_to_the_same_bits(name, few, tmp_path, interrupted):
    chosen = tiny("training.epochs=3", f"methods.{name}=true", *SETTINGS[name], *CHEAPER.get(name, []))
    whole = train(chosen, task=few)
    interrupted(chosen, tmp_path / "run", task=few)
    assert_same(weights(whole), weights(train(chosen, tmp_path / "run", task=few, resume=True)))


@pytest.mark.parametrize(
    "changes",
    [
        ["distribution.model=softmax", "distribution.route=gate"],
        ["distribution.model=simplex", "distribution.kept_options=3", "training.epochs=2"],
        pytest.param(["distribution.model=dirichlet"], marks=pytest.mark.long),
        ["distribution.model=softmax", "distribution.route=reinmax", "sampling.with_none=true"],
        pytest.param(
            ["distribution.model=softmax", "distribution.step=importance", "distribution.samples=2"],
            marks=pytest.mark.long,
        ),
        ["distribution.model=controller", "distribution.step=reinforce", "distribution.updates=1"],
    ],
    ids=lambda changes: " ".join(changes[:2]),
)
def test_distributions_are_learned(changes, few):
    chosen = tiny("training.epochs=1", *LEARNED, *changes)
    run = train(chosen, task=few)
    found = run.learner.model.best()
    assert all(found[number] > 0 for number in SPACE.operations) or chosen.sampling.with_none
    before = start(chosen, task=few).learner.model.state_dict()
    after = run.learner.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    if "table" in before:
        changed = (before["table"] != after["table"]) & run.learner.model.allowed
        assert changed.any(1).all(), "every decision learns, those about parents too"


def test_without_none_all_pairs_of_states_can_still_be_drawn(few):
    model = start(tiny(*LEARNED, "distribution.model=simplex"), task=few).learner.model
    sizes = [len(d) - (number in SPACE.operations) for number, d in enumerate(SPACE.decisions)]
    assert model.allowed.sum(1).tolist() == sizes


@pytest.mark.parametrize(
    ("heuristic", "value"),
    [
        ("path-sampling", "fair-nas"), ("path-sampling", "random-a"), ("path-sampling", "classes"), ("sandwich", "on"),
        ("ofa-kernel", "transform"), ("op-on", "node"), ("path-dropout", "0.2"), ("per-cell", "true"),
        ("batch-norm", "affine-recalibrated"), ("with-none", "false"), ("batch-norm", "plain-running"),
    ],
)  # fmt: skip
def test_heuristics_apply(heuristic, value, few):
    run = train(find(heuristic).apply(tiny("training.epochs=1"), value), task=few)
    assert np.isfinite(rank(run, [5, 7_000_000_000_000]).loss).all()


def test_heuristics_of_other_cells_are_refused():
    outside = [name for name, heuristic in CATALOGUE.items() if "darts" not in heuristic.spaces]
    assert outside == ["dynamic-channels", "ws-bn"]
    for change, text in {
        "network.partial_channels=2": "partial_channels is for nb201",
        "network.ws_bn=true": "ws_bn is for nb1shot1",
        "network.channel_mode=shuffle": "channel_mode is for nb1shot1",
    }.items():
        with pytest.raises(RecipeError, match=text):
            tiny(change)
    with pytest.raises(RecipeError, match="edge_weights is for mixtures of a softmax or a simplex on nb201"):
        tiny(*LEARNED, "distribution.model=softmax", "distribution.edge_weights=true")


def test_strictly_fair_steps_have_a_path_for_each_option_of_the_largest_decision(few):
    run = start(tiny("sampling.law=fair"), task=few)
    plan = run.planner.plan(run.context)
    assert len(plan) == 10
    for number, count in enumerate(SPACE.options):
        drawn = np.bincount([path.routing[number] for path in plan], minlength=count)
        assert drawn.min() >= 10 // count
        assert drawn.max() <= -(-10 // count)


def test_a_relaxed_routing_costs_the_operations_that_it_computes(few):
    ctx = start(tiny(), task=few).context
    (arch,) = SPACE.archs([12345]).tolist()
    rows = [torch.full((k,), 1 / k) for k in SPACE.options]
    parents = [row if n not in SPACE.operations else arch[n] for n, row in enumerate(rows)]
    operations = [row if n in SPACE.operations else arch[n] for n, row in enumerate(rows)]
    assert ctx.paths_of(tuple(arch)) == 1
    assert ctx.paths_of(tuple(operations)) == 8
    assert ctx.paths_of(tuple(rows)) == 14 * 8 / 8
    assert ctx.paths_of(tuple(parents)) == (2 + 4 + 6 + 8) / 8
