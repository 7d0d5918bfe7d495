"""Distributions over architectures, and what they learn by: the properties that published methods promise."""

from itertools import repeat

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.spaces import space
from harness.supernet.nb201 import EDGES, NB201Net
from harness.train import start, train
from heuristics.distributions import Controller, Dirichlet, Simplex, Softmax
from heuristics.hooks import Context, Gate, Path
from heuristics.learners import learner_for
from heuristics.recipe import Recipe, RecipeError
from heuristics.relaxations import Gates, ImportanceSampled, projected

LEARNED = ("sampling.law=distribution", "distribution.model=softmax")
TINY = Recipe().override(
    [
        "task.name=digits", "task.train_images=192", "task.valid_images=128", "network.channels=4", "network.cells=1",
        "network.bn_affine=false", "training.epochs=2", "training.batch_size=32", "training.learning_rate=0.05",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def digits():
    return start(TINY).task


def context(recipe, task, seed=0):
    run = start(recipe, task=task)
    ctx = Context(recipe, space(recipe.space), run.network, run.optimiser, np.random.default_rng(seed), steps=4)
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 32, 3, 16, 16, generator=rng)
    labels = torch.randint(10, (2, 32), generator=rng)
    ctx.images, ctx.labels = images[0], labels[0]
    ctx.other = repeat((images[1], labels[1]))
    return run, ctx


def weights_of(run):
    return torch.cat([p.detach().flatten() for p in run.network.parameters()])


def ends_alike(one, other):
    return torch.equal(weights_of(one), weights_of(other)) and all(
        torch.equal(a, b) for a, b in zip(one.learner.model.parameters(), other.learner.model.parameters(), strict=True)
    )


# ---- exponentiated gradients -------------------------------------------------------------------------------------


def test_exponentiated_gradients_stay_on_the_simplex_above_the_floor():
    torch.manual_seed(0)
    model = Simplex([5] * 6, groups=[(1, 2), (3, 4, 5)])
    drift = torch.linspace(-2, 2, 5)
    for _ in range(300):
        model.exponentiate([drift + torch.randn(6, 5), torch.randn(6)], rate=0.1, floor=1e-5)
        assert torch.allclose(model.table.sum(1), torch.ones(6), atol=1e-6)
        assert model.table.min().item() > 0.5e-5
        assert torch.allclose(model.shares[[1, 2]].sum(), torch.ones(()), atol=1e-6)
        assert torch.allclose(model.shares[[3, 4, 5]].sum(), torch.ones(()), atol=1e-6)
    assert model.table.min().item() < 2e-5  # far enough for the floor to matter


def test_an_exponentiated_step_is_the_published_one():
    model = Simplex([3, 2])
    before = np.array([[1 / 3] * 3, [0.5, 0.5, 0]])
    gradient = np.array([[300.0, -2.0, 0.5], [1.0, 1.0, 0.0]])
    model.exponentiate([torch.tensor(gradient)], rate=0.1, floor=1e-5)
    for row, start_row, g, k in zip(model.table.tolist(), before, gradient, (3, 2), strict=True):
        raised = np.maximum(start_row[:k] * np.exp(-0.1 * g[:k]), 1e-5)
        np.testing.assert_allclose(row[:k], raised / raised.sum(), rtol=1e-5)
        assert row[k:] == [0.0] * (3 - k)


# ---- second order ------------------------------------------------------------------------------------------------


def test_second_order_leaves_the_weights_bit_identical(digits):
    run, ctx = context(TINY.override([*LEARNED, "distribution.step=second-order"]), digits)
    for _ in range(3):  # with momentum in the optimiser's buffers
        run.network.zero_grad()
        F.cross_entropy(ctx.logits(ctx.images, (3,) * 6), ctx.labels).backward()
        run.optimiser.step()
    before, table = weights_of(run).clone(), run.learner.model.table.detach().clone()
    buffers = [buffer.clone() for buffer in run.network.buffers()]
    run.learner.step(ctx)
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
    ctx.images, (images, labels) = ctx.images.double(), next(ctx.other)
    ctx.other = repeat((images.double(), labels))
    ctx.logits = lambda x, routing: run.network(x, routing)
    model = run.learner.model.double()
    found = []
    run.learner.updater._rule.apply = found.extend
    run.learner.step(ctx)
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


# ---- gates -------------------------------------------------------------------------------------------------------


def test_a_gate_executes_one_operation_per_edge(digits, monkeypatch):
    run, ctx = context(TINY.override([*LEARNED, "distribution.route=gate"]), digits)
    cell, executed = run.network.all_cells[0], []
    whole = cell._operate
    monkeypatch.setattr(cell, "_operate", lambda edge, op, x: executed.append((edge, op)) or whole(edge, op, x))
    for _ in range(10):
        executed.clear()
        routing = run.learner.updater._relaxation.route(ctx)
        ctx.logits(ctx.images, routing)
        assert executed == [(edge, gate.option) for edge, gate in sorted(enumerate(routing)) if gate.option] or sorted(
            executed
        ) == sorted((edge, gate.option) for edge, gate in enumerate(routing) if gate.option)
        assert all(isinstance(gate, Gate) for gate in routing)
    (path,) = run.learner.sampler.plan(ctx)
    assert all(isinstance(option, int) for option in path.routing)


def test_a_gate_has_the_value_of_its_option_and_the_gradient_of_the_published_sum(digits):
    run, ctx = context(TINY.override(["distribution.model=softmax"]), digits)
    net = run.network
    soft = torch.softmax(torch.randn(6, 5), 1).requires_grad_()
    chosen = (3, 1, 2, 4, 3, 0)
    hard = F.one_hot(torch.tensor(chosen), 5) - soft.detach() + soft
    gated = net(ctx.images, tuple(Gate(op, row) for op, row in zip(chosen, hard, strict=True)))
    # As published: every other option adds its weight, zero in value, as a scalar.
    cells = list(net.all_cells)
    originals = [cell._edge for cell in cells]
    for cell, original in zip(cells, originals, strict=True):

        def edge_sum(edge, x, choice, original=original):
            return sum(hard[edge, op] * (original(edge, x, op) if op == chosen[edge] else 1.0) for op in range(5))

        cell._edge = edge_sum
    plain = net(ctx.images, tuple(Gate(op, row) for op, row in zip(chosen, hard, strict=True)))
    for cell, original in zip(cells, originals, strict=True):
        cell._edge = original
    torch.testing.assert_close(gated, plain)
    torch.testing.assert_close(gated, net(ctx.images, chosen), atol=1e-4, rtol=1e-4)
    grads = [torch.autograd.grad(F.cross_entropy(out, ctx.labels), [soft])[0] for out in (gated, plain)]
    torch.testing.assert_close(*grads, atol=1e-5, rtol=1e-4)
    assert float(grads[0].abs().min(1).values.max()) > 0  # options that were not executed learn, too


def test_gates_leave_parents_to_mixtures():
    within = space("nb1shot1-1")
    recipe = Recipe().override(["space=nb1shot1-1", *LEARNED, "distribution.route=gate"])
    learner = learner_for(within, recipe)
    ctx = Context(recipe, within, None, None, np.random.default_rng(0))
    assert isinstance(learner.sampler, Gates)
    kinds = [isinstance(choice, Gate) for choice in learner.updater._relaxation.route(ctx)]
    assert kinds == [isinstance(decision.options[0], str) for decision in within.decisions]


# ---- partial channels --------------------------------------------------------------------------------------------


def test_partial_channels_of_one_part_are_darts(digits):
    one = train(TINY.override(LEARNED), task=digits)
    other = train(TINY.override([*LEARNED, "network.partial_channels=1"]), task=digits)
    assert ends_alike(one, other)
    # Also by the code of partial channels, which splits, weighs and shuffles.
    run, ctx = context(TINY.override(LEARNED), digits)
    routing = tuple(run.learner.model.weights())
    whole = run.network(ctx.images, routing)
    for cell in run.network.all_cells:
        cell.partial = True
    torch.testing.assert_close(run.network(ctx.images, routing), whole, atol=1e-5, rtol=1e-4)


def test_partial_channels_pass_by_and_are_shuffled():
    net = NB201Net(10, TINY.override(["network.channels=8", "network.partial_channels=4"]).network)
    cell, x = net.all_cells[0], torch.randn(2, 8, 6, 6)
    skip = (0, 0, 0, 1, 0, 0)  # from the input to the output alone
    # All edges let the other channels pass, also those without an operation: nodes 1 and 2 get them, and the output
    # from all three.
    seen, passing = x[:, :2], x[:, 2:]

    def shuffled(a, b):
        return torch.cat([a, b], 1).view(2, 4, 2, 6, 6).transpose(1, 2).reshape(2, 8, 6, 6)

    one = shuffled(torch.zeros_like(seen), passing)
    two = shuffled(torch.zeros_like(seen), passing + one[:, 2:])
    wanted = shuffled(seen, passing + one[:, 2:] + two[:, 2:])
    torch.testing.assert_close(cell(x, skip), wanted)
    assert all(conv.weight.shape[:2] == (2, 2) for conv in cell.conv3)


def test_edge_weights_weigh_whole_edges(digits):
    recipe = TINY.override([*LEARNED, "distribution.edge_weights=true"])
    learner = learner_for(space("nb201"), recipe)
    totals = [row.sum().item() for row in learner.model.weights()]
    into = [target for _, target in EDGES]
    for node in (1, 2, 3):
        assert sum(total for total, target in zip(totals, into, strict=True) if target == node) == pytest.approx(1)


# ---- perturbed mixtures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["random", "adversarial"])
def test_no_radius_is_no_perturbation(kind, digits):
    zero = ("distribution.radius=0", "distribution.final_radius=0")
    plain = train(TINY.override(LEARNED), task=digits)
    perturbed = train(TINY.override([*LEARNED, f"distribution.perturbation={kind}", *zero]), task=digits)
    assert ends_alike(plain, perturbed)


@pytest.mark.parametrize("kind", ["random", "adversarial"])
def test_perturbed_mixtures_stay_near_and_on_the_simplex(kind, digits):
    radius = ("distribution.radius=0.1", "distribution.final_radius=0.1")
    run, ctx = context(TINY.override([*LEARNED, f"distribution.perturbation={kind}", *radius]), digits)
    clean = run.learner.model.mixture().detach()
    (path,) = run.learner.sampler.plan(ctx)
    table = torch.stack(path.routing)
    assert torch.allclose(table.sum(1), torch.ones(6))
    assert float((table - clean).abs().max()) < 0.15  # the normalisation moves a little further
    assert not torch.equal(table, clean)
    if kind == "adversarial":
        losses = [F.cross_entropy(ctx.logits(ctx.images, tuple(t.unbind())), ctx.labels) for t in (table, clean)]
        assert losses[0] > losses[1]


def test_the_projection_keeps_what_is_near():
    allowed = torch.ones(2, 3, dtype=torch.bool)
    centre = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    assert torch.equal(projected(centre, centre, 0.1, allowed), centre)
    far = projected(centre + torch.tensor([[1.0, -1.0, 0.0], [-1.0, 0.0, 0.0]]), centre, 0.1, allowed)
    torch.testing.assert_close(far, torch.tensor([[0.3, 0.2, 0.5], [0.0, 0.0, 1.0]]))


# ---- samples -----------------------------------------------------------------------------------------------------


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
    drawn = [made.sample() for _ in range(4000)]
    for arch in archs:
        assert drawn.count(arch) / 4000 == pytest.approx(wanted[arch], abs=0.03)


def test_equal_likelihoods_leave_the_prior_as_it_is(digits):
    recipe = TINY.override([*LEARNED, "distribution.step=importance", "distribution.learning_rate=0.5"])
    run, ctx = context(recipe, digits)
    before = run.learner.model.table.detach().clone()
    ctx.logits = lambda images, routing: torch.zeros(len(images), 10)
    for _ in range(5):
        run.learner.step(ctx)
    assert torch.equal(run.learner.model.table, before)


def test_likelier_architectures_gain_probability(digits):
    recipe = TINY.override([*LEARNED, "distribution.step=importance", "distribution.learning_rate=0.05"])
    run, ctx = context(recipe, digits)
    torch.manual_seed(0)

    def better_with_three(images, routing):
        return F.one_hot(ctx.other_labels, 10) * float(sum(op == 3 for op in routing))

    ctx.other_labels = next(ctx.other)[1]
    ctx.logits = better_with_three
    for _ in range(60):
        run.learner.step(ctx)
    assert run.learner.model.best() == (3,) * 6


def test_importance_weights_are_the_likelihoods_shares(digits):
    run, ctx = context(TINY.override([*LEARNED, "distribution.step=importance"]), digits)
    paths = ImportanceSampled(run.learner.model, 6, power=0.01).plan(ctx)
    with torch.no_grad():
        losses = [F.cross_entropy(ctx.logits(ctx.images, p.routing), ctx.labels, reduction="sum") for p in paths]
    wanted = (-0.01 * torch.stack(losses)).softmax(0)
    assert len(paths) == 6
    torch.testing.assert_close(torch.tensor([p.weight / 6 for p in paths]), wanted)


def test_policy_gradients_find_the_rewarded_architecture(digits):
    recipe = TINY.override(
        ["sampling.law=distribution", "distribution.model=controller", "distribution.step=reinforce",
         "distribution.learning_rate=0.01", "distribution.samples=10", "distribution.updates=60"]
    )  # fmt: skip
    run, ctx = context(recipe, digits)
    torch.manual_seed(0)
    labels = next(ctx.other)[1]

    def right_with_two(images, routing):
        # So many of 32 images right as there are twos, five times over.
        right = torch.arange(32) < 5 * sum(op == 2 for op in routing)
        return F.one_hot(torch.where(right, labels, (labels + 1) % 10), 10).float()

    ctx.logits = right_with_two
    run.learner.end_epoch(ctx)
    assert sum(op == 2 for op in run.learner.model.best()) >= 4
    assert run.learner.updater.baseline > 0.3


# ---- Dirichlet ---------------------------------------------------------------------------------------------------


def test_dirichlet_mixtures_have_the_distributions_mean_and_spread():
    torch.manual_seed(0)
    model = Dirichlet([4, 2])
    model.table.data = torch.tensor([[0.0, 1.0, 2.0, -0.5], [1.0, 0.0, 0.0, 0.0]])
    draws = torch.stack([model.mixture().detach() for _ in range(4000)])
    b = F.elu(model.table.detach()[0]) + 1
    torch.testing.assert_close(draws[:, 0].mean(0), b / b.sum(), atol=0.02, rtol=0)
    variance = b / b.sum() * (1 - b / b.sum()) / (b.sum() + 1)
    torch.testing.assert_close(draws[:, 0].var(0), variance, atol=0.01, rtol=0.1)
    assert float(draws[:, 1, 2:].abs().max()) == 0
    torch.testing.assert_close(model.probabilities()[0], b / b.sum())


# ---- in training -------------------------------------------------------------------------------------------------

METHODS = {
    "darts": LEARNED,
    "gdas": (*LEARNED, "distribution.route=gate"),
    "gaea": ("sampling.law=distribution", "distribution.model=simplex", "distribution.learning_rate=0.1",
             "distribution.data=train", "sampling.with_none=false", "distribution.first=weights"),
    "drnas": ("sampling.law=distribution", "distribution.model=dirichlet"),
    "parsec": (*LEARNED, "distribution.step=importance", "distribution.samples=3"),
    "enas": ("sampling.law=distribution", "distribution.model=controller", "distribution.step=reinforce",
             "distribution.samples=2", "distribution.updates=2"),
    "setn": ("distribution.model=softmax",),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_run_ends_with_the_same_bits(name, digits, tmp_path):
    recipe = TINY.override(METHODS[name])
    whole = train(recipe, task=digits)

    class Stop(Exception):
        pass

    def stop(run):
        if run.epoch == 2:
            raise Stop

    with pytest.raises(Stop):
        train(recipe, tmp_path, task=digits, after_epoch=stop)
    resumed = train(recipe, tmp_path, task=digits, resume=True)
    assert ends_alike(whole, resumed)
    assert not torch.equal(weights_of(whole), weights_of(start(recipe, task=digits)))


def test_gradients_of_the_distribution_never_reach_the_weights(digits):
    run, ctx = context(TINY.override(LEARNED), digits)
    before = weights_of(run).clone()
    run.learner.step(ctx)
    assert torch.equal(weights_of(run), before)
    assert all(p.grad is None for p in run.network.parameters())
    (path,) = run.learner.sampler.plan(ctx)
    assert isinstance(path, Path)
    assert not any(row.requires_grad for row in path.routing)


def test_single_level_learns_from_training_images(digits):
    bilevel = train(TINY.override(LEARNED), task=digits)
    single = train(TINY.override([*LEARNED, "distribution.data=train"]), task=digits)
    assert not torch.equal(bilevel.learner.model.table, single.learner.model.table)


def test_the_distribution_waits_for_its_first_epoch(digits):
    recipe = TINY.override([*LEARNED, "distribution.start_epoch=2"])
    first = start(recipe, task=digits).learner.model.table.detach().clone()
    assert torch.equal(train(recipe, task=digits).learner.model.table, first)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["sampling.law=distribution"], "needs distribution.model"),
        ([*LEARNED, "sampling.per_cell=true"], "one for all"),
        (["distribution.model=controller"], "learns by step=reinforce"),
        (["distribution.model=simplex", "distribution.step=importance"], "by gradients through a mixture"),
        (["distribution.model=dirichlet", "distribution.step=second-order"], "another each time"),
        (["distribution.model=dirichlet", "distribution.route=gate"], "not a dirichlet"),
        ([*LEARNED, "distribution.route=gate", "distribution.perturbation=random"], "not of route=gate"),
        (["network.partial_channels=3"], "not a multiple"),
        (["space=nb1shot1-1", "network.partial_channels=2"], "is for nb201"),
        (["distribution.model=softmax", "sampling.law=fair"], "law=distribution or uniform"),
    ],
)
def test_what_cannot_be_combined_is_refused(changes, reason):
    with pytest.raises(RecipeError, match=reason):
        Recipe().override(changes)
