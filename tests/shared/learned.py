"""Small runs that learn a distribution over architectures."""

from itertools import repeat

import numpy as np
import torch

from supernet.benchmarks.spaces import space
from supernet.harness.training.run import start
from supernet.heuristics.hooks import Context
from supernet.heuristics.recipe import Recipe

LEARNED = ("sampling.law=distribution", "distribution.model=softmax")
TINY = Recipe().override(
    [
        "task.name=digits", "task.train_images=192", "task.valid_images=128", "network.channels=4", "network.cells=1",
        "network.bn_affine=false", "training.epochs=2", "training.batch_size=32", "training.learning_rate=0.05",
    ]
)  # fmt: skip


def context(recipe, task, seed=0):
    run = start(recipe, task=task)
    ctx = Context(recipe, space(recipe.space), run.network, run.optimiser, np.random.default_rng(seed), steps=4)
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 32, 3, 16, 16, generator=rng)
    labels = torch.randint(10, (2, 32), generator=rng)
    ctx.images, ctx.labels = images[0], labels[0]
    ctx.other = repeat((images[1], labels[1]))
    return run, ctx


def weights_of(run):
    return torch.cat([p.detach().flatten() for p in run.network.parameters()])


def ends_alike(one, other):
    return torch.equal(weights_of(one), weights_of(other)) and all(
        torch.equal(a, b) for a, b in zip(one.learner.model.parameters(), other.learner.model.parameters(), strict=True)
    )
