"""A ranking loss with a free score, against a slow plain version of it."""

import numpy as np
import pytest
import torch
from learned import TINY, context, one_step, weights_of

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.live import live_quantity
from supernet.harness.training.loop import train
from supernet.heuristics.methods import prior_rank
from supernet.heuristics.methods.prior_rank import PriorRank, group_distances, prior_of, ranking_loss
from supernet.heuristics.methods.schedules import ramped
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.routes import Path

NONE, SKIP, ONE, THREE, POOL = range(5)


def slow(losses, prior, margins, compared):
    terms = []
    for j in range(len(losses)):
        for i in range(j):
            if compared[i, j] and prior[i] != prior[j]:
                better, worse = (j, i) if prior[j] > prior[i] else (i, j)
                terms.append(max(0.0, losses[better] - losses[worse] + margins[i, j]))
    return np.mean(terms)


@pytest.mark.parametrize("detach", [True, False])
def test_the_loss_is_the_mean_violation_of_all_pairs(detach):
    rng = np.random.default_rng(0)
    losses, prior = rng.normal(size=6), rng.integers(3, size=6).astype(float)
    margins, compared = rng.random((6, 6)), rng.random((6, 6)) < 0.7
    margins = margins + margins.T
    leaf = torch.tensor(losses, requires_grad=True)
    found = ranking_loss(leaf, prior, margins, compared, detach)
    assert float(found.detach()) == pytest.approx(slow(losses, prior, margins, compared))
    found.backward()
    assert (float(leaf.grad[0]) == 0) == detach, "the first path is the earlier one of all its pairs"
    assert float(leaf.grad.sum()) == pytest.approx(0, abs=1e-12) or detach


def test_equal_priors_and_pairs_that_are_not_compared_say_nothing():
    losses, everything = torch.tensor([1.0, 2.0]), np.ones((2, 2), dtype=bool)
    zero = np.zeros((2, 2))
    assert ranking_loss(losses, np.array([3.0, 3.0]), zero, everything, False) is None
    assert ranking_loss(losses, np.array([3.0, 4.0]), zero, ~everything, False) is None
    assert float(ranking_loss(losses, np.array([3.0, 4.0]), zero, everything, False)) == 1
    assert float(ranking_loss(losses, np.array([4.0, 3.0]), zero, everything, False)) == 0
    assert float(ranking_loss(losses, np.array([4.0, 3.0]), zero + 1.5, everything, False)) == 0.5


def test_distances_are_larger_between_operations_with_and_without_weights():
    archs = np.array([[ONE, ONE, SKIP, SKIP, NONE, THREE], [THREE, SKIP, POOL, NONE, NONE, POOL]])
    assert group_distances(space("nb201"), archs).tolist() == [[0, 0.5 + 2 + 0.5 + 0.5 + 2], [5.5, 0]]
    shot = np.array([[0, 1, 2, 0, 0, 0, 0], [1, 2, 0, 0, 1, 1, 1]])
    assert group_distances(space("nb1shot1-1"), shot)[0, 1] == 0.5 + 2 + 2


def test_no_weight_gives_the_base_to_the_bit(digits):
    base = TINY.override(["sampling.paths=2", "training.epochs=1"])
    method = base.override(["methods.prior-rank.weight=0"])
    assert torch.equal(weights_of(train(method, task=digits)), weights_of(train(base, task=digits)))


@pytest.mark.parametrize("prior", ["live-params", "live-flops", "params", "flops"])
def test_the_prior_is_a_free_quantity_of_the_recipes_network(prior, digits):
    _run, ctx = context(TINY.override(["network.channels=8"]), digits)
    archs = np.array([(THREE,) * 6, (ONE,) * 6, (THREE, THREE, THREE, NONE, NONE, NONE)])
    found = prior_of(ctx, prior, archs)
    live = live_quantity(ctx.space, prior if "live" in prior else f"live-{prior}", archs, 8, 1, 16)
    assert (found[:2] == live[:2]).all()
    assert (found[2] == 0) == prior.startswith("live")


def test_a_step_moves_the_losses_towards_the_order_of_the_prior(digits, monkeypatch):
    """With a large weight, the gap between two paths changes in the direction of their prior, in either order."""

    def gap(method):
        run, ctx = context(TINY.override(["training.learning_rate=0.01", "training.momentum=0"]), digits)
        ctx.step = ctx.steps
        for _ in range(8):
            one_step(Accumulate(), run, ctx, [Path((ONE,) * 6), Path((THREE,) * 6)], [method] if method else [])
        one, three = (
            torch.nn.functional.cross_entropy(ctx.forward(Path((op,) * 6)).logits.detach(), ctx.labels)
            for op in (ONE, THREE)
        )
        return float(one - three)

    with_prior, without = gap(PriorRank(weight=50.0, margin=1.0)), gap(None)
    monkeypatch.setattr(prior_rank, "prior_of", lambda *about: -prior_of(*about))
    assert with_prior > without > gap(PriorRank(weight=50.0, margin=1.0))


def test_the_factor_grows_linearly_and_stays(digits):
    _run, ctx = context(TINY, digits)
    ctx.steps = 100
    assert [ramped(ctx, 0.5) for ctx.step in (0, 25, 50, 99)] == [0, 0.5, 1, 1]
    assert ramped(ctx, 0.0) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([], r"needs two or more paths per step to compare: set sampling\.paths=2"),
        (["sampling.paths=2", "sampling.batch=split"], r"set sampling\.batch=whole"),
        (["sampling.paths=2", "sampling.per_cell=true"], r"sampling\.per_cell=false"),
        (["sampling.law=fair", "methods.reptile=true"], "cannot be combined with reptile"),
        (["methods.magic-t=true"], "but magic-t plans 1: leave one of these methods out"),
    ],
    ids=str,
)
def test_recipes_that_it_does_not_fit_are_refused(changes, message, digits):
    with pytest.raises(UserError, match=message):
        train(TINY.override(["methods.prior-rank=true", *changes]), task=digits)
