"""Distributions over architectures in training: resumed, kept apart from the weights, and refused."""

import json

import pytest
import torch
from learned import LEARNED, TINY, context, ends_alike, learn, weights_of

from supernet.harness.training.loop import Diverged, train
from supernet.harness.training.run import start
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.routes import Path

METHODS = {
    "darts": LEARNED,
    "gdas": (*LEARNED, "distribution.route=gate"),
    "gaea": ("sampling.law=distribution", "distribution.model=simplex", "distribution.learning_rate=0.1",
             "distribution.data=train", "sampling.with_none=false", "distribution.first=weights"),
    "drnas": ("sampling.law=distribution", "distribution.model=dirichlet"),
    "parsec": (*LEARNED, "distribution.step=importance", "distribution.samples=3"),
    "enas": ("sampling.law=distribution", "distribution.model=controller", "distribution.step=reinforce",
             "distribution.samples=2", "distribution.updates=2"),
    "setn": ("distribution.model=softmax",),
    "drnas-pruned": ("sampling.law=distribution", "distribution.model=dirichlet", "distribution.kept_options=2",
                     "distribution.prune_from=0"),
    "snas": (*LEARNED, "distribution.route=concrete", "distribution.data=train"),
    "reinmax": (*LEARNED, "distribution.route=reinmax"),
    "single-stage": (*LEARNED, "distribution.route=annealed"),
}  # fmt: skip


LIKE_OTHERS = ("darts", "snas", "reinmax", "single-stage", "parsec", "drnas")
"""Methods whose state is like that of others."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name in LIKE_OTHERS)) for name in METHODS]
)
def test_a_resumed_run_ends_with_the_same_bits(name, digits, tmp_path, interrupted):
    recipe = TINY.override(METHODS[name])
    whole = train(recipe, task=digits)

    interrupted(recipe, tmp_path, task=digits)
    resumed = train(recipe, tmp_path, task=digits, resume=True)
    assert ends_alike(whole, resumed)
    assert not torch.equal(weights_of(whole), weights_of(start(recipe, task=digits)))


def test_gradients_of_the_distribution_never_reach_the_weights(digits):
    run, ctx = context(TINY.override(LEARNED), digits)
    before = weights_of(run).clone()
    learn(run, ctx)
    assert torch.equal(weights_of(run), before)
    assert all(p.grad is None for p in run.network.parameters())
    (path,) = run.learner.sampler.plan(ctx)
    assert isinstance(path, Path)
    assert not any(row.requires_grad for row in path.routing)


def test_single_level_learns_from_training_images(digits):
    bilevel = train(TINY.override(LEARNED), task=digits)
    single = train(TINY.override([*LEARNED, "distribution.data=train"]), task=digits)
    assert not torch.equal(bilevel.learner.model.table, single.learner.model.table)


def test_the_distribution_waits_for_its_first_epoch(digits):
    recipe = TINY.override([*LEARNED, "distribution.start_epoch=2"])
    first = start(recipe, task=digits).learner.model.table.detach().clone()
    assert torch.equal(train(recipe, task=digits).learner.model.table, first)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["sampling.law=distribution"], "needs distribution.model"),
        ([*LEARNED, "sampling.per_cell=true"], "one for all"),
        (["distribution.model=controller"], "learns by step=reinforce"),
        (["distribution.model=simplex", "distribution.step=importance"], "by gradients through a mixture"),
        (["distribution.model=dirichlet", "distribution.step=second-order"], "another mixture each time"),
        (["distribution.model=dirichlet", "distribution.route=gate"], "not from a dirichlet"),
        (
            [
                "sampling.law=distribution",
                "distribution.model=controller",
                "distribution.step=reinforce",
                "distribution.kept_options=3",
            ],
            "no table to prune",
        ),
        ([*LEARNED, "distribution.route=gate", "distribution.perturbation=random"], "needs route=mixture, not gate"),
        (["network.partial_channels=3"], "not a multiple"),
        (["space=nb1shot1-1", "network.partial_channels=2"], "is for nb201"),
        (["distribution.model=softmax", "sampling.law=fair"], "law=distribution or uniform"),
    ],
)
def test_what_cannot_be_combined_is_refused(changes, reason):
    with pytest.raises(RecipeError, match=reason):
        Recipe().override(changes)


def test_samples_without_a_likelihood_have_diverged(digits, tmp_path):
    parsec = (*LEARNED, "distribution.step=importance", "distribution.samples=2", "training.clip=null")
    wild = TINY.override([*parsec, "training.learning_rate=1e20", "training.epochs=4"])
    with pytest.raises(Diverged, match=r"not finite in epoch \d by step \d+: the run diverged"):
        train(wild, tmp_path / "run", task=digits)
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "diverged"


def test_a_recipe_shortened_for_timing_learns_at_once():
    late = TINY.override([*LEARNED, "training.epochs=50", "distribution.start_epoch=15", "training.warmup_epochs=5"])
    short = late.shortened()
    assert (short.training.epochs, short.training.warmup_epochs, short.distribution.start_epoch) == (1, 0.0, 0)
    assert short.network == late.network
