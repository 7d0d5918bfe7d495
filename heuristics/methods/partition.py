"""A super-net in parts, each of which has some options of a decision and weights of its own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, Archs, SearchSpace
from supernet.heuristics.hooks import Supernet
from supernet.heuristics.methods.apart import Several

Limits = Mapping[int, Sequence[int]]
"""Decision -> its options in a part of the space; a decision that is not listed keeps all of its options."""


class Partition(Several):
    """A partition of the space: each part has a network of its own, which computes the architectures of the part.

    The networks are whole: they also hold weights of options that their part does not have, which nothing uses.

    Args:
        networks: one network for each part.
        limits: the options of each part; every architecture lies in exactly one part.
    """

    def __init__(self, networks: Sequence[Supernet], limits: Sequence[Limits]) -> None:
        super().__init__(networks)
        self.limits = [{decision: list(options) for decision, options in part.items()} for part in limits]

    def split(self, part: int, decision: int, groups: Sequence[Sequence[int]]) -> Partition:
        """Return a partition in which a part is split into one part for each group of a decision's options.

        The new parts inherit the weights of the part, in its place.
        """
        networks, limits = list(self._networks), list(self.limits)
        networks[part : part + 1] = copies(networks[part], len(groups))
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


def copies(network: Supernet, count: int) -> list[Supernet]:
    """Return a network and further copies of it, `count` in all."""
    return [network, *(copy.deepcopy(network) for _ in range(count - 1))]


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
