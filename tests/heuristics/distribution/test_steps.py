"""Steps of a distribution over architectures: the properties that published methods promise."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from learned import LEARNED, TINY, context, learn, weights_of

from supernet.benchmarks.tasks.loader import Batch
from supernet.harness.training.run import optimiser_for
from supernet.heuristics.distribution.models import Controller, Simplex, Softmax
from supernet.heuristics.distribution.relaxations import ImportanceSampled
from supernet.heuristics.distribution.steps import SecondOrder
from supernet.heuristics.methods.buffers import scoring

# ---- exponentiated gradients ----------------------------------------------------------------------------------------


def test_exponentiated_gradients_stay_on_the_simplex_above_the_floor():
    torch.manual_seed(0)
    model = Simplex([5] * 6, groups=[(1, 2), (3, 4, 5)])
    drift = torch.linspace(-2, 2, 5)
    for _ in range(300):
        model.exponentiate([drift + torch.randn(6, 5), torch.randn(6)], rate=0.1, floor=1e-5)
        assert torch.allclose(model.table.sum(1), torch.ones(6), atol=1e-6)
        assert model.table.min().item() > 0.9999e-5
        assert torch.allclose(model.shares[[1, 2]].sum(), torch.ones(()), atol=1e-6)
        assert torch.allclose(model.shares[[3, 4, 5]].sum(), torch.ones(()), atol=1e-6)
    assert model.table.min().item() < 2e-5  # far enough for the floor to matter


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_the_floor_holds_after_however_large_a_step(size):
    model = Simplex([5] * 6, groups=[(1, 2), (3, 4, 5)])
    model.exponentiate([size * torch.randn(6, 5), size * torch.randn(6)], rate=1.0, floor=1e-5)
    assert torch.allclose(model.table.sum(1), torch.ones(6), atol=1e-6)
    assert 0.9999e-5 <= model.table.min().item() <= 1e-5 or size == 1.0
    assert model.shares[1:].min().item() >= 0.9999e-5
    assert model.log_probabilities().isfinite().all()


def test_an_exponentiated_step_multiplies_normalises_and_raises_to_the_floor():
    model = Simplex([3, 2])
    before = np.array([[1 / 3] * 3, [0.5, 0.5, 0]])
    gradient = np.array([[300.0, -2.0, 0.5], [1.0, 1.0, 0.0]])
    model.exponentiate([torch.tensor(gradient)], rate=0.1, floor=1e-5)
    for row, start_row, g, k in zip(model.table.tolist(), before, gradient, (3, 2), strict=True):
        moved = start_row[:k] * np.exp(-0.1 * g[:k])
        raised = np.maximum(moved / moved.sum(), 1e-5)
        np.testing.assert_allclose(row[:k], raised / raised.sum(), rtol=1e-5)
        assert row[k:] == [0.0] * (3 - k)


# ---- second order ---------------------------------------------------------------------------------------------------


def test_second_order_leaves_the_weights_bit_identical(digits):
    run, ctx = context(TINY.override([*LEARNED, "distribution.step=second-order"]), digits)
    for _ in range(3):  # with momentum in the optimiser's buffers
        run.network.zero_grad()
        F.cross_entropy(ctx.logits(ctx.images, (3,) * 6), ctx.labels).backward()
        run.optimiser.step()
    before, table = weights_of(run).clone(), run.learner.model.table.detach().clone()
    buffers = [buffer.clone() for buffer in run.network.buffers()]
    learn(run, ctx)
    assert torch.equal(weights_of(run), before)
    assert all(torch.equal(a, b) for a, b in zip(run.network.buffers(), buffers, strict=True))
    assert not torch.equal(run.learner.model.table, table)


def test_second_order_is_the_gradient_through_one_step_of_the_weights(digits, monkeypatch):
    # Without kinks, at which gradients of the weights jump, so that there is a derivative to compare with.
    monkeypatch.setattr(F, "relu", F.softplus)
    recipe = TINY.override(
        [*LEARNED, "distribution.step=second-order", "training.momentum=0", "training.weight_decay=0"]
    )
    run, ctx = context(recipe, digits)
    run.network.double()
    ctx.images, (images, labels, rows) = ctx.images.double(), ctx.batches("valid", 1)
    ctx.batches = lambda split, asker: Batch(images.double(), labels, rows)
    ctx.logits = lambda x, routing: run.network(x, routing)
    model = run.learner.model.double()
    found = []
    run.learner.updater._rule.apply = found.extend
    learn(run, ctx)
    # The same without finite differences: the weights' step is part of the graph.
    names, weights = zip(*run.network.named_parameters(), strict=True)
    loss = F.cross_entropy(run.network(ctx.images, tuple(model.weights())), ctx.labels)
    steps = torch.autograd.grad(loss, weights, create_graph=True, allow_unused=True)
    rate = run.optimiser.param_groups[0]["lr"]
    ahead = {n: w if g is None else w - rate * g for n, w, g in zip(names, weights, steps, strict=True)}
    logits = torch.func.functional_call(run.network, ahead, (images.double(), tuple(model.weights())))
    (exact,) = torch.autograd.grad(F.cross_entropy(logits, labels), [model.table])
    (first,) = torch.autograd.grad(
        F.cross_entropy(run.network(images.double(), tuple(model.weights())), labels), [model.table]
    )
    error = (found[0] - exact).norm() / exact.norm()
    assert error < 1e-4
    assert error < 0.01 * (first - exact).norm() / exact.norm()  # first order is another gradient


def second_order(digits, dtype, *changes):
    """The gradient of a second-order step that begins with fixed random numbers, in float64."""
    run, ctx = context(TINY.override([*LEARNED, "distribution.step=second-order", *changes]), digits)
    run.network.to(dtype).set_progress(0.5)
    run.learner.model.to(dtype)
    ctx.optimiser = optimiser_for(run.recipe, list(run.methods.values()), ctx)
    (images, labels, rows), found = ctx.batches("valid", 1), []
    ctx.images, ctx.batches = ctx.images.to(dtype), lambda split, asker: Batch(images.to(dtype), labels, rows)
    run.learner.updater._rule.apply = found.extend
    torch.manual_seed(0)
    learn(run, ctx)
    return torch.cat([slope.double().flatten() for slope in found])


@pytest.mark.parametrize(
    ("change", "exact"),
    [
        ("training.amp=true", "training.amp=false"),
        ("network.global_dropout=0.2", "network.global_dropout=0.2"),
        ("network.path_dropout=0.2", "network.path_dropout=0.2"),
    ],
)
def test_second_order_is_no_noise_in_low_precision_or_with_dropout(change, exact, digits, monkeypatch):
    """Compared with a step in float64 that drops the same values, and whose difference spans a smaller distance."""
    monkeypatch.setattr(F, "relu", F.softplus)  # without kinks, as above
    found = second_order(digits, torch.float32, change)
    monkeypatch.setattr(SecondOrder, "DISTANCE", 0.002)
    wanted = second_order(digits, torch.float64, exact)
    assert float(F.cosine_similarity(found, wanted, dim=0)) > 0.998
    assert float((found - wanted).norm() / wanted.norm()) < 0.06


# ---- samples --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["softmax", "controller"])
def test_samples_follow_their_log_probabilities(model):
    torch.manual_seed(0)
    made = Softmax([3, 2]) if model == "softmax" else Controller([3, 2])
    for parameter in made.parameters():
        parameter.data.mul_(800 if model == "softmax" else 12)
    archs = [(a, b) for a in range(3) for b in range(2)]
    wanted = {arch: made.log_prob(arch).exp().item() for arch in archs}
    assert sum(wanted.values()) == pytest.approx(1, abs=1e-5)
    assert max(wanted.values()) > 0.25
    drawn = [made.sample() for _ in range(1500)]
    for arch in archs:
        assert drawn.count(arch) / 1500 == pytest.approx(wanted[arch], abs=0.04)


def test_equal_likelihoods_leave_the_prior_as_it_is(digits):
    recipe = TINY.override([*LEARNED, "distribution.step=importance", "distribution.learning_rate=0.5"])
    run, ctx = context(recipe, digits)
    before = run.learner.model.table.detach().clone()
    ctx.logits = lambda images, routing: torch.zeros(len(images), 10)
    for _ in range(5):
        learn(run, ctx)
    assert torch.equal(run.learner.model.table, before)


def test_likelier_architectures_gain_probability(digits):
    recipe = TINY.override([*LEARNED, "distribution.step=importance", "distribution.learning_rate=0.05"])
    run, ctx = context(recipe, digits)
    torch.manual_seed(0)

    def better_with_three(images, routing):
        return F.one_hot(ctx.other_labels, 10) * float(sum(op == 3 for op in routing))

    ctx.other_labels = ctx.batches("valid", 1).labels
    ctx.logits = better_with_three
    for _ in range(60):
        learn(run, ctx)
    assert run.learner.model.best() == (3,) * 6


def test_importance_weights_are_the_likelihoods_shares(digits):
    run, ctx = context(TINY.override([*LEARNED, "distribution.step=importance"]), digits)
    paths = ImportanceSampled(run.learner.model, 6, power=0.01).plan(ctx)
    with torch.no_grad():
        losses = [F.cross_entropy(ctx.logits(ctx.images, p.routing), ctx.labels, reduction="sum") for p in paths]
    wanted = (-0.01 * torch.stack(losses)).softmax(0)
    assert len(paths) == 6
    torch.testing.assert_close(torch.tensor([p.weight / 6 for p in paths]), wanted)


@pytest.mark.long
def test_policy_gradients_find_the_rewarded_architecture(digits):
    recipe = TINY.override(
        ["sampling.law=distribution", "distribution.model=controller", "distribution.step=reinforce",
         "distribution.learning_rate=0.01", "distribution.samples=10", "distribution.updates=60"]
    )  # fmt: skip
    run, ctx = context(recipe, digits)
    torch.manual_seed(0)
    labels = ctx.batches("valid", 1).labels

    def right_with_two(images, routing):
        # So many of 32 images right as there are twos, five times over.
        right = torch.arange(32) < 5 * sum(op == 2 for op in routing)
        return F.one_hot(torch.where(right, labels, (labels + 1) % 10), 10).float()

    ctx.logits = right_with_two
    run.learner.end_epoch(ctx)
    assert sum(op == 2 for op in run.learner.model.best()) >= 4
    assert run.learner.updater.baseline > 0.3


# ---- passes that only score -----------------------------------------------------------------------------------------

REINFORCE = ["distribution.step=reinforce", "distribution.updates=1", "distribution.samples=2"]


@pytest.mark.parametrize(
    "changes",
    [
        ["distribution.model=controller", *REINFORCE],
        ["distribution.model=softmax", "distribution.step=importance", "distribution.samples=2"],
        ["distribution.model=softmax", "distribution.perturbation=adversarial"],
    ],
    ids=lambda changes: changes[1],
)
def test_passes_that_only_score_drop_nothing_and_leave_running_statistics_alone(changes, digits):
    base = TINY.override(["sampling.law=distribution", "network.bn_track=true", "network.global_dropout=0.5", *changes])
    run, ctx = context(base, digits)
    modes, before = [], [buffer.clone() for buffer in run.network.buffers()]
    run.network.train().register_forward_pre_hook(lambda network, inputs: modes.append(network.training))
    run.learner.sampler.plan(ctx)
    if "distribution.step=importance" in changes:
        learn(run, ctx)
    run.learner.end_epoch(ctx)
    assert len(modes) >= 2
    assert not any(modes)
    assert run.network.training
    assert all(torch.equal(a, b) for a, b in zip(before, run.network.buffers(), strict=True))


def test_scoring_ends_as_it_began_also_after_an_error(digits):
    run, ctx = context(TINY.override(["network.bn_track=true", "network.global_dropout=0.5"]), digits)
    net, before = run.network.train(), [buffer.clone() for buffer in run.network.buffers()]

    def fails_after_two_passes():
        with scoring(net):
            one, other = (ctx.logits(ctx.images, (3,) * 6) for _ in range(2))
            assert torch.equal(one, other), "nothing is dropped"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails_after_two_passes()
    assert all(module.training for module in net.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))


def test_batch_norm_uses_the_batch_while_a_network_scores(digits):
    """As in training, whether or not it keeps running statistics, which are still those of the start here."""
    for track in ("true", "false"):
        run, ctx = context(TINY.override([f"network.bn_track={track}"]), digits)
        wanted = ctx.logits(ctx.images, (3,) * 6)
        with scoring(run.network):
            assert torch.equal(ctx.logits(ctx.images, (3,) * 6), wanted)
