"""Learning rates by size, and momentum by group."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from learned import TINY, context, one_step, weights_of

from supernet.benchmarks.errors import UserError
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.methods.dynas import Dynas, exponent_of
from supernet.heuristics.methods.sizes import size_range, sizes
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.routes import Path

SMALL, LARGE, MIDDLE = (1,) * 6, (3,) * 6, (3, 1, 2, 1, 3, 2)
BASE = TINY.override(["training.schedule=constant", "training.momentum=0.9", "training.clip=null"])


def test_the_exponent_falls_linearly_in_the_logarithm_of_the_size():
    assert exponent_of(10, 10, 1000, 4) == 4
    assert exponent_of(1000, 10, 1000, 4) == pytest.approx(0.25)
    assert exponent_of(100, 10, 1000, 4) == pytest.approx((4 + 0.25) / 2)
    assert exponent_of(5, 10, 1000, 4) == 4
    assert exponent_of(2000, 10, 1000, 4) == pytest.approx(0.25)
    assert exponent_of(7, 7, 7, 4) == 1


def trained(digits, method, archs, recipe=BASE):
    run, ctx = context(recipe, digits)
    ctx.numbers, ctx.steps = {id(method): 9}, len(archs)
    for ctx.step, arch in enumerate(archs):
        ctx.optimiser.param_groups[0]["lr"] = recipe.training.learning_rate
        one_step(Accumulate(), run, ctx, [Path(arch)], [method])
    return run, ctx


def plain(digits, archs, rates, groups):
    """One torch.optim.SGD for each group, over the same weights."""
    run, ctx = context(BASE, digits)
    t, made = BASE.training, {}
    for arch, rate, group in zip(archs, rates, groups, strict=True):
        if group not in made:
            made[group] = torch.optim.SGD(run.network.parameters(), 1.0, t.momentum, weight_decay=t.weight_decay)
        made[group].param_groups[0]["lr"] = rate
        made[group].zero_grad()
        F.cross_entropy(run.network(ctx.images, arch), ctx.labels).backward()
        made[group].step()
    return weights_of(run)


@pytest.mark.parametrize("separate", [True, False])
def test_a_step_is_one_of_sgd_with_the_rate_and_the_momentum_of_its_architecture(separate, digits):
    archs = [SMALL, LARGE, MIDDLE, LARGE, SMALL, LARGE]
    method = Dynas(separate=separate)
    run, ctx = trained(digits, method, archs)
    within, n = ctx.space, BASE.network
    sizes = within.params(archs, n.channels, n.cells)
    low, high = within.params([(0,) * 6, LARGE], n.channels, n.cells)
    place = (np.log(sizes) - np.log(low)) / (np.log(high) - np.log(low))
    rates = BASE.training.learning_rate * (1 - np.arange(6) / 6) ** (4 - (4 - 1 / 4) * place)
    groups = [arch[method._decision] if separate else 0 for arch in archs]
    torch.testing.assert_close(weights_of(run), plain(digits, archs, rates, groups), atol=1e-6, rtol=1e-4)
    assert len(method._buffers) == (len(set(groups)) if separate else 0)


def test_with_equal_exponents_and_one_momentum_all_rates_fall_linearly(digits):
    run, _ctx = trained(digits, Dynas(exponent=1.0, separate=False), [SMALL, LARGE, MIDDLE])
    rates = BASE.training.learning_rate * np.array([1, 2 / 3, 1 / 3])
    torch.testing.assert_close(
        weights_of(run), plain(digits, [SMALL, LARGE, MIDDLE], rates, [0] * 3), atol=1e-6, rtol=1e-4
    )


def test_dead_operations_can_be_left_out(digits):
    _run, ctx = context(BASE, digits)
    dead = (3, 3, 3, 0, 0, 0)
    whole, alive = (
        exponent_of(float(sizes(ctx, [dead], live)[0]), *size_range(ctx, live), 4.0) for live in (False, True)
    )
    assert whole < alive == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["training.schedule=cosine"], r"set training\.schedule=constant"),
        (["sampling.paths=2"], "needs one path per step, not 2"),
        (["sampling.per_cell=true"], r"sampling\.per_cell=false"),
        (["methods.reptile=true"], "cannot be combined with reptile"),
        (["methods.nsas=true"], "not 2 as nsas plans: leave one of these methods out"),
    ],
    ids=str,
)
def test_recipes_that_it_does_not_fit_are_refused(changes, message, digits):
    with pytest.raises(UserError, match=message):
        train(BASE.override(["methods.dynas=true", *changes]), task=digits)
    start(BASE.override(["methods.dynas=true"]), task=digits)
