"""Co-distillation by blocks: what the loss is, when it is there, and what it leaves alone."""

import numpy as np
import pytest
import torch
from learned import TINY, context, weights_of

from supernet.harness.training.loop import train
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics.methods.co_distil import CoDistillation
from supernet.heuristics.methods.sizes import largest, sizes
from supernet.heuristics.routes import Path

LARGEST, OTHER = (3,) * 6, (3, 2, 1, 3, 0, 2)


def test_no_weight_is_the_base_to_the_bit(digits):
    base = TINY.override(["training.epochs=1"])
    alone = train(base.override(["methods.co-distil.weight=0"]), task=digits)
    assert torch.equal(weights_of(alone), weights_of(train(base, task=digits)))


def test_the_loss_is_the_mean_squared_difference_of_cell_outputs(digits):
    run, ctx = context(TINY, digits)
    features = {}
    for arch in (LARGEST, OTHER):
        found = []
        run.network(ctx.images, arch, found)
        features[arch] = [f.detach().double().numpy() for f in found]
    out = ctx.forward(Path(OTHER), capture=True)
    before = ctx.meter.forward
    loss = CoDistillation(weight=0.5).path_loss(ctx, out)
    wanted = np.mean([((a - b) ** 2).mean() for a, b in zip(*features.values(), strict=True)])
    assert float(loss.detach()) == pytest.approx(0.5 * wanted, rel=1e-4)
    assert ctx.meter.forward - before == len(ctx.images), "the pass of the teacher is metered"
    loss.backward()
    untouched = [p for edge in range(6) for p in run.network.parameters_of(edge, 3 if OTHER[edge] != 3 else 0)]
    assert all(p.grad is None or not p.grad.any() for p in untouched), "the teacher gets no gradient"
    assert any(p.grad is not None and p.grad.any() for p in run.network.parameters_of(0, 3))


def test_the_largest_teaches_others_and_only_after_the_beginning(digits):
    _run, ctx = context(TINY, digits)
    ctx.steps = 10
    out = ctx.forward(Path(OTHER), capture=True)
    method = CoDistillation(weight=2.0, begin=0.5, schedule="cosine")
    losses = [method.path_loss(ctx, out) for ctx.step in (0, 4, 5, 9)]
    assert losses[:2] == [None, None]
    assert float(losses[2].detach()) == 0
    assert float(losses[3].detach()) > 0
    assert method.path_loss(ctx, ctx.forward(Path(LARGEST), capture=True)) is None


def test_a_space_without_extremes_has_the_largest_of_a_sample(digits):
    _run, ctx = context(TINY.override(["space=nb1shot1-1"]), digits)
    assert ctx.space.extremes() is None
    others = ctx.space.archs(ctx.space.sample(np.random.default_rng(1), 200))
    size = sizes(ctx, [largest(ctx)], live=True)[0]
    assert (size >= np.sort(sizes(ctx, others, live=True))[-3]).all()


@pytest.mark.parametrize("changes", [[], ["sampling.law=fair"], ["sampling.law=fair", "sampling.batch=split"]], ids=str)
def test_passes_of_the_teacher_are_foreseen_if_it_begins_late(changes, digits):
    recipe = TINY.override(["methods.co-distil.begin=0.5", "training.batch_size=12", *changes])
    run = train(recipe, task=digits)
    per_step = run.methods["co-distil"].foreseen(run.context).per_step
    planned = epoch_cost(recipe, task=digits).of(2).passes + 2 * run.steps_per_epoch * per_step
    assert planned == pytest.approx(sum(entry["passes"] for entry in run.log))
    assert CoDistillation().foreseen(run.context).per_step == 0, "steps show it from the first one on"
