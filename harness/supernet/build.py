"""From a recipe to its network."""

from __future__ import annotations

from torch import nn

from harness.supernet.nb201 import NB201Net
from heuristics.recipe import Recipe, RecipeError


def build_network(recipe: Recipe, classes: int) -> nn.Module:
    """The super-net of a recipe, weights initialised from torch's global generator."""
    if recipe.space == "nb201":
        return NB201Net(classes, recipe.network)
    raise RecipeError(f"There is no super-net for {recipe.space} yet; there is one for nb201.")
