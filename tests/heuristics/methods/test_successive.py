"""How a step disturbs the architecture of the step before, against copies of the network before and after the step."""

import copy
from dataclasses import field
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from learned import TINY, weights_of

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.training.loop import train
from supernet.heuristics.hooks import Context, Method, Output
from supernet.heuristics.registry import method

NB201 = space("nb201")
SMALL = ["training.epochs=2", "methods.successive.images=16", "methods.successive.every=2"]
seen: list[Any] = []


@method("copying")
class Copying(Method):
    """Keeps copies of the network before and after each step, and its architecture."""

    _step: list[Any] = field(default_factory=list, init=False)

    def after_path(self, ctx: Context, out: Output) -> None:
        self._step = [out.path.routing]

    def before_update(self, ctx: Context) -> None:
        self._step.append(copy.deepcopy(ctx.network).eval())

    def after_update(self, ctx: Context) -> None:
        seen.append((ctx.epoch, *self._step, copy.deepcopy(ctx.network).eval()))


def gradients(network, arch, batch):
    """Gradients of the loss by name of the weight."""
    network.zero_grad()
    F.cross_entropy(network(batch.images, arch), batch.labels).backward()
    return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


def by_hand(network, first, second, batch):
    """The mean cosine of the gradients of convolutions with their batch norms that both use at the same edge."""
    one, other = (gradients(network, arch, batch) for arch in (first, second))
    names = {id(p): name for name, p in network.named_parameters()}
    cosines = []
    for edge in range(6):
        if first[edge] != second[edge]:
            continue
        for (module,) in network.operations_of(edge, first[edge]):
            own = [names[id(p)] for p in module.parameters()]
            if all(name in one and name in other for name in own):
                a, b = (torch.cat([g[name].flatten() for name in own]) for g in (one, other))
                cosines.append(float(F.cosine_similarity(a, b, 0)))
    return np.mean(cosines) if cosines else None


def test_a_row_is_what_the_step_did_to_the_architecture_before(digits):
    seen.clear()
    # The measure is listed first, but has to see the weights after the update of the others.
    methods = ["methods.di-ws.window=2", "methods.magic-t=true", "methods.copying=true"]
    recipe = TINY.override([*SMALL, *methods, "training.batch_size=16"])
    run = train(recipe, task=digits)
    rows = run.measured
    steps = [step for step in seen if step[0] == 1]
    assert len(rows) == len(steps) - 1 > 0
    measure = run.methods["successive"]
    train_images, valid_images = measure.batch("train"), measure.batch("valid")
    for row, (_, first, *_), (_, second, before, after) in zip(rows, steps[:-1], steps[1:], strict=True):
        assert (row["first"], row["second"]) == tuple(NB201.string(arch) for arch in (first, second))
        assert row["distance"] == NB201.distance(first, second)
        losses = [
            float(F.cross_entropy(net(valid_images.images, first), valid_images.labels).detach())
            for net in (before, after)
        ]
        assert row["loss"] == pytest.approx(losses[0], abs=1e-5)
        assert row["change"] == pytest.approx(losses[1] - losses[0], abs=1e-5)
        expected = by_hand(before, first, second, train_images)
        assert row["cosine"] == (None if expected is None else pytest.approx(expected, abs=1e-4))
    assert any(row["cosine"] is not None for row in rows)


def test_training_does_not_notice(digits):
    with_measure = train(TINY.override(SMALL), task=digits)
    without = train(TINY.override(["training.epochs=2"]), task=digits)
    assert torch.equal(weights_of(with_measure), weights_of(without))


def test_a_mixture_is_refused(digits):
    mixed = ["sampling.law=distribution", "distribution.model=softmax", "methods.successive=true"]
    with pytest.raises(UserError, match="compares single architectures"):
        train(TINY.override(mixed), task=digits)
