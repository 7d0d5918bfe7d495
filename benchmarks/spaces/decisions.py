"""A search space as a product of independent categorical decisions.

Everything that weight-sharing NAS asks of a space (sampling, mutation, neighbourhoods, distances, encodings)
follows from its decisions; a space adds how its architectures are spelled and which of them coincide.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture

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


class SearchSpace(ABC):
    """A finite set of architectures, numbered 0 … len - 1 in the benchmark's official order.

    Unless a space overrides `_rank` and `_unrank`, that order counts the decisions' options with the last
    decision running fastest. Array arguments may be anything that NumPy turns into an array.
    """

    name: str
    title: str
    decisions: tuple[Decision, ...]

    # ---- numbering -------------------------------------------------------------------------------------------

    @cached_property
    def cardinalities(self) -> NDArray[np.int64]:
        """Number of options of each decision, shape (decisions,)."""
        return np.array([len(d) for d in self.decisions], dtype=np.int64)

    @property
    def operations(self) -> list[int]:
        """Numbers of the decisions about operations; the others are about parents."""
        return [number for number, d in enumerate(self.decisions) if isinstance(d.options[0], str)]

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Place value of each decision in the mixed-radix number, shape (decisions,)."""
        return np.append(np.cumprod(self.cardinalities[:0:-1])[::-1], 1)

    def __len__(self) -> int:
        return int(np.prod(self.cardinalities))

    def _rank(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Official index of each mixed-radix number."""
        return numbers

    def _unrank(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Mixed-radix number of each official index."""
        return indices

    def archs(self, indices: ArrayLike | None = None) -> Archs:
        """Architectures with these indices, or all of them in order: int8 array (n, decisions)."""
        rows = np.arange(len(self)) if indices is None else self.checked_indices(indices)
        return (self._unrank(rows)[:, None] // self._places % self.cardinalities).astype(np.int8)

    def indices(self, archs: ArrayLike) -> NDArray[np.int64]:
        """Index of each architecture of an array (n, decisions): int64 array (n,)."""
        return self._rank(self._checked_archs(archs) @ self._places)

    def _checked_archs(self, archs: ArrayLike) -> NDArray[np.int64]:
        table = np.atleast_2d(_whole(archs, self.name))
        if table.shape[-1] != len(self.decisions):
            raise BadArchitecture(
                f"{self.name}: an architecture has {len(self.decisions)} decisions, not {table.shape[-1]}"
            )
        wrong = ((table < 0) | (table >= self.cardinalities)).any(axis=1)
        if wrong.any():
            first = table[wrong.argmax()].tolist()
            raise BadArchitecture(
                f"{self.name}: {wrong.sum()} architecture(s) choose an option that does not exist, for example "
                f"{tuple(first)}; the decisions have {tuple(self.cardinalities.tolist())} options"
            )
        return table

    def arch(self, index: int) -> Arch:
        """The architecture with this index."""
        return tuple(self.archs([index])[0].tolist())

    def index(self, arch: Sequence[int]) -> int:
        """The index of this architecture."""
        return int(self.indices([arch])[0])

    def checked_indices(self, indices: ArrayLike) -> NDArray[np.int64]:
        """The indices as an int64 array (n,); BadArchitecture if one is outside 0 … len - 1."""
        rows = np.atleast_1d(_whole(indices, self.name))
        outside = (rows < 0) | (rows >= len(self))
        if outside.any():
            raise BadArchitecture(
                f"{self.name}: index {rows[outside][0]} is outside 0 … {len(self) - 1}"
                + (f" (and {outside.sum() - 1} more)" if outside.sum() > 1 else "")
            )
        return rows

    # ---- spelling --------------------------------------------------------------------------------------------

    @abstractmethod
    def string(self, arch: Sequence[int]) -> str:
        """The architecture's official string."""

    @abstractmethod
    def parse(self, text: str) -> Arch:
        """The architecture of an official string; BadArchitecture quotes what is wrong with it."""

    # ---- classes and subsets ---------------------------------------------------------------------------------

    @property
    def class_names(self) -> dict[str, str]:
        """Name -> meaning of each way in which architectures coincide."""
        return {}

    def classes(self, name: str) -> NDArray[np.int64]:
        """For every architecture the lowest index in its class: int64 array (len,)."""
        raise self._no_such("class", name, self.class_names)

    @property
    def subset_names(self) -> dict[str, str]:
        """Name -> meaning of each named part of the space; `unique-NAME` is one member of each class NAME."""
        return {f"unique-{k}": f"the first member of each class: {v}" for k, v in self.class_names.items()}

    def subset(self, name: str) -> NDArray[np.int64]:
        """Ascending indices of a named part of the space."""
        if name.startswith("unique-") and name[7:] in self.class_names:
            return np.unique(self.classes(name[7:]))
        raise self._no_such("subset", name, self.subset_names)

    def _no_such(self, what: str, name: str, known: dict[str, str]) -> BadArchitecture:
        return BadArchitecture(f"{self.name} has no {what} {name!r}; it has: {', '.join(known) or 'none'}")

    # ---- sampling and moves ----------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int, *, among: ArrayLike | None = None) -> NDArray[np.int64]:
        """Indices of n distinct architectures, uniform over the space or over the indices `among`.

        This is Random-A of Yu et al. (TPAMI 2021) when `among` holds one member per class.
        """
        pool: Any = len(self) if among is None else np.unique(self.checked_indices(among))
        return rng.choice(pool, size=n, replace=False).astype(np.int64)

    def sample_decisions(self, rng: np.random.Generator, n: int) -> Archs:
        """n architectures (repeats possible), each decision drawn on its own (Random-NAS): (n, decisions)."""
        return rng.integers(self.cardinalities, size=(n, len(self.decisions))).astype(np.int8)

    def mutate(self, arch: Sequence[int], rng: np.random.Generator, changes: int = 1) -> Arch:
        """A copy with exactly `changes` decisions, chosen uniformly, moved to another option, chosen uniformly."""
        child = list(arch)
        for d in rng.choice(len(child), size=changes, replace=False):
            other = int(rng.integers(self.cardinalities[d] - 1))
            child[d] = other + (other >= child[d])
        return tuple(child)

    def neighbours(self, arch: Sequence[int]) -> Archs:
        """All architectures that differ in exactly one decision: (sum of (options - 1), decisions)."""
        centre = np.asarray(arch, dtype=np.int8)
        moves = [(d, o) for d, k in enumerate(self.cardinalities) for o in range(k) if o != centre[d]]
        table = np.tile(centre, (len(moves), 1))
        table[np.arange(len(moves)), [d for d, _ in moves]] = [o for _, o in moves]
        return table

    def crossover(self, a: Sequence[int], b: Sequence[int], rng: np.random.Generator) -> Arch:
        """A child that takes each decision from either parent with probability one half."""
        return tuple(np.where(rng.random(len(a)) < 0.5, a, b).tolist())

    @staticmethod
    def distance(a: ArrayLike, b: ArrayLike) -> Any:
        """Hamming distance over decisions; broadcasts over leading axes."""
        return (np.asarray(a) != np.asarray(b)).sum(axis=-1)

    # ---- encodings -------------------------------------------------------------------------------------------

    def one_hot(self, archs: ArrayLike) -> NDArray[np.float32]:
        """One indicator per option of every decision: (n, sum of options)."""
        table = self._checked_archs(archs)
        code = np.zeros((len(table), int(self.cardinalities.sum())), dtype=np.float32)
        starts = np.append(0, np.cumsum(self.cardinalities)[:-1])
        code[np.arange(len(table))[:, None], table + starts] = 1
        return code

    @abstractmethod
    def adjacency(self, archs: ArrayLike) -> NDArray[np.float32]:
        """The graph's adjacency matrix and operations as one flat vector per architecture."""

    @abstractmethod
    def paths(self, archs: ArrayLike) -> NDArray[np.float32]:
        """One indicator per operation sequence from input to output (White et al., BANANAS, 2021)."""


def _whole(numbers: ArrayLike, name: str) -> NDArray[np.int64]:
    """Numbers as int64; fractions and masks are errors."""
    given = np.asarray(numbers)
    if given.size and given.dtype.kind not in "iu":
        raise BadArchitecture(f"{name}: indices and options are whole numbers, not {given.dtype} values")
    return given.astype(np.int64)
