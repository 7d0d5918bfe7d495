"""Architectures as tuples, drawn and changed one at a time, quickly: what algorithms that ask one by one need."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np

from supernet.benchmarks.spaces import Arch, SearchSpace, space


class Moves:
    """Draws, mutations, neighbours and indices of a space."""

    def __init__(self, within: SearchSpace) -> None:
        self.space = within
        self.options: list[int] = within.cardinalities.tolist()
        self._places: list[int] = within._places.tolist()
        self._index: list[int] = within._rank(np.arange(len(within))).tolist()

    def random(self, rng: Random) -> Arch:
        """An architecture with every decision drawn on its own."""
        return tuple([int(rng.random() * k) for k in self.options])

    def mutated(self, arch: Arch, rng: Random) -> Arch:
        """The architecture with one decision, drawn uniformly, moved to another option, drawn uniformly."""
        place = int(rng.random() * len(arch))
        option = int(rng.random() * (self.options[place] - 1))
        return (*arch[:place], option + (option >= arch[place]), *arch[place + 1 :])

    def neighbours(self, arch: Arch) -> list[Arch]:
        """All architectures that differ in one decision."""
        return [
            (*arch[:place], option, *arch[place + 1 :])
            for place, k in enumerate(self.options)
            for option in range(k)
            if option != arch[place]
        ]

    def index(self, arch: Arch) -> int:
        """The official index."""
        number = 0
        for option, place in zip(arch, self._places, strict=True):
            number += option * place
        return self._index[number]


@lru_cache(maxsize=2)
def moves(name: str) -> Moves:
    """The moves of a space, made once."""
    return Moves(space(name))
