"""A search space as a product of independent categorical decisions.

The operations that weight-sharing NAS needs (sampling, mutation, neighbourhoods, distances, encodings) follow from the
decisions. A space adds the spelling of its architectures, and which of them coincide.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces.choices import Arch, Archs, Choices
from supernet.benchmarks.spaces.graph import Graph
from supernet.benchmarks.spaces.official import Official

MOST_LISTED = 10_000_000
"""Largest number of architectures for which a space is enumerated: our choice. The indices of a larger space would take
gigabytes, and its classes hours."""


class SearchSpace(Choices, ABC):
    """A finite set of architectures, numbered 0 … len - 1 in the benchmark's official order.

    Unless a space overrides `_rank` and `_unrank`, this order counts the decisions' options, and the last decision
    changes fastest. Array arguments may be anything that NumPy turns into an array.

    Everything specific to a space is a member here, so that no other module needs to know which spaces exist.
    """

    name: str
    title: str
    official: Official | None = None
    """The benchmark whose official tables hold results of this space, if there is one."""
    own_network: tuple[int, int]
    """Channels and cells per stage of the stand-alone networks of the benchmark."""
    operations_on: Literal["edges", "nodes"] = "edges"
    """Whether operations are on edges or on nodes. The width of a node with an operation may depend on its parents."""
    fixed_edges: bool = False
    """Whether every architecture has the same edges, each with one decision, about its operation: then operations can
    see a part of the channels, and edges can have weights."""
    idle_option: int | None = None
    """The option of an operation decision that computes nothing, if the space has one; it is the first."""
    skip_option: int | None = None
    """The option of a skip connection, if the space has one: many of them in a cell are a known sign of a failed
    search."""
    shortest_paths: int | None = None
    """Number of paths of `path_code` that the published settings of BANANAS keep, the shortest first; None for all."""
    distinct_class: str | None = None
    """The kind of class for `distinct`, which takes one member of each; None if every architecture is distinct."""
    computation_class: str | None = None
    """The kind of class whose members a weight-sharing super-net cannot tell apart; None if it tells all apart."""
    function_class: str | None = None
    """The kind of class whose members are the same network in stand-alone training; None if none coincide."""
    twin_class: str | None = None
    """The kind of class whose members compute the same function with the weights of their operations matched, by
    algebra; None if none coincide. It is as coarse as `function_class` or coarser."""
    nested_kernels: bool = True
    """Whether there is a smaller convolution beside a larger one, so that its kernel can be the larger one's centre."""
    weightless: tuple[str, ...] = ()
    """The operations that compute something without weights."""

    # ---- numbering -------------------------------------------------------------------------------------------

    @property
    def first_working(self) -> int:
        """The first option of an operation decision that computes something."""
        return 0 if self.idle_option is None else self.idle_option + 1

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        """Place value of each decision in the mixed-radix number, shape (decisions,)."""
        if len(self) >= 1 << 63:
            raise ValueError(f"{self.name} has more architectures than 64-bit indices can number")
        return np.append(np.cumprod(self.cardinalities[:0:-1])[::-1], 1)

    def __len__(self) -> int:
        return math.prod(map(len, self.decisions))

    @property
    def enumerable(self) -> bool:
        """Whether all architectures can be listed."""
        return len(self) <= MOST_LISTED

    def every_index(self, purpose: str) -> NDArray[np.int64]:
        """All indices, 0 … len - 1: (len,). Every computation that needs the whole space calls this first.

        Args:
            purpose: the work, for the message, such as "a search on a table".

        Raises:
            UserError: the space is too large to be listed.
        """
        if not self.enumerable:
            raise UserError(
                f"{self.title} has about {float(len(self)):.1g} architectures, too many to list, but {purpose} needs "
                "all of them. Name the architectures, or give the number to sample."
            )
        return np.arange(len(self))

    def _rank(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Official index of each mixed-radix number."""
        return numbers

    def _unrank(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Mixed-radix number of each official index."""
        return indices

    def archs(self, indices: ArrayLike | None = None) -> Archs:
        """Architectures with these indices, or all of them in order: int8 array (n, decisions)."""
        rows = self.every_index("a list of the space") if indices is None else self.checked_indices(indices)
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

    def known_index(self, arch: Arch) -> int:
        """Return the index of an architecture without the checks of `index`, which makes it fifty times as fast."""
        number = 0
        for option, place in zip(arch, self._place_list, strict=True):
            number += option * place
        return self._rank_one(number)

    @cached_property
    def _place_list(self) -> list[int]:
        return [int(place) for place in self._places]

    def _rank_one(self, number: int) -> int:
        """Official index of one mixed-radix number."""
        return int(self._rank(np.array([number]))[0])

    def checked_indices(self, indices: ArrayLike) -> NDArray[np.int64]:
        """Return the indices as an int64 array (n,).

        Raises:
            BadArchitecture: an index is outside 0 … len - 1, or is not a whole number.
        """
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
        """Return the architecture of an official string.

        Raises:
            BadArchitecture: the string names no architecture of the space; the text quotes what is wrong with it.
        """

    def strings(self, archs: ArrayLike) -> list[str]:
        """The official string of each architecture of an array (n, decisions): n texts."""
        return [self.string(arch) for arch in np.atleast_2d(np.asarray(archs)).tolist()]

    def table_columns(self, archs: ArrayLike) -> dict[str, list[str]]:
        """The columns by which a ground-truth table names these architectures, the key column first: n texts each."""
        return {"arch": self.strings(archs)}

    def table_keys(self, archs: ArrayLike, column: str = "arch") -> list[str]:
        """The names of these architectures in the key column of a ground-truth table: n texts.

        Args:
            column: the key column of the table, `arch` or `hash`. A space without hashes shares no architecture
                with a table of hashes.
        """
        return self.strings(archs)

    names_cells = False
    """Whether an architecture can be named by a NAS-Bench-101 cell (see `indices_of_hashes`)."""

    def indices_of_hashes(self, hashes: Sequence[str]) -> NDArray[np.int64]:
        """Index of the first architecture with each NAS-Bench-101 graph hash, -1 if there is no match: (n,)."""
        return np.full(len(hashes), -1, dtype=np.int64)

    # ---- classes and subsets ---------------------------------------------------------------------------------

    @property
    def class_names(self) -> dict[str, str]:
        """Name of each kind of class of coinciding architectures -> its meaning."""
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

    @property
    def counted(self) -> Mapping[str, int]:
        """Known sizes of subsets, so that a list of spaces need not enumerate them."""
        return {}

    def count(self, subset: str) -> int:
        """How many architectures a named part of the space has."""
        known = self.counted.get(subset)
        return len(self.subset(subset)) if known is None else known

    def distinct(self) -> NDArray[np.int64]:
        """Ascending indices of one architecture per `distinct_class`, the benchmark's own count: (distinct,).

        Raises:
            UserError: the space is too large to be listed.
        """
        if self.distinct_class is None:
            return self.every_index("a list of the distinct architectures")
        return self.subset(f"unique-{self.distinct_class}")

    def same_entry(self, indices: ArrayLike) -> NDArray[np.int64]:
        """For each of these architectures the first one of its `distinct_class`, which has the same ground truth."""
        return self._first_of(self.distinct_class, indices)

    def same_computation(self, indices: ArrayLike) -> NDArray[np.int64]:
        """For each of these architectures the first one of its `computation_class`: (n,)."""
        return self._first_of(self.computation_class, indices)

    def same_function(self, indices: ArrayLike) -> NDArray[np.int64]:
        """For each of these architectures the first one of its `function_class`: (n,)."""
        return self._first_of(self.function_class, indices)

    def twins(self, indices: ArrayLike) -> NDArray[np.int64]:
        """For each of these architectures the first one of its `twin_class`: (n,)."""
        return self._first_of(self.twin_class, indices)

    def _first_of(self, kind: str | None, indices: ArrayLike) -> NDArray[np.int64]:
        rows = self.checked_indices(indices)
        return rows if kind is None else self.classes(kind)[rows]

    def live(self, archs: ArrayLike) -> Archs:
        """Architectures with each choice that their output does not depend on set to its first option.

        Args:
            archs: (n, decisions); so is the result.
        """
        return np.atleast_2d(np.asarray(archs, dtype=np.int8))

    def live_operations(self, archs: ArrayLike) -> NDArray[np.bool_]:
        """Whether the output depends on the operation of each of the decisions `operations`: (n, operations)."""
        chosen = self.live(archs)[:, list(self.operations)]
        return np.ones(chosen.shape, dtype=np.bool_) if self.idle_option is None else chosen != self.idle_option

    def connected(self, archs: ArrayLike, cells: int | None = None) -> NDArray[np.bool_]:
        """Whether the output of each of these architectures depends on its input: (n,).

        Args:
            cells: cells per stage of the network (default: those of the benchmark). They matter where a cell reads two
                cells before it.
        """
        return np.ones(len(np.atleast_2d(np.asarray(archs))), dtype=np.bool_)

    @property
    def live_edges(self) -> NDArray[np.bool_]:
        """Whether each operation lies on a path from input to output, for spaces with an idle option: (len, decisions).

        Raises:
            UserError: no option of the space is idle.
        """
        raise UserError(f"{self.name} has no operation that stands for none, so that all of its operations are live.")

    def extremes(self) -> tuple[Arch, Arch] | None:
        """Return the largest and the smallest architecture; None if the space does not define them."""
        return None

    def _no_such(self, what: str, name: str, known: dict[str, str]) -> BadArchitecture:
        return BadArchitecture(f"{self.name} has no {what} {name!r}; it has: {', '.join(known) or 'none'}")

    # ---- sampling --------------------------------------------------------------------------------------------

    def sample(self, rng: np.random.Generator, n: int, *, among: ArrayLike | None = None) -> NDArray[np.int64]:
        """Indices of n distinct architectures, uniform over the space or over the indices `among`.

        This is Random-A of Yu et al. (TPAMI 2021) when `among` holds one member per class.
        """
        pool: Any = len(self) if among is None else np.unique(self.checked_indices(among))
        return rng.choice(pool, size=n, replace=False).astype(np.int64)

    # ---- what a network costs --------------------------------------------------------------------------------

    def relaxed_cost(self, relaxed: Collection[int], options: int) -> float:
        """Return the number of architectures that cost as much as one in which some decisions are relaxed.

        Decisions about parents cost nothing where operations are on nodes.

        Args:
            relaxed: numbers of the decisions of which all options are computed.
            options: number of the options of an operation that are computed.
        """
        return float(options) if set(relaxed) & set(self.operations) else 1.0

    @abstractmethod
    def params(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """Trainable parameters of the stand-alone network of each architecture: (n,).

        Args:
            channels: channels of the first stage; default: the benchmark's own (see `own_network`).
            cells: cells per stage; default: the benchmark's own.
            size: height and width of the images in pixels; parameters do not depend on it.
            classes: number of outputs of the classifier.
        """

    @abstractmethod
    def flops(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> NDArray[np.int64]:
        """Multiply-accumulates of the stand-alone network for one image, as the benchmark counts them: (n,).

        Args: see `params`.
        """

    def costs(
        self, archs: ArrayLike, channels: int | None = None, cells: int | None = None, size: int = 32, classes: int = 10
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`params` and `flops`: (n,) each."""
        network = (channels, cells, size, classes)
        return self.params(archs, *network), self.flops(archs, *network)

    # ---- encodings and drawings ------------------------------------------------------------------------------

    @abstractmethod
    def path_code(self, archs: ArrayLike) -> NDArray[np.float32]:
        """Return one indicator per operation sequence from input to output, the shortest first: (n, paths).

        This is the path encoding of BANANAS (White et al., AAAI 2021).
        """

    @abstractmethod
    def layout(self, arch: Sequence[int]) -> tuple[Graph, ...]:
        """Return the cells of an architecture as graphs for drawings, one for each kind of cell."""


def _whole(numbers: ArrayLike, name: str) -> NDArray[np.int64]:
    """Return numbers as int64; fractions and masks are errors."""
    given = np.asarray(numbers)
    if given.size and given.dtype.kind not in "iu":
        raise BadArchitecture(f"{name}: indices and options are whole numbers, not {given.dtype} values")
    return given.astype(np.int64)
