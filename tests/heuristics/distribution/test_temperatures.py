"""Concrete and annealed mixtures, and the gradients of ReinMax."""

import numpy as np
import pytest
import torch
from learned import LEARNED, TINY, context, learn, weights_of

from supernet.harness.training.loop import train
from supernet.heuristics.distribution.models import Softmax
from supernet.heuristics.distribution.temperatures import reinmax
from supernet.heuristics.recipe import RecipeError


def learner_of(task, route, *changes, epoch=0):
    run, ctx = context(TINY.override([*LEARNED, f"distribution.route={route}", "training.epochs=5", *changes]), task)
    ctx.epoch = epoch
    with torch.no_grad():
        run.learner.model.table.copy_(torch.randn(6, 5, generator=torch.Generator().manual_seed(3)))
    return run, ctx


def table(routing):
    return torch.stack([row.detach() for row in routing]).numpy()


# ---- ReinMax ---------------------------------------------------------------------------------------------------------


def test_expected_gradients_of_a_quadratic_are_exact():
    """Summed over all draws with their probabilities, they are the gradient of the expected loss."""
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    square, slope = torch.randn(4, 4, generator=rng, dtype=torch.float64), torch.randn(4, generator=rng).double()

    def loss(weights):
        return weights @ square @ weights + slope @ weights

    expected = sum(p * loss(torch.eye(4).double()[i]) for i, p in enumerate(logits.softmax(1)[0]))
    (exact,) = torch.autograd.grad(expected, logits)
    found = torch.zeros_like(exact)
    for i, p in enumerate(logits.softmax(1)[0].tolist()):
        weights = reinmax(logits.log_softmax(1), torch.tensor([i]))
        assert weights[0].tolist() == torch.eye(4)[i].tolist()
        found += p * torch.autograd.grad(loss(weights[0]), logits)[0]
    torch.testing.assert_close(found, exact)


def test_excluded_options_get_no_gradient():
    model = Softmax([5, 3], first=1)
    weights = reinmax(model.log_probabilities(), torch.tensor([2, 1]))
    (weights * torch.arange(10.0).reshape(2, 5)).sum().backward()
    assert weights.isfinite().all()
    assert model.table.grad.isfinite().all()
    assert (model.table.grad[~model.allowed] == 0).all()
    assert (model.table.grad[model.allowed] != 0).all()


def test_weights_train_on_one_architecture_and_the_distribution_on_all_options(digits):
    run, ctx = learner_of(digits, "reinmax")
    (path,) = run.learner.sampler.plan(ctx)
    assert all(isinstance(option, int) for option in path.routing)
    rows = run.learner.updater._relaxation.route(ctx)
    assert sorted(table(rows).ravel().tolist()) == [0] * 24 + [1] * 6
    before, weights = run.learner.model.table.detach().clone(), weights_of(run).clone()
    learn(run, ctx)
    assert not torch.equal(run.learner.model.table, before)
    assert torch.equal(weights_of(run), weights)


# ---- temperatures ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("epoch", "temperature"), [(0, 2.0), (2, 1.25), (4, 0.5)])
def test_concrete_and_annealed_weights_are_those_of_their_formulas(epoch, temperature, digits):
    changes = ("distribution.temperature=2", "distribution.final_temperature=0.5")
    for route in ("concrete", "annealed"):
        run, ctx = learner_of(digits, route, *changes, epoch=epoch)
        logits = run.learner.model.table.detach().numpy().astype(float)
        torch.manual_seed(1)
        found = table(run.learner.sampler.route(ctx))
        torch.manual_seed(1)
        noise = -np.log(torch.empty(6, 5).exponential_().numpy()) if route == "concrete" else 0
        powers = np.exp((logits + noise) / temperature)
        np.testing.assert_allclose(found, powers / powers.sum(1, keepdims=True), rtol=1e-4)
        (path,) = run.learner.sampler.plan(ctx)
        assert not any(row.requires_grad for row in path.routing)


def test_concrete_draws_have_the_probabilities_of_the_options(digits):
    run, ctx = learner_of(digits, "concrete")
    torch.manual_seed(0)
    largest = np.stack([table(run.learner.sampler.route(ctx)).argmax(1) for _ in range(2000)])
    p = run.learner.model.probabilities().detach().numpy()
    for decision in range(6):
        counted = np.bincount(largest[:, decision], minlength=5) / 2000
        np.testing.assert_allclose(counted, p[decision], atol=4 * 0.5 / np.sqrt(2000))


def test_an_annealed_mixture_ends_as_its_best_architecture(digits):
    run, ctx = learner_of(digits, "annealed", "distribution.temperature=1", "distribution.final_temperature=0.01")
    model = run.learner.model
    torch.testing.assert_close(run.learner.mixture(ctx), model.mean())
    ctx.epoch = 4
    mixture = run.learner.mixture(ctx)
    assert [int(row.argmax()) for row in mixture] == list(model.best())
    assert min(float(row.max()) for row in mixture) > 0.99
    ctx.logits(ctx.images, run.learner.sampler.route(ctx))


@pytest.mark.parametrize("route", ["concrete", "reinmax", "annealed"])
def test_every_route_trains_on_1shot1(route, digits):
    changes = ["space=nb1shot1-1", *LEARNED, f"distribution.route={route}"]
    run = train(TINY.override(changes), task=digits)
    assert run.learner.model.table.isfinite().all()
    assert float(run.learner.model.table.detach()[run.learner.model.allowed].std()) > 1.05e-3  # 1e-3 at first


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["distribution.model=dirichlet", "distribution.route=concrete"], "not from a dirichlet"),
        ([*LEARNED, "distribution.route=annealed", "distribution.perturbation=random"], "not annealed"),
        ([*LEARNED, "distribution.route=reinmax", "distribution.step=second-order"], "another mixture each time"),
        ([*LEARNED, "distribution.route=concrete", "distribution.edge_weights=true"], "needs route=mixture"),
        ([*LEARNED, "distribution.route=reinmax", "distribution.step=importance"], "samples architectures"),
    ],
)
def test_routes_that_cannot_be_combined_are_refused(changes, reason):
    with pytest.raises(RecipeError, match=reason):
        TINY.override(changes)
