"""Relaxed decisions: gates, partial channels, perturbed mixtures and mixtures from a Dirichlet."""

import pytest
import torch
import torch.nn.functional as F
from learned import LEARNED, TINY, context, ends_alike

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import EDGES
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.training.loop import train
from supernet.heuristics.distribution.learner import learner_for
from supernet.heuristics.distribution.models import Dirichlet
from supernet.heuristics.distribution.relaxations import Gates, projected
from supernet.heuristics.hooks import Context
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Gate

# ---- gates ----------------------------------------------------------------------------------------------------------


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
    ctx = Context(recipe, within, None, None)
    assert isinstance(learner.sampler, Gates)
    kinds = [isinstance(choice, Gate) for choice in learner.updater._relaxation.route(ctx)]
    assert kinds == [isinstance(decision.options[0], str) for decision in within.decisions]


# ---- partial channels -----------------------------------------------------------------------------------------------


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


# ---- perturbed mixtures ---------------------------------------------------------------------------------------------


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
    torch.manual_seed(0)
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


def test_the_projection_of_nothing_is_the_largest_option():
    allowed = torch.tensor([[True, True, True], [False, True, True]])
    centre = torch.tensor([[0.3, 0.4, 0.3], [0.0, 0.5, 0.5]])
    fallen = projected(centre - torch.tensor([[0.5, 0.5, 0.35], [0.0, 0.6, 0.7]]), centre, 1.0, allowed)
    assert fallen.tolist() == [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]


# ---- Dirichlet ------------------------------------------------------------------------------------------------------


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


def test_dirichlet_mixtures_stay_finite_far_from_the_start():
    torch.manual_seed(0)
    model = Dirichlet([5] * 6)
    with torch.no_grad():
        model.table.copy_(torch.linspace(-200, 5, 30).view(6, 5))
    model.table.grad = None
    mixture = model.mixture()
    assert torch.allclose(mixture.sum(1), torch.ones(6))
    (slope,) = torch.autograd.grad(mixture[:, 0].sum(), [model.table])
    assert slope.isfinite().all()
