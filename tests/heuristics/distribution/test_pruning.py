"""Distributions whose less probable options are pruned, as DrNAS does between its stages."""

import numpy as np
import pytest
import torch
from learned import TINY

from supernet.harness.training.loop import train
from supernet.heuristics.distribution.models import Dirichlet, Simplex, Softmax

OPTIONS = [5, 3, 2]


def drawn(kind, first=0):
    model, rng = kind(OPTIONS, first), torch.Generator().manual_seed(0)
    with torch.no_grad():
        values = torch.randn(model.table.shape, generator=rng)
        model.table.copy_((values.exp() * model.allowed) / (values.exp() * model.allowed).sum(1, keepdim=True))
    return model


@pytest.mark.parametrize("kind", [Softmax, Simplex, Dirichlet])
@pytest.mark.parametrize(("first", "kept"), [(0, 3), (1, 2), (0, 1), (0, 9)])
def test_the_most_probable_options_are_left(kind, first, kept):
    model = drawn(kind, first)
    before = model.probabilities().detach().numpy()
    model.prune(kept)
    after = model.probabilities().detach().numpy()
    for decision, options in enumerate(OPTIONS):
        best = sorted(range(first, options), key=lambda option: -before[decision, option])[:kept]
        assert sorted(np.flatnonzero(after[decision])) == sorted(best)
        np.testing.assert_allclose(
            after[decision, best], before[decision, best] / before[decision, best].sum(), rtol=1e-5
        )
    weights = model.weights()
    assert all(float(row.detach().sum()) == pytest.approx(1) for row in weights)
    assert all((row.detach().numpy()[after[d, : len(row)] == 0] == 0).all() for d, row in enumerate(weights))
    assert all(after[d, option] > 0 for d, option in enumerate(model.sample()))
    assert model.best() == tuple(before.argmax(1).tolist())


def test_decisions_that_are_made_have_no_entropy():
    model = drawn(Softmax)
    assert 0 < model.entropy() < 1
    model.prune(1)
    assert model.entropy() == 0


def test_a_simplex_stays_one_when_it_learns_after_pruning():
    model = drawn(Simplex)
    model.prune(2)
    model.exponentiate([torch.randn(model.table.shape)], rate=0.5, floor=1e-5)
    torch.testing.assert_close(model.table.detach().sum(1), torch.ones(3))
    assert ((model.table.detach() > 0) == model.allowed).all()


def test_options_are_pruned_at_their_time_and_again_by_no_epoch(digits):
    recipe = TINY.override(
        [
            "sampling.law=distribution",
            "distribution.model=dirichlet",
            "distribution.kept_options=3",
            "training.epochs=4",
        ]
    )
    counts = []
    run = train(recipe, task=digits, after_epoch=lambda run: counts.append(run.learner.model.allowed.sum(1).tolist()))
    assert counts == [[5] * 6] * 2 + [[3] * 6] * 2
    assert all(sum(row == 0) == 2 for row in run.learner.mixture(run.context))
