"""Static steps against the paths one by one, which are the reference."""

import copy

import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces import space
from supernet.harness.supernet.nb201 import fair, flat, static, uses
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.training.run import optimiser_for
from supernet.heuristics.hooks import Context
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.methods.steps import Accumulate, Hooks
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Path

SMALL = ["network.channels=4", "network.cells=2", "training.learning_rate=0.1"]
FAIR = {
    "without none": ["sampling.with_none=false"],
    "with none": [],
    "zeros for the unsampled": ["training.unsampled=zero", "network.bn_affine=false"],
    "split batch, sum": ["sampling.with_none=false", "sampling.batch=split", "sampling.reduce=sum"],
    "a path per cell": ["sampling.per_cell=true", "sampling.with_none=false"],
    # With a shift, batch norm would divide rounding errors of constant images by rounding errors.
    "a path per cell, with none": ["sampling.per_cell=true", "network.bn_affine=false"],
    "one kernel inside the other": ["network.ofa_kernel=transform"],
    "the centre, operations on nodes": ["network.ofa_kernel=centre", "network.op_on=node"],
}
HIDDEN = Path(((3, 2, 1, 4, 3, 2), (0, 2, 1, 0, 3, 0), *[(2, 3, 0, 1, 0, 4)] * 4))
"""A path whose second cell passes nothing on, which hides the first cell and the stem."""


def context(recipe, device="cpu"):
    torch.manual_seed(0)
    network = NB201Net(10, recipe.network).double().to(device)
    ctx = Context(recipe, space("nb201"), network, torch.optim.SGD([torch.zeros(0)]), np.random.default_rng(1))
    ctx.optimiser = optimiser_for(recipe, [], ctx)
    ctx.images = torch.randn(20, 3, 8, 8, dtype=torch.float64).to(device)
    ctx.labels = torch.randint(10, (20,)).to(device)
    ctx.rows = torch.arange(20)
    return ctx


def trained(recipe, rules, steps, device="cpu"):
    """Two contexts, each trained by one of the rules with the same plans, and the results of all steps."""
    one, other = (context(recipe, device) for _ in rules)
    law = sampler_for(one.space, recipe, one.network.cell_count)
    results = []
    for number in range(steps):
        plan = law.plan(one)
        if recipe.sampling.per_cell and number == 1:
            plan = [HIDDEN] * len(plan) if recipe.sampling.law == "uniform" else plan
        for group in (*one.optimiser.param_groups, *other.optimiser.param_groups):
            group["lr"] = 0.1 / (1 + number)
        hooks = Hooks(losses_for(recipe))
        results.append([rule.take_step(ctx, plan, hooks) for rule, ctx in zip(rules, (one, other), strict=True)])
    return one, other, results


def assert_same(one, other, tolerance):
    states = [ctx.network.state_dict() for ctx in (one, other)]
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=tolerance, rtol=tolerance, msg=name)
    momenta = [ctx.optimiser.state_dict()["state"] for ctx in (one, other)]
    assert momenta[0].keys() == momenta[1].keys()
    for number, kept in momenta[0].items():
        torch.testing.assert_close(
            momenta[1][number]["momentum_buffer"], kept["momentum_buffer"], atol=tolerance, rtol=tolerance
        )


@pytest.mark.parametrize("changes", FAIR.values(), ids=FAIR)
def test_fair_steps_train_the_weights_that_paths_one_by_one_do(changes):
    recipe = Recipe().override([*SMALL, "sampling.law=fair", *changes])
    assert fair.fits(recipe)
    one, other, results = trained(recipe, (Accumulate(), fair.FairStep(capture=False)), 3)
    for plain, found in results:
        torch.testing.assert_close(found.loss.double(), plain.loss.double(), atol=1e-6, rtol=1e-6)
        assert (int(found.correct), found.seen) == (int(plain.correct), plain.seen)
    assert (other.meter.forward, other.meter.backward) == (one.meter.forward, one.meter.backward)
    assert_same(one, other, 1e-9)
    before = context(recipe).network.state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in other.network.state_dict().items())


def test_a_mark_is_a_gradient_of_the_paths_one_by_one():
    recipe = Recipe().override([*SMALL, "network.op_on=node", "network.ofa_kernel=transform"])
    ctx = context(recipe)
    parameters = list(ctx.network.parameters())
    found = uses.Uses(ctx.network, parameters)
    law = sampler_for(ctx.space, recipe, 1)
    plans = [*(law.plan(ctx) for _ in range(6)), [HIDDEN], [Path((0, 0, 3, 0, 3, 3))]]
    for plan in plans:
        ctx.network.zero_grad(set_to_none=True)
        for path in plan:
            ctx.network(ctx.images[:2], path.routing).sum().backward()
        marks = found.of(uses.live_ops(plan, ctx.network.cell_count))
        assert marks.tolist() == [p.grad is not None for p in parameters]


def test_checkpoints_of_static_steps_continue_as_any_others():
    recipe = Recipe().override([*SMALL, "sampling.law=fair", "sampling.with_none=false"])
    _, other, _ = trained(recipe, (Accumulate(), fair.FairStep(capture=False)), 2)
    resumed = context(recipe)
    resumed.network.load_state_dict(copy.deepcopy(other.network.state_dict()))
    resumed.optimiser.load_state_dict(copy.deepcopy(other.optimiser.state_dict()))
    assert_same(other, resumed, 0)
    plan = sampler_for(other.space, recipe, other.network.cell_count).plan(other)
    for ctx, rule in ((other, Accumulate()), (resumed, fair.FairStep(capture=False))):
        rule.take_step(ctx, plan, Hooks(losses_for(recipe)))
    assert_same(other, resumed, 1e-10)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}, {"momentum": 0.5, "nesterov": True}])
def test_one_vector_takes_the_steps_of_torch(settings):
    def layers():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.Linear(3, 2)).double()

    one, other = layers(), layers()
    plain = torch.optim.SGD(one.parameters(), 0.1, weight_decay=0.01, **settings)
    vector = flat.FlatSGD(
        list(other.parameters()), torch.optim.SGD(other.parameters(), 0.1, weight_decay=0.01, **settings)
    )
    for _ in range(3):
        vector.set_rate()
        for p in one.parameters():
            p.grad = torch.randn_like(p)
        gradient = torch.cat([flat.stored(p.grad) for p in one.parameters()])
        vector.step(gradient, torch.ones(4, dtype=torch.bool), 0.5, only_used=True)
        torch.nn.utils.clip_grad_norm_(one.parameters(), 0.5)
        plain.step()
    for p, q in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(q, p, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    "changes",
    [
        ["network.path_dropout=0.1"],
        ["network.global_dropout=0.1"],
        ["network.bn_track=true"],
        ["network.partial_channels=2"],
        ["space=nb1shot1-1"],
    ],
)
def test_what_static_steps_would_compute_differently_is_left_to_the_others(changes):
    recipe = Recipe().override([*SMALL, "sampling.law=fair", *changes])
    assert not static.fits(recipe)
    assert not fair.fits(recipe)


def test_only_plans_that_fit_are_static():
    assert not fair.fits(Recipe().override(["sampling.with_none=false"]))
    assert not fair.fits(Recipe().override(["sampling.law=fair", "sampling.batch=split", "training.batch_size=126"]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("changes", FAIR.values(), ids=FAIR)
def test_fair_steps_replayed_from_a_graph_train_the_weights_that_paths_one_by_one_do(changes):
    recipe = Recipe().override([*SMALL, "sampling.law=fair", *changes])
    rules = Accumulate(), fair.FairStep(capture=True)
    one, captured, _ = trained(recipe, rules, fair.FairStep.WARM_UP + 3, "cuda")
    assert_same(one, captured, 1e-9)
