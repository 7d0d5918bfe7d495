"""Methods in the loop: whatever they remember survives a resume, and all that they cost is metered."""

from dataclasses import field
from functools import cache

import numpy as np
import pytest
import torch
from small import SETTINGS, fewer, recipe, weights

from supernet.benchmarks.errors import UserError
from supernet.harness.search.algorithms.registry import ALGORITHMS, SharingAlgorithm, recipe_for
from supernet.harness.training.loop import open_run, outside_of_steps, train
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import start
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics import registry
from supernet.heuristics.hooks import Method, Supernet
from supernet.heuristics.measuring import Measure
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path

SPACES = ["nb201", pytest.param("nb1shot1-1", marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def few(task):
    """The task with two batches of training images."""
    return fewer(task, 40)


@pytest.fixture(scope="module")
def bases(few):
    """Function that gives the weights after training with a recipe, which it trains once."""
    return cache(lambda *changes: weights(train(recipe(*changes), task=few)))


def oracle(space):
    size = 15_625 if space == "nb201" else 2_000
    return Oracle(np.arange(0, size, 7), lambda indices: 50 + indices % 40)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def ends_alike_after_a_resume(recipe, task, out, interrupted, space="nb201"):
    """Whether a run that stops in its second epoch and goes on ends as one that never stopped; and the latter."""
    whole = train(recipe, task=task, oracle=oracle(space))
    interrupted(recipe, out, task=task, oracle=oracle(space))
    resumed = train(recipe, out, task=task, resume=True, oracle=oracle(space))
    assert [e["passes"] for e in whole.log] == pytest.approx([e["passes"] for e in resumed.log], rel=1e-12)
    assert whole.oracle.asked == resumed.oracle.asked
    assert whole.measured == resumed.measured
    assert same(weights(whole), weights(open_run(out, task=task)))
    return same(weights(whole), weights(resumed)), whole


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", registry.SHIPPED)
def test_every_method_resumes_to_the_same_bits(name, space, few, bases, tmp_path, interrupted):
    chosen = recipe(f"space={space}", "training.epochs=3", f"methods.{name}=true", *SETTINGS[name])
    alike, whole = ends_alike_after_a_resume(chosen, few, tmp_path / "run", interrupted, space)
    assert alike
    without = bases(f"space={space}", "training.epochs=3", *[c for c in SETTINGS[name] if "methods" not in c])
    reads_alone = isinstance(whole.methods[name], Measure)
    assert same(weights(whole), without) == reads_alone, "the others do something"
    assert bool(whole.measured) == reads_alone


class Wide(Supernet):
    """Two super-nets, of which each architecture has one."""

    def __init__(self, one, other):
        super().__init__()
        self.parts = torch.nn.ModuleList([one, other])

    @property
    def cell_count(self):
        return self.parts[0].cell_count

    def forward(self, x, routing, features=None):
        return self.parts[routing[0] % 2](x, routing, features)

    def parameters_of(self, decision, option):
        return [p for part in self.parts for p in part.parameters_of(decision, option)]


class FewShot(Method):
    """From its second epoch on, a super-net of two parts."""

    _split: bool = field(default=False, init=False)

    def start_epoch(self, ctx):
        if ctx.epoch == 1 and not self._split:
            self._divide(ctx)
            ctx.rebuild(restart=True)

    def _divide(self, ctx):
        from copy import deepcopy

        self._split = True
        ctx.network = Wide(ctx.network, deepcopy(ctx.network))

    def state_dict(self):
        return {"split": self._split}

    def load_state_dict(self, state, ctx):
        if state["split"]:
            self._divide(ctx)
            ctx.rebuild(restart=False)


class Busy(Method):
    """Draws, asks, reads images and goes through the network at every hook."""

    _sum: float = field(default=0.0, init=False)

    def before_step(self, ctx):
        self._sum += float(ctx.random(self).random())
        out = ctx.forward(Path(ctx.space.arch(3)), ctx.stream("valid", self))
        self._sum += float(out.logits.detach().mean())

    def image_weights(self, ctx):
        return torch.ones(200) + (ctx.epoch + 1) * torch.arange(200)

    def before_update(self, ctx):
        for p in ctx.network.parameters():
            if p.grad is not None:
                p.grad.mul_(1 + 0.01 * np.tanh(self._sum))

    def state_dict(self):
        return {"sum": self._sum}

    def load_state_dict(self, state, ctx):
        self._sum = state["sum"]


@pytest.mark.parametrize("kind", [FewShot, Busy], ids=lambda k: k.__name__)
def test_methods_that_change_the_network_or_draw_resume_to_the_same_bits(kind, task, tmp_path, interrupted):
    method("mine")(kind)
    alike, whole = ends_alike_after_a_resume(
        recipe("training.epochs=4", "methods.mine=true"), task, tmp_path / "run", interrupted
    )
    assert alike
    if kind is FewShot:
        assert whole.restarted == 10
        assert len(whole.network.parts) == 2


def test_measures_within_steps_take_no_static_step():
    """A static step, which a GPU takes, calls no hooks."""
    kinds = {name: registry.entry(name).make() for name in ("interference", "disturbance", "successive", "replay")}
    assert [name for name, kind in kinds.items() if outside_of_steps(kind)] == ["interference", "disturbance"]


def test_two_askers_have_streams_of_their_own(task):
    class Reader(Method):
        """Remembers what it reads."""

        _rows: list[int] = field(default_factory=list, init=False)

        def before_step(self, ctx):
            self._rows += ctx.stream("valid", self).rows.tolist()

    method("one")(Reader)
    method("other")(type("Other", (Reader,), {"__doc__": "As the first.", "extra": 1}))
    both = train(recipe("methods.one=true", "methods.other=true"), task=task).methods
    alone = train(recipe("methods.one=true"), task=task).methods
    assert both["one"]._rows == alone["one"]._rows
    assert both["one"]._rows != both["other"]._rows


def test_ground_truth_is_charged_once_and_needs_a_source(task):
    asked = []
    truth = Oracle([5, 2, 9], lambda indices: asked.append(indices.tolist()) or indices / 10)
    assert truth.ask([9, 2, 9]).tolist() == [0.9, 0.2, 0.9]
    assert truth.ask([2, 5]).tolist() == [0.2, 0.5]
    assert asked == [[2, 9], [5]]
    with pytest.raises(UserError, match="architecture 3, which has no ground truth"):
        truth.ask([3])
    with pytest.raises(UserError, match="asks for ground truth, but this run was started without a table"):
        train(recipe("methods.landmarks.begin=0"), task=task)


# ---- cost ------------------------------------------------------------------------------------------------------------

SHARING = [name for name, algorithm in ALGORITHMS.items() if isinstance(algorithm, SharingAlgorithm)]


def counted(chosen, task, space="nb201"):
    """Passes of a training as a hook on the network's output counts them, and as they are metered."""
    run = start(chosen, task=task, oracle=oracle(space))
    first = 1 if not chosen.sampling.with_none else 0
    options = max(len(run.context.space.decisions[n]) for n in run.context.space.operations) - first
    spent = {"forward": 0.0, "backward": 0.0}

    def went(module, inputs, output):
        images, routing = inputs[0], inputs[1]
        flat = routing if not isinstance(routing[0], tuple) else routing[0]
        mixed = any(isinstance(flat[n], torch.Tensor) for n in run.context.space.operations)
        size = len(images) * (options / chosen.network.partial_channels if mixed else 1)
        spent["forward"] += size
        if output.requires_grad:
            output.register_hook(lambda grad: spent.__setitem__("backward", spent["backward"] + size))

    def hooked(recipe_, **about):
        made = start(recipe_, **about)
        made.network.register_forward_hook(went)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supernet.harness.training.loop.start", hooked)
        trained = train(chosen, task=task, oracle=oracle(space))
    expected = (spent["forward"] + 2 * spent["backward"]) / (3 * chosen.training.batch_size)
    metered = sum(entry["passes"] + entry.get("measure_passes", 0) for entry in trained.log)
    return expected, metered, trained


@pytest.mark.parametrize("name", [*SHARING, *registry.SHIPPED])
def test_the_ledger_is_what_goes_through_the_network(name, few):
    if name in SHARING:
        base = recipe("training.epochs=1", "training.learning_rate=0.001")
        changes = ["distribution.updates=2"] if name == "enas" else []
        chosen = recipe_for(name, base, start(base, task=few).context.space).override(changes)
    else:
        chosen = recipe("training.epochs=1", f"methods.{name}=true", *SETTINGS[name])
    passes, metered, _ = counted(chosen, few)
    assert metered == pytest.approx(passes, rel=1e-12)


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ([], 1),
        (["sampling.law=fair"], 5),
        (["sampling.law=fair", "sampling.batch=split"], 1),
        (["sampling.paths=4", "sampling.batch=split"], 1),
        (["sampling.law=sandwich"], 4),
        (["sampling.law=distribution", "distribution.model=softmax"], 10),
        (["sampling.law=distribution", "distribution.model=softmax", "distribution.step=second-order"], 25),
        (["sampling.law=distribution", "distribution.model=softmax", "distribution.start_epoch=1"], 5),
        (["methods.replay=true"], (1 + 4 * 3) / 5),  # the first of five steps has one path
        (["methods.di-ws=true"], 1 + 4 / 5 / 3),  # a forward pass on the architecture before, except in the first step
        (["methods.ogd=true"], 1 + 4 / 5),
    ],
    ids=str,
)
def test_passes_of_a_step_are_those_of_its_paths(changes, passes, task):
    run = train(recipe("training.epochs=1", *changes), task=fewer(task, 100))
    assert run.log[0]["passes"] == pytest.approx(5 * passes)


@pytest.mark.parametrize("changes", [[], ["sampling.law=fair"], ["methods.magic-t=true"]], ids=str)
def test_the_estimate_of_an_epoch_is_what_it_costs(changes, task):
    chosen = recipe("training.epochs=2", *changes)
    assert epoch_cost(chosen, task=task).of(2).passes == pytest.approx(
        sum(entry["passes"] for entry in train(chosen, task=task).log)
    )


def test_epochs_before_a_distribution_learns_cost_less(task):
    late = recipe(
        "training.epochs=4", "sampling.law=distribution", "distribution.model=softmax", "distribution.start_epoch=3"
    )
    cost = epoch_cost(late, task=task)
    assert cost.of(4).passes == pytest.approx(10 * (3 * 5 + 10))
    assert cost.affordable("passes", 10 * 14) == 2
    assert cost.affordable("passes", 10 * 25) == 4
    assert cost.affordable("passes", 10 * 24) == 3
    assert cost.affordable("passes", 10 * 45) == 6
