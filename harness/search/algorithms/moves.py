"""The view of a space for algorithms that ask for one architecture at a time."""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from random import Random

from supernet.benchmarks.spaces import Arch, SearchSpace, space

TRIES = 3
"""Number of random draws for each new architecture that is wanted, our choice."""


class Moves:
    """Draws, mutations, neighbours and indices of a space."""

    def __init__(self, within: SearchSpace) -> None:
        self.space = within
        self.options = within.options
        """Number of options of each decision."""
        self.random = within.draw
        self.mutated = within.mutate
        self.mutated_each = within.mutate_each
        self.neighbours = within.neighbours
        self.index = within.known_index


@lru_cache(maxsize=2)
def moves(name: str) -> Moves:
    """Return the moves of a space, which are cached."""
    return Moves(space(name))


def unseen(within: Moves, seen: Container[Arch], count: int, rng: Random) -> list[Arch]:
    """Draw distinct architectures that are not in `seen`: up to `count`, and none if all of the space has been seen.

    Near the end of a space, where random draws find few new architectures, what is left is listed instead.
    """
    found: dict[Arch, None] = {}
    for _ in range(TRIES * count):
        arch = within.random(rng)
        if arch not in seen:
            found[arch] = None
        if len(found) == count:
            return list(found)
    if found or not within.space.enumerable:
        return list(found)
    left = [arch for arch in map(tuple, within.space.archs().tolist()) if arch not in seen]
    return rng.sample(left, min(count, len(left)))
