"""SUMNAS: Reptile on strictly fair paths."""

import pytest
import torch
from learned import TINY, context, one_step, weights_of

from supernet.harness.training.loop import train
from supernet.heuristics.methods.reptile import Reptile
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.routes import Path

BASE = TINY.override(["sampling.law=fair", "training.momentum=0", "training.clip=null", "training.weight_decay=0"])


def stepped(rule, digits, changes=(), steps=2):
    run, ctx = context(BASE.override(changes), digits)
    planner = sampler_for(ctx.space, BASE, 1)
    for _ in range(steps):
        one_step(rule, run, ctx, planner.plan(ctx))
    return run


def test_one_inner_step_is_the_accumulation_of_fair_paths(digits):
    """With T = 1 and no momentum, the mean of the copies is one SGD step with the mean gradient."""
    one = stepped(Reptile(rate=1.0, steps=1, momentum=0.0), digits)
    torch.testing.assert_close(weights_of(one), weights_of(stepped(Accumulate(), digits)), atol=1e-6, rtol=1e-4)


def test_loss_and_accuracy_are_means_over_all_inner_steps(digits):
    """Without a learning rate, all inner steps are the same."""
    results = []
    for steps in (1, 3):
        run, ctx = context(BASE.override(["training.learning_rate=1e-20", "training.final_learning_rate=0"]), digits)
        results.append(one_step(Reptile(steps=steps, momentum=0.0), run, ctx, [Path((op,) * 6) for op in (1, 2, 3)]))
    one, three = results
    assert float(three.loss) == pytest.approx(float(one.loss), rel=1e-6)
    assert (float(three.correct), three.seen) == (3 * float(one.correct), 3 * one.seen)
    assert float(one.correct) > 0


def test_the_outer_rate_scales_the_inner_one(digits):
    """A share of the way to copies at rate r is the step of copies at a smaller rate."""
    half = stepped(Reptile(rate=0.5, steps=1, momentum=0.0), digits, steps=1)
    slow = stepped(Accumulate(), digits, [f"training.learning_rate={TINY.training.learning_rate / 2}"], steps=1)
    torch.testing.assert_close(weights_of(half), weights_of(slow), atol=1e-6, rtol=1e-4)


def test_copies_train_for_several_steps_from_the_same_weights(digits):
    """The update is the mean over paths of what SGD with momentum does to a copy, computed here one by one."""
    run, ctx = context(BASE, digits)
    paths = [Path((op,) * 6) for op in (1, 2, 3)]
    start, group, ends = weights_of(run).clone(), BASE.training, []
    for path in paths:
        copy, _ = context(BASE, digits)
        inner = torch.optim.SGD(copy.network.parameters(), group.learning_rate, 0.9, weight_decay=group.weight_decay)
        for _ in range(2):
            inner.zero_grad()
            logits = copy.network(ctx.images, path.routing)
            torch.nn.functional.cross_entropy(logits, ctx.labels).backward()
            inner.step()
        ends.append(weights_of(copy))
    one_step(Reptile(rate=0.7), run, ctx, paths)
    expected = start + 0.7 * (torch.stack(ends).mean(0) - start)
    torch.testing.assert_close(weights_of(run), expected, atol=1e-6, rtol=1e-4)


def test_each_group_of_weights_keeps_its_rate_and_weight_decay(digits):
    run, ctx = context(BASE, digits)
    one, *others = run.network.parameters()
    last, *middle = others[::-1]
    before = [w.detach().clone() for w in (one, last)]
    ctx.optimiser = torch.optim.SGD(
        [{"params": middle}, {"params": [one], "lr": 0.0}, {"params": [last], "lr": 1e-3, "weight_decay": 900.0}], 0.05
    )
    one_step(Reptile(steps=1, momentum=0.0), run, ctx, [Path((3,) * 6)])
    assert torch.equal(one, before[0])
    assert not torch.equal(middle[0].grad, torch.zeros_like(middle[0]))
    assert float(last.detach().norm()) < 0.2 * float(before[1].norm()), "a tenth is left of it, and what the loss adds"


@pytest.mark.parametrize("planner", ["replay", "nsas"])
def test_the_reduction_of_paths_has_no_effect_on_weighted_paths_either(planner, digits):
    ends = []
    for reduce in ("mean", "sum"):
        recipe = TINY.override([f"methods.{planner}=true", "methods.reptile=true", f"sampling.reduce={reduce}"])
        ends.append(weights_of(train(recipe.override(["training.epochs=1"]), task=digits)))
    assert torch.equal(*ends)
