"""From a recipe to its network."""

from __future__ import annotations

from torch import Tensor, nn

from supernet.benchmarks.spaces import NB1Shot1, space
from supernet.harness.supernet.nb1shot1 import NB1Shot1Net
from supernet.harness.supernet.nb101 import NB101Net
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.heuristics.recipe import Recipe


class StandAloneCell(nn.Module):
    """The benchmark's own network of one NAS-Bench-101 cell, which takes no other path."""

    cell_count = 1

    def __init__(self, network: NB101Net) -> None:
        super().__init__()
        self.network = network

    def set_progress(self, share: float) -> None:
        """Nothing in it changes as training goes on."""

    def forward(self, x: Tensor, routing: object) -> Tensor:
        """Logits (n, classes), whatever the routing."""
        logits: Tensor = self.network(x)
        return logits


def build_network(recipe: Recipe, classes: int) -> nn.Module:
    """The network of a recipe, weights initialised from torch's global generator.

    A single architecture of NAS-Bench-1Shot1 (`sampling.law=fixed`) is built as NAS-Bench-101 builds it, with the
    benchmark's widths; in NAS-Bench-201 the super-net's only path is the stand-alone network already.
    """
    options = recipe.network
    within = space(recipe.space)
    if not isinstance(within, NB1Shot1):
        return NB201Net(classes, options)
    if recipe.sampling.architecture is not None:
        cell = within.cells(within.parse(recipe.sampling.architecture))
        network = NB101Net(classes, cell, options.channels, options.cells, options.bn_affine, options.bn_track)
        return StandAloneCell(network)
    return NB1Shot1Net(classes, within, options)
