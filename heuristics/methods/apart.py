"""Super-nets that hold several networks of one form, so that architectures need not share all of their weights."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, Archs, SearchSpace
from supernet.heuristics.hooks import Context, Supernet

Limits = Mapping[int, Sequence[int]]
"""Decision -> its options in a part of the space; a decision that is not listed keeps all of its options."""


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


class Partition(Several):
    """A partition of the space: each part has a network of its own, which computes the architectures of the part.

    The networks are whole, so that they also hold weights of options that their part does not have. Nothing uses these.

    Args:
        networks: one network for each part.
        limits: the options of each part; every architecture lies in exactly one part.
    """

    def __init__(self, networks: Sequence[Supernet], limits: Sequence[Limits]) -> None:
        super().__init__(networks)
        self.limits = [{decision: list(options) for decision, options in part.items()} for part in limits]

    @classmethod
    def of_copies(cls, network: Supernet, limits: Sequence[Limits]) -> Partition:
        """Make a partition from a network and copies of it."""
        return cls([network, *(copy.deepcopy(network) for _ in limits[1:])], limits)

    def split(self, part: int, decision: int, groups: Sequence[Sequence[int]]) -> Partition:
        """Return a partition in which a part is split into one part for each group of a decision's options.

        The new parts inherit the weights of the part, in its place.
        """
        networks, limits = list(self._networks), list(self.limits)
        copies = [networks[part], *(copy.deepcopy(networks[part]) for _ in groups[1:])]
        networks[part : part + 1] = copies
        limits[part : part + 1] = [{**limits[part], decision: list(group)} for group in groups]
        return Partition(networks, limits)

    def part_of(self, arch: Arch) -> int:
        """Return the number of the part that an architecture lies in.

        Raises:
            UserError: it is not one architecture for all cells, or has relaxed decisions.
        """
        if not all(isinstance(option, int) for option in arch):
            raise UserError("A super-net in parts computes single architectures, the same one in all cells.")
        for number, limits in enumerate(self.limits):
            if all(arch[decision] in options for decision, options in limits.items()):
                return number
        raise ValueError(f"no part of the super-net has the architecture {arch}")

    def forward(self, x: Tensor, routing: Any, features: list[Tensor] | None = None) -> Tensor:
        logits: Tensor = self._networks[self.part_of(routing)](x, routing, features)
        return logits

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """See `Supernet.logits_of`; each part computes its architectures in order, and so shares work among them."""
        parts = [self.part_of(arch) for arch in archs]
        streams = {
            part: self._networks[part].logits_of(x, [arch for arch, p in zip(archs, parts, strict=True) if p == part])
            for part in set(parts)
        }
        for part in parts:
            yield next(streams[part])

    def weight_sets(self, archs: Archs) -> NDArray[np.int64]:
        parts = np.array([self.part_of(arch) for arch in map(tuple, archs.tolist())], dtype=np.int64)
        within = [network.weight_sets(archs) for network in self._networks if isinstance(network, Several)]
        return np.column_stack([parts, *within])


def trained_options(ctx: Context) -> list[list[int]]:
    """Return the options of each decision that the recipe's sampling trains: all, or all but the idle one."""
    idle = None if ctx.recipe.sampling.with_none else ctx.space.idle_option
    operations = set(ctx.space.operations)
    return [
        [option for option in range(len(decision)) if number not in operations or option != idle]
        for number, decision in enumerate(ctx.space.decisions)
    ]


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
    d = ctx.recipe.distribution
    if d.model != "none" and d.step in ("first-order", "second-order"):
        raise UserError(
            f"The method {name} gives weights to single architectures, but distribution.step={d.step} mixes all of "
            "them: leave the distribution out, or let it learn by importance or reinforce."
        )


def checked_limits(parts: Sequence[Limits], space: SearchSpace, most: int) -> list[dict[int, list[int]]]:
    """Return the limits of the parts of a stored partition.

    Args:
        most: the largest number of parts that there can be.

    Raises:
        ValueError: they are not a partition of the space into at most this many parts.
    """
    if not 1 <= len(parts) <= most:
        raise ValueError(f"{len(parts)} parts")
    found = [{int(decision): [int(option) for option in kept] for decision, kept in part.items()} for part in parts]
    sizes = space.cardinalities.tolist()
    for part in found:
        for decision, kept in part.items():
            if not (0 <= decision < len(sizes) and kept and {*kept} <= {*range(sizes[decision])}):
                raise ValueError(f"decision {decision} has the options {kept}")
    return found
