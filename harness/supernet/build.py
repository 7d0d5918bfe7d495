"""Builds the network of a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from supernet.harness.supernet import nb1shot1
from supernet.harness.supernet.darts import net as darts
from supernet.harness.supernet.nb201 import net as nb201
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.recipe import Recipe, RecipeError

NETWORKS: Mapping[str, Callable[[Recipe, int], Supernet]] = {
    **nb201.NETWORKS,
    **nb1shot1.NETWORKS,
    **darts.NETWORKS,
}
"""Name of a space -> how to make its network for a recipe and a number of classes."""


def build_network(recipe: Recipe, classes: int) -> Supernet:
    """The network of a recipe, with weights initialised from torch's global generator.

    Raises:
        RecipeError: no network is registered for the recipe's space.
    """
    if recipe.space not in NETWORKS:
        raise RecipeError(f"There is no super-net for the space {recipe.space}.")
    return NETWORKS[recipe.space](recipe, classes)
