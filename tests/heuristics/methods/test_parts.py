"""Super-nets split into parts: few-shot NAS and the split by gradients."""

import copy
import itertools
import shutil
from dataclasses import field

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import assert_same, colours, fewer, recipe, weights

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import Batch
from supernet.harness.scoring.norms import statistics
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.hooks import Method
from supernet.heuristics.methods import gm_split
from supernet.heuristics.methods.gradient_distances import (
    cosine_distances,
    gradient,
    halves,
    mean_distances,
    weights_beside,
)
from supernet.heuristics.methods.partition import Partition, checked_limits
from supernet.heuristics.registry import method

SPACE = space("nb201")
FEW_SHOT = ["methods.few-shot.begin=0.5"]
GM_SPLIT = ["methods.gm-split.repeats=1", "methods.gm-split.until=0.5"]


@pytest.fixture(scope="module")
def task():
    return colours()


def split_run(task, groups="", decision=0, space="nb201"):
    """A run that few-shot has just split, at its beginning."""
    changes = [f"methods.few-shot.decision={decision}", "methods.few-shot.begin=0"]
    run = start(
        recipe(f"space={space}", *changes, *([f"methods.few-shot.groups={groups}"] if groups else [])), task=task
    )
    run.methods["few-shot"].start_epoch(run.context)
    return run


# ---- few-shot --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [["methods.few-shot.begin=1"], ["methods.gm-split.until=1", "methods.gm-split.splits=1"]]
)
def test_without_a_split_the_training_is_that_of_the_recipe(changes, task):
    whole, never = train(recipe(), task=task), train(recipe(*changes), task=task)
    assert_same(weights(whole), weights(never))
    assert whole.log[-1]["loss"] == never.log[-1]["loss"]


@pytest.mark.parametrize("name", ["nb201", "nb1shot1-1"])
def test_right_after_the_split_every_architecture_computes_what_it_did(name, task):
    whole, parts = start(recipe(f"space={name}"), task=task), split_run(task, decision=4, space=name)
    x, within = task.valid.images[:8].float(), space(name)
    archs = [tuple(arch) for arch in within.archs(within.sample(np.random.default_rng(0), 12)).tolist()]
    for one, other in zip(whole.network.logits_of(x, archs), parts.network.logits_of(x, archs), strict=True):
        assert torch.equal(one, other)
    assert len(parts.network.limits) == len(within.decisions[4])


def test_each_part_trains_as_a_network_of_its_own(task, registries):
    """The reference trains a copy of the super-net for each option, only on the steps whose architecture has it."""
    steps = []

    class Recorder(Method):
        """Remembers every step."""

        _kept: list[int] = field(default_factory=list, init=False)

        def after_path(self, ctx, out):
            steps.append((ctx.epoch, out.path.routing, out.images, out.labels, ctx.optimiser.param_groups[0]["lr"]))

    method("recorder")(Recorder)
    found = train(recipe(*FEW_SHOT, "methods.recorder=true"), task=task)
    at_split = []
    train(recipe(), task=task, after_epoch=lambda run: at_split.append(copy.deepcopy(run.network)))
    after = [step for step in steps if step[0] == 1]
    assert [arch[0] for _, arch, *_ in after] != sorted(arch[0] for _, arch, *_ in after)
    assert after[0][-1] == pytest.approx(found.recipe.training.learning_rate)  # the schedule starts again
    for option in range(5):
        network = copy.deepcopy(at_split[0])
        t = found.recipe.training
        optimiser = torch.optim.SGD(network.parameters(), 1.0, momentum=t.momentum, weight_decay=t.weight_decay)
        for _, arch, images, labels, rate in after:
            if arch[0] == option:
                optimiser.param_groups[0]["lr"] = rate
                optimiser.zero_grad()
                F.cross_entropy(network(images, arch), labels).backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), t.clip)
                optimiser.step()
        for name, value in found.network.network(option).state_dict().items():
            torch.testing.assert_close(value, network.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_architectures_are_scored_by_their_own_parts(task):
    run = train(recipe(*FEW_SHOT, "evaluation.batch_size=40"), task=task)
    classes = SPACE.classes("computation")
    indices = np.concatenate([np.flatnonzero(classes < 40)[::7], np.arange(0, 15625, 311)])
    scores = rank(run, indices)
    archs = SPACE.archs(indices)
    x, y = task.valid.images[:40], task.valid.labels[:40]
    x = ((x.float() / 255) - torch.tensor(task.mean)[:, None, None]) / torch.tensor(task.std)[:, None, None]
    own = []
    with torch.no_grad(), statistics(run.network, "batch"):
        for arch in archs.tolist():
            own.append(float(F.cross_entropy(run.network.network(arch[0]).eval()(x, tuple(arch)), y)))
    np.testing.assert_allclose(scores.loss, own, rtol=0, atol=1e-5)
    pairs = {(c, option) for c, option in zip(classes[indices].tolist(), archs[:, 0].tolist(), strict=True)}
    assert scores.distinct == len(pairs) > len({c for c, _ in pairs})
    alone = rank(run, indices[::5])
    np.testing.assert_allclose(alone.loss, scores.loss[::5], rtol=0, atol=1e-6)


def test_an_option_belongs_to_the_parts_that_list_it(task):
    run = split_run(task, "0,3/1,2,4", decision=2)
    network = run.network
    assert network.limits == [{2: [0, 3]}, {2: [1, 2, 4]}]
    assert network.part_of((1, 1, 3, 1, 1, 1)) == 0
    assert network.part_of((0, 0, 4, 0, 0, 0)) == 1
    assert len(network.parameters_of(0, 3)) == 2 * len(network.network(0).parameters_of(0, 3))
    assert network.cell_count == 3
    network.set_progress(0.5)
    features = []
    network(task.valid.images[:4].float(), (3,) * 6, features)
    assert len(features) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["methods.few-shot.decision=6"], "decision is 6, but nb201 has the decisions 0 to 5"),
        (["methods.few-shot.groups=0,1/2,3"], "must list each option of decision 0, 0 to 4, once"),
        (["methods.few-shot.groups=0,1,2,3,4"], "in two or more parts"),
        (["methods.few-shot=true", "sampling.per_cell=true"], "sampling.per_cell draws one for every cell"),
        (["methods.k-shot=true", "sampling.per_cell=true"], "sampling.per_cell draws one for every cell"),
        (["methods.few-shot=true", "sampling.with_none=false"], "has only the operation none"),
        (["methods.few-shot=true", "methods.gm-split=true"], "leave one of them out"),
        (
            ["methods.gm-split=true", "sampling.law=distribution", "distribution.model=softmax"],
            "distribution.step=first-order mixes all of them",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_split_is_refused_at_the_start(changes, message, task):
    with pytest.raises(UserError, match=message):
        start(recipe(*changes), task=task)


@pytest.mark.parametrize("groups", ["0,1|2", "a/b", "1,/2", "-1/2", "9999/1"])
def test_misspelt_groups_are_refused(groups):
    with pytest.raises(UserError, match="lists option numbers with commas"):
        recipe(f"methods.few-shot.groups={groups}")


def test_none_may_share_a_part_when_it_is_not_trained(task):
    run = train(recipe("methods.few-shot.groups=0,1/2/3/4", "sampling.with_none=false", *FEW_SHOT), task=task)
    assert [part[0] for part in run.network.limits] == [[0, 1], [2], [3], [4]]


@pytest.mark.parametrize(
    "changes",
    [
        FEW_SHOT,
        GM_SPLIT,
        ["training.schedule=constant", "methods.dynas=true", *FEW_SHOT],
        pytest.param(["training.schedule=constant", *FEW_SHOT, "methods.dynas=true"], marks=pytest.mark.long),
        pytest.param([*FEW_SHOT, "methods.k-shot.count=2"], marks=pytest.mark.long),
    ],
    ids=str,
)
def test_checkpoints_before_at_and_after_a_split_go_on_with_the_same_bits(changes, task, tmp_path):
    chosen, kept, task = recipe("training.epochs=4", *changes), tmp_path / "kept", fewer(task)

    def keep(run):
        if run.epoch > 1:  # with the checkpoint of the epoch before
            shutil.copytree(kept, tmp_path / str(run.epoch - 1))

    whole = train(chosen, kept, task=task, after_epoch=keep)
    for epochs in (1, 2, 3):  # all splits are over after two epochs
        resumed = train(chosen, tmp_path / str(epochs), task=task, resume=True)
        assert_same(weights(whole), weights(resumed))
        assert whole.restarted == resumed.restarted == 2 * 3, "the steps of two epochs"
        assert len(resumed.network.limits) > 1


# ---- the split by gradients ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "trained"), [(2, 2), (3, 3), (5, 5), (6, 6), (5, 4)])
def test_the_best_halves_are_those_that_a_search_of_all_finds(options, trained):
    rng = np.random.default_rng(options)
    kept = list(range(options - trained, options))
    for _ in range(5):
        half = rng.random((options, options))
        distances = half + half.T
        found = {}
        for sides in itertools.product((0, 1), repeat=options):
            one, other = ([o for o in range(options) if sides[o] == side] for side in (0, 1))
            sizes = [len([o for o in group if o in kept]) for group in (one, other)]
            if min(sizes) and abs(sizes[0] - sizes[1]) <= 1:
                found[np.mean([distances[i, j] for i in one for j in other])] = {frozenset(one), frozenset(other)}
        score, groups = halves(distances, kept)
        assert score == pytest.approx(max(found))
        assert {frozenset(group) for group in groups} == found[max(found)]


def test_distances_are_one_minus_the_cosine():
    g = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0], [0.0, 0.0]])
    distances, known = cosine_distances(g)
    assert distances[:3, :3].tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
    assert known.bool().tolist() == [[True] * 3 + [False]] * 3 + [[False] * 4]


def test_gradients_are_those_of_a_backward_pass_over_the_other_decisions(task):
    run = start(recipe("network.bn_track=true"), task=task)
    ctx = run.context
    images, labels = task.train.images[:20].float(), task.train.labels[:20]
    batch = Batch(images, labels, torch.arange(20))
    ctx.batches = lambda split, number: batch
    beside, arch = weights_beside(run.network, ctx, 1), (3, 2, 1, 0, 3, 2)
    own = {id(p) for option in range(5) for p in run.network.parameters_of(1, option)}
    assert own
    assert not own & {id(p) for p in beside}
    before, passed = weights(run), ctx.meter.copy()
    found = gradient(ctx, arch, batch, beside)
    assert (ctx.meter.forward, ctx.meter.backward) == (passed.forward + 20, passed.backward + 20)
    assert all(p.grad is None for p in run.network.parameters())
    F.cross_entropy(run.network(images, arch), labels).backward()
    expected = [torch.zeros_like(p) if p.grad is None else p.grad for p in beside]
    torch.testing.assert_close(found, torch.cat([g.flatten() for g in expected]), rtol=1e-4, atol=1e-6)
    run.network.load_state_dict(before)
    mean_distances(ctx, run.methods["loss 0"], run.network, {}, 1, repeats=2)
    assert_same(before, weights(run))  # running statistics included


def test_the_decision_with_the_most_distant_halves_is_split_in_each_part(task, monkeypatch):
    def made_up(ctx, asker, network, limits, decision, repeats):
        distances = np.ones((5, 5)) / (1 + decision)
        if decision == 3:
            distances[np.ix_([0, 4], [1, 2, 3])] = distances[np.ix_([1, 2, 3], [0, 4])] = 5
        if decision == 5 and limits == {3: [0, 4]}:
            distances[np.ix_([0, 1, 2], [3, 4])] = 4
        return distances

    monkeypatch.setattr(gm_split, "mean_distances", made_up)
    run = start(recipe("methods.gm-split.until=0"), task=task)
    run.methods["gm-split"].start_epoch(run.context)
    assert run.network.limits == [
        {3: [0, 4], 5: [0, 1, 2]}, {3: [0, 4], 5: [3, 4]}, {3: [1, 2, 3], 0: [0, 1]}, {3: [1, 2, 3], 0: [2, 3, 4]},
    ]  # fmt: skip
    sets = run.network.weight_sets(SPACE.archs(np.arange(0, 15625, 17)))
    assert set(sets.ravel().tolist()) == {0, 1, 2, 3}


def test_a_stored_partition_is_checked():
    assert checked_limits([{0: [1]}, {0: [0, 2, 3, 4]}], SPACE, 2) == [{0: [1]}, {0: [0, 2, 3, 4]}]
    for parts in ([], [{}] * 3, [{6: [0]}], [{0: [5]}], [{0: []}], [{-1: [0]}]):
        with pytest.raises(ValueError, match=r"parts|options"):
            checked_limits(parts, SPACE, 2)


def test_a_path_of_several_architectures_has_no_part(task):
    network = Partition([start(recipe(), task=task).network], [{}])
    with pytest.raises(UserError, match="single architectures"):
        network(task.valid.images[:4].float(), ((1,) * 6,) * 3)
