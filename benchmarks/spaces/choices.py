"""Architectures as one option for each of several decisions, and the ways to draw and change them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Arch = tuple[int, ...]
"""One option number per decision."""
Archs = NDArray[np.int8]
"""Many architectures, shape (n, decisions)."""


@dataclass(frozen=True)
class Decision:
    """One categorical choice: the operation of an edge or node, or the set of nodes that it reads."""

    name: str
    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(set(self.options)) != len(self.options) or len(self.options) < 2:
            raise ValueError(f"decision {self.name!r} needs two or more distinct options, got {self.options}")

    def __len__(self) -> int:
        return len(self.options)


class Choices:
    """Independent decisions; an architecture takes one option of each."""

    decisions: tuple[Decision, ...]

    @cached_property
    def cardinalities(self) -> NDArray[np.int64]:
        """Number of options of each decision, shape (decisions,)."""
        return np.array([len(d) for d in self.decisions], dtype=np.int64)

    @property
    def operations(self) -> list[int]:
        """Numbers of the decisions about operations; the others are about parents."""
        return [number for number, d in enumerate(self.decisions) if isinstance(d.options[0], str)]

    def sample_decisions(self, rng: np.random.Generator, n: int) -> Archs:
        """Draw n architectures with independent decisions (Random-NAS): (n, decisions). They may repeat."""
        return rng.integers(self.cardinalities, size=(n, len(self.decisions))).astype(np.int8)

    @cached_property
    def options(self) -> list[int]:
        """Number of options of each decision as a list, which is faster than an array for single architectures."""
        return [len(d) for d in self.decisions]

    def draw(self, rng: Random) -> Arch:
        """Draw an architecture with independent decisions."""
        return tuple([int(rng.random() * k) for k in self.options])

    def mutate(self, arch: Arch, rng: Random) -> Arch:
        """Return a copy in which one random decision has another random option, both drawn uniformly."""
        place = int(rng.random() * len(arch))
        return (*arch[:place], self._other(arch, place, rng), *arch[place + 1 :])

    def mutate_each(self, arch: Arch, probability: float, rng: Random) -> Arch:
        """Return a copy in which each decision has, with this probability, another option, drawn uniformly."""
        return tuple(
            [
                self._other(arch, place, rng) if rng.random() < probability else option
                for place, option in enumerate(arch)
            ]
        )

    def _other(self, arch: Arch, place: int, rng: Random) -> int:
        """Draw an option of a decision uniformly from those that the architecture does not have."""
        option = int(rng.random() * (self.options[place] - 1))
        return option + (option >= arch[place])

    def neighbours(self, arch: Arch) -> list[Arch]:
        """Return all architectures that differ in exactly one decision; there are sum(options - 1) of them."""
        return [
            (*arch[:place], option, *arch[place + 1 :])
            for place, k in enumerate(self.options)
            for option in range(k)
            if option != arch[place]
        ]

    @staticmethod
    def crossover(a: ArrayLike, b: ArrayLike, rng: np.random.Generator) -> Archs:
        """Return children that take each decision from either parent with probability one half: (n, decisions).

        Args:
            a, b: the parents: (n, decisions) each.
        """
        first = np.asarray(a, dtype=np.int8)
        return np.where(rng.random(first.shape) < 0.5, first, np.asarray(b, dtype=np.int8))

    def redraw(self, archs: Archs, probability: float, rng: np.random.Generator) -> Archs:
        """Return copies in which each decision is redrawn, with this probability, from all options: (n, decisions)."""
        redrawn = self.sample_decisions(rng, len(archs))
        return np.where(rng.random(archs.shape) < probability, redrawn, archs)

    @staticmethod
    def distance(a: ArrayLike, b: ArrayLike) -> Any:
        """Return the Hamming distance, the number of differing decisions; leading axes are broadcast."""
        return (np.asarray(a) != np.asarray(b)).sum(axis=-1)
