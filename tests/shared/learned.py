"""Small runs that learn a distribution over architectures."""

import numpy as np
import torch

from supernet.benchmarks.tasks.loader import Batch
from supernet.harness.training.run import start
from supernet.heuristics.methods.steps import Hooks
from supernet.heuristics.recipe import Recipe

LEARNED = ("sampling.law=distribution", "distribution.model=softmax")
TINY = Recipe().override(
    [
        "task.name=digits", "task.train_images=96", "task.valid_images=128", "network.channels=4", "network.cells=1",
        "network.bn_affine=false", "training.epochs=2", "training.batch_size=32", "training.learning_rate=0.05",
    ]
)  # fmt: skip


def context(recipe, task, seed=0):
    run = start(recipe, task=task)
    ctx = run.context
    ctx.rng, ctx.steps = np.random.default_rng(seed), 4
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 32, 3, 16, 16, generator=rng)
    labels = torch.randint(10, (2, 32), generator=rng)
    ctx.images, ctx.labels = images[0], labels[0]
    ctx.rows = torch.arange(32)
    other = Batch(images[1], labels[1], torch.arange(32))
    ctx.batches = lambda split, asker: other
    return run, ctx


def learn(run, ctx):
    """One step of the distribution alone."""
    run.learner.before_step(ctx)


def one_step(rule, run, ctx, plan, more=()):
    """One step of the weights on these paths, with further methods."""
    methods = [*run.methods.values(), *more]
    return rule.take_step(ctx, plan, Hooks(methods))


def weights_of(run):
    return torch.cat([p.detach().flatten() for p in run.network.parameters()])


def ends_alike(one, other):
    return torch.equal(weights_of(one), weights_of(other)) and all(
        torch.equal(a, b) for a, b in zip(one.learner.model.parameters(), other.learner.model.parameters(), strict=True)
    )
