"""The view of a space for algorithms that ask for one architecture at a time."""

from __future__ import annotations

from functools import lru_cache

from supernet.benchmarks.spaces import SearchSpace, space


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
