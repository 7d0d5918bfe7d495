"""Builds the network of a recipe."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from supernet.benchmarks.spaces import NB1Shot1, space
from supernet.benchmarks.spaces.nb201_part import OPERATIONS, NB201Topology
from supernet.harness.supernet.nb1shot1 import NB1Shot1Net
from supernet.harness.supernet.nb101 import NB101Net
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.recipe import Recipe, RecipeError


class StandAloneCell(Supernet):
    """The benchmark's stand-alone network of one NAS-Bench-101 cell, as a super-net with a single path."""

    def __init__(self, network: NB101Net) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, routing: object, features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size); the routing has no effect."""
        logits: Tensor = self.network(x)
        return logits

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """An empty list, because the network has no options."""
        return []


def _nb201(recipe: Recipe, classes: int) -> Supernet:
    # A super-net with a single architecture is the stand-alone network, so that no other network is needed.
    return NB201Net(classes, recipe.network)


def _nb201_topology(recipe: Recipe, classes: int) -> Supernet:
    return NB201Net(classes, recipe.network, OPERATIONS)


def _nb1shot1(recipe: Recipe, classes: int) -> Supernet:
    """The super-net; or, for a single architecture, its network as NAS-Bench-101 builds it, with its widths."""
    options, within = recipe.network, space(recipe.space)
    assert isinstance(within, NB1Shot1)  # NETWORKS has this function for these spaces only
    if recipe.sampling.architecture is None:
        return NB1Shot1Net(classes, within, options)
    cell = within.cells(within.parse(recipe.sampling.architecture))
    return StandAloneCell(NB101Net(classes, cell, options.channels, options.cells, options.bn_affine, options.bn_track))


NETWORKS: dict[str, Callable[[Recipe, int], Supernet]] = {
    "nb201": _nb201,
    NB201Topology.name: _nb201_topology,
    "nb1shot1-1": _nb1shot1,
    "nb1shot1-2": _nb1shot1,
    "nb1shot1-3": _nb1shot1,
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
