"""Super-nets that hold several networks of one form, so that architectures need not share all of their weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Archs
from supernet.heuristics.hooks import Context, Supernet


class Several(Supernet):
    """Several networks of one form, and a rule that says which weights compute an architecture.

    Args:
        networks: the networks; the first one stands for all where they are alike.
    """

    def __init__(self, networks: Sequence[Supernet]) -> None:
        super().__init__()
        self._networks = list(networks)
        self.networks = nn.ModuleList(networks)

    @property
    def cell_count(self) -> int:
        return self._networks[0].cell_count

    def set_progress(self, share: float) -> None:
        for network in self._networks:
            network.set_progress(share)

    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """Return the weights of the modules that compute an option of a decision, over all networks."""
        return [p for network in self._networks for p in network.parameters_of(decision, option)]

    def operations_of(self, decision: int, option: int) -> list[list[nn.Module]]:
        """Return each cell's modules that compute an option, those of all networks."""
        each = [network.operations_of(decision, option) for network in self._networks]
        return [[module for modules in cell for module in modules] for cell in zip(*each, strict=True)]

    def network(self, number: int) -> Supernet:
        """Return one of the networks."""
        return self._networks[number]

    @abstractmethod
    def weight_sets(self, archs: Archs) -> NDArray[np.int64]:
        """Return rows of numbers that are equal for two architectures if the same weights compute both: (n, columns).

        Args:
            archs: (n, decisions).
        """


def require_single_architectures(name: str, ctx: Context) -> None:
    """Check that every path of the recipe is one architecture, which has weights of its own.

    Args:
        name: the method that needs this, for the message.

    Raises:
        UserError: the recipe draws an architecture for every cell, or relaxes decisions.
    """
    if ctx.recipe.sampling.per_cell:
        raise UserError(
            f"The method {name} gives weights to whole architectures, but sampling.per_cell draws one for every cell: "
            "set sampling.per_cell=false."
        )
    require_no_mixtures(name, ctx)


def require_no_mixtures(name: str, ctx: Context) -> None:
    """Check that every path of the recipe has one option for each decision.

    Args:
        name: the method that needs this, for the message.

    Raises:
        UserError: the recipe relaxes decisions.
    """
    d = ctx.recipe.distribution
    if d.model != "none" and d.step in ("first-order", "second-order"):
        raise UserError(
            f"The method {name} gives weights to single architectures, but distribution.step={d.step} mixes all of "
            "them: leave the distribution out, or let it learn by importance or reinforce."
        )
