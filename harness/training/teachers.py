"""How the teachers of a run are trained: by its recipe, one architecture alone and without methods."""

from __future__ import annotations

from dataclasses import replace

from supernet.benchmarks.spaces import Arch, space
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.sections import DistributionSection, SamplingSection

FOLDER = "teachers"
"""Name of the folder of teachers in the folder of a run, while it trains."""


def recipe_of(recipe: Recipe, arch: Arch, epochs: int) -> Recipe:
    """Return the recipe by which an architecture is trained as a teacher: that of a stand-alone training.

    Args:
        recipe: the recipe of the run, whose network, task, training and seed are taken.
        arch: the architecture.
        epochs: number of epochs for which it is trained; a warm-up takes the same share of them.
    """
    t = recipe.training
    return replace(
        recipe,
        training=replace(t, epochs=epochs, warmup_epochs=t.warmup_epochs * epochs / t.epochs),
        sampling=SamplingSection(law="fixed", architecture=space(recipe.space).string(arch)),
        distribution=DistributionSection(),
        methods=(),
    )
