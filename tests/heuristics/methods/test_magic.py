"""MAGIC: chains of similar architectures, and features aligned with those of an anchor."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from learned import TINY, context, one_step

from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import Batch
from supernet.harness.training.loop import train
from supernet.heuristics.hooks import Output
from supernet.heuristics.methods.magic import MagicA, MagicT
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Path

ANCHOR, OTHER = (3, 3, 3, 3, 3, 3), (2, 1, 2, 1, 2, 1)


def chain(changes, count, space_name="nb201", *overrides):
    rng = np.random.default_rng(0)
    recipe = Recipe(space=space_name).override(overrides)
    ctx = SimpleNamespace(space=space(space_name), recipe=recipe, random=lambda asker: rng)
    sampler = MagicT(changes)
    return np.array([path.routing for _ in range(count) for path in sampler.plan(ctx)])


@pytest.mark.parametrize("space_name", ["nb201", "nb1shot1-1"])
@pytest.mark.parametrize("changes", [1, 2, 6])
def test_neighbours_in_the_chain_differ_in_exactly_the_given_number_of_decisions(changes, space_name):
    table = chain(changes, 200, space_name)
    assert ((table[1:] != table[:-1]).sum(axis=1) == changes).all()
    assert (table < space(space_name).cardinalities).all()


def test_the_chain_draws_every_trained_option_equally_often():
    table = chain(1, 20_000, "nb201", "sampling.with_none=false")
    for decision in table.T:
        np.testing.assert_allclose(np.bincount(decision, minlength=5) / len(table), [0, *[0.25] * 4], atol=0.04)


@pytest.fixture
def aligned(digits):
    """A context, and the output of a path in it, whose loss is to be aligned with the anchor."""
    run, ctx = context(TINY, digits)
    return run, ctx, ctx.forward(Path(OTHER), capture=True)


def test_the_alignment_is_the_mean_squared_difference_of_normalised_cell_outputs(aligned):
    run, ctx, out = aligned
    method = MagicA(weight=0.3)
    method.load_state_dict({"anchor": ANCHOR}, ctx)
    found = method.path_loss(ctx, out)
    features = [[], []]
    for routing, kept in zip((OTHER, ANCHOR), features, strict=True):
        run.network(ctx.images, routing, kept)
    expected = []
    for pair in zip(*features, strict=True):
        a, b = (
            (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
            for x in pair
        )
        expected.append(((a - b) ** 2).mean())
    torch.testing.assert_close(found, 0.3 * sum(expected) / len(expected))


def test_the_anchor_gets_no_gradient(aligned):
    run, ctx, out = aligned
    method = MagicA()
    method.load_state_dict({"anchor": ANCHOR}, ctx)
    method.path_loss(ctx, out).backward()
    assert all(p.grad is None for p in run.network.parameters_of(0, 3)), "only the anchor has this operation"
    assert any(p.grad is not None and p.grad.any() for p in run.network.parameters_of(0, 2))


def test_the_anchor_itself_has_no_alignment_and_the_first_architecture_is_the_first_anchor(aligned):
    _, ctx, out = aligned
    method = MagicA()
    spent = ctx.meter.forward
    assert method.path_loss(ctx, out) is None
    assert method.state_dict() == {"anchor": OTHER}
    assert method.path_loss(ctx, out) is None
    assert ctx.meter.forward == spent, "no pass is made for it"


@pytest.mark.parametrize(("candidates", "expected"), [(1, ANCHOR), (2, (1,)), (3, (0,))])
def test_the_anchor_becomes_the_best_of_the_latest_architectures(candidates, expected):
    """The logit of the right class, by architecture: the loss falls with it."""
    right = {(0,): 3.0, (1,): 2.0, (2,): 0.0, ANCHOR: 1.0}
    labels = torch.tensor([0, 0])

    def forward(path, batch, capture=False):
        logits = torch.tensor([[right[path.routing], 0.0]] * 2)
        return Output(path, batch.images, labels, labels, logits, (torch.zeros(2, 1, 2, 2),))

    batch = Batch(torch.zeros(2, 3, 4, 4), labels, labels)
    ctx = SimpleNamespace(
        network=torch.nn.Module(), forward=forward, stream=lambda split, asker: {"valid": batch}[split]
    )
    method = MagicA(candidates=candidates)
    method.load_state_dict({"anchor": ANCHOR}, ctx)
    for routing in ((0,), (1,), (2,)):
        method.path_loss(ctx, forward(Path(routing), batch))
    method.end_epoch(ctx)
    assert method.state_dict()["anchor"] == expected


def test_choosing_the_anchor_leaves_running_statistics_alone(digits):
    _run, ctx = context(TINY.override(["network.bn_track=true"]), digits)
    method = MagicA()
    ctx.numbers = {id(method): 9}
    for arch in (ANCHOR, OTHER):
        method.path_loss(ctx, ctx.forward(Path(arch), capture=True))
    before = [buffer.clone() for buffer in ctx.network.buffers()]
    method.end_epoch(ctx)
    assert all(torch.equal(a, b) for a, b in zip(before, ctx.network.buffers(), strict=True))


def test_the_anchor_is_chosen_without_dropout(digits):
    _run, ctx = context(TINY.override(["network.global_dropout=0.5"]), digits)
    method, modes = MagicA(), []
    ctx.numbers = {id(method): 9}
    for arch in (ANCHOR, OTHER):
        method.path_loss(ctx, ctx.forward(Path(arch), capture=True))
    ctx.network.register_forward_pre_hook(lambda network, inputs: modes.append(network.training))
    method.end_epoch(ctx)
    assert modes == [False, False]
    assert ctx.network.training


def test_mixtures_are_aligned_once_there_is_an_anchor_but_never_become_one(digits):
    _, ctx = context(TINY, digits)
    mixture = tuple(torch.full((5,), 0.2) for _ in range(6))
    out, method = ctx.forward(Path(mixture), capture=True), MagicA()
    assert method.path_loss(ctx, out) is None
    assert method.state_dict() == {"anchor": None}
    method.load_state_dict({"anchor": ANCHOR}, ctx)
    assert method.path_loss(ctx, out) > 0


def test_a_chain_can_be_aligned(digits):
    """MAGIC-AT is a recipe with both methods."""
    recipe = TINY.override(["methods.magic-t=true", "methods.magic-a.weight=1", "training.epochs=1"])
    run = train(recipe, task=digits)
    alone = train(TINY.override(["methods.magic-t=true", "training.epochs=1"]), task=digits)
    assert run.methods["magic-t"].state_dict() == alone.methods["magic-t"].state_dict(), "the chain is the same"
    assert run.log[0]["passes"] > alone.log[0]["passes"]
    assert run.log[0]["loss"] > alone.log[0]["loss"]


def test_alignment_brings_features_closer(digits):
    """Several steps on one path: the distance to the features of the anchor falls faster than without the term."""
    distances = {}
    for weight in (1e-9, 5.0):
        run, ctx = context(TINY.override(["training.learning_rate=0.1"]), digits)
        method = MagicA(weight=weight)
        method.load_state_dict({"anchor": ANCHOR}, ctx)
        for _ in range(8):
            one_step(Accumulate(), run, ctx, [Path(OTHER)], [method])
        distances[weight] = float(method.path_loss(ctx, ctx.forward(Path(OTHER), capture=True)).detach()) / weight
    assert distances[5.0] < 0.9 * distances[1e-9]
