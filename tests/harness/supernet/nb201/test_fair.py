import copy

import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces import space
from supernet.harness.supernet.nb201 import fair
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.heuristics.hooks import Context
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.methods.steps import Accumulate, Hooks
from supernet.heuristics.recipe import Recipe

COMMON = ["network.channels=4", "network.cells=2", "sampling.law=fair", "training.learning_rate=0.1"]
CASES = {
    "without none": ["sampling.with_none=false"],
    "zeros for the unsampled": ["training.unsampled=zero", "network.bn_affine=false"],
    "split batch, sum": ["sampling.with_none=false", "sampling.batch=split", "sampling.reduce=sum"],
    "a path per cell": ["sampling.with_none=false", "sampling.per_cell=true"],
    "one kernel inside the other": ["sampling.with_none=false", "network.ofa_kernel=transform"],
    "operations on nodes": ["sampling.with_none=false", "network.op_on=node"],
}


def context(recipe, device="cpu"):
    torch.manual_seed(0)
    network = NB201Net(10, recipe.network).double().to(device)
    optimiser = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    if recipe.training.unsampled == "zero":
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
    ctx = Context(recipe, space("nb201"), network, optimiser, np.random.default_rng(1))
    ctx.images = torch.randn(20, 3, 8, 8, dtype=torch.float64).to(device)
    ctx.labels = torch.randint(10, (20,)).to(device)
    return ctx


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_static_steps_train_the_weights_that_paths_one_by_one_do(changes):
    recipe = Recipe().override([*COMMON, *changes])
    assert fair.fits(recipe)
    one, all_at_once = context(recipe), context(recipe)
    all_at_once.images, all_at_once.labels = one.images, one.labels
    law = sampler_for(one.space, recipe, one.network.cell_count if recipe.sampling.per_cell else 1)
    rules = Accumulate(), fair.FairStep(capture=False)
    before = copy.deepcopy(one.network.state_dict())
    for _ in range(3):
        plan = law.plan(one)
        results = [
            rule.take_step(ctx, plan, Hooks(losses_for(recipe)))
            for rule, ctx in zip(rules, (one, all_at_once), strict=True)
        ]
        torch.testing.assert_close(results[0].loss.double(), results[1].loss.double(), atol=1e-6, rtol=1e-6)
        assert (int(results[0].correct), results[0].seen) == (int(results[1].correct), results[1].seen)
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(value, all_at_once.network.state_dict()[name], atol=1e-6, rtol=1e-5)
    assert any(not torch.equal(value, before[name]) for name, value in one.network.state_dict().items())


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["sampling.with_none=false", "network.path_dropout=0.1"],
        ["sampling.with_none=false", "network.global_dropout=0.1"],
        ["training.unsampled=zero"],
        ["sampling.with_none=false", "network.bn_track=true"],
        ["sampling.with_none=false", "sampling.batch=split", "training.batch_size=126"],
    ],
)
def test_what_static_steps_would_compute_differently_is_left_to_the_others(changes):
    assert not fair.fits(Recipe().override([*COMMON, *changes]))


def test_only_strictly_fair_recipes_of_nb201_are_static():
    assert not fair.fits(Recipe().override(["sampling.with_none=false"]))
    assert not fair.fits(Recipe().override(["space=nb1shot1-1", "sampling.law=fair", "training.unsampled=zero"]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_steps_replayed_from_a_graph_train_the_weights_that_paths_one_by_one_do(changes):
    recipe = Recipe().override([*COMMON, *changes])
    one, captured = (context(recipe, "cuda") for _ in range(2))
    captured.images, captured.labels = one.images, one.labels
    law = sampler_for(one.space, recipe, one.network.cell_count if recipe.sampling.per_cell else 1)
    rules = Accumulate(), fair.FairStep(capture=True)
    for _ in range(fair.FairStep.WARM_UP + 3):
        plan = law.plan(one)
        for rule, ctx in zip(rules, (one, captured), strict=True):
            rule.run(ctx, plan, losses_for(recipe))
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(value, captured.network.state_dict()[name], atol=1e-6, rtol=1e-5)
