"""Official benchmarks: the contents of their tables, and the values that checks compare them with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Read = Callable[[str], Any]
"""A function from the name of a column to the column, a PyArrow array."""


class Official:
    """A benchmark whose official files can be imported as ground-truth tables."""

    name: str
    """The space in its tables' metadata."""
    imported_as: str
    """The argument of `supernet data import`."""
    fetched_as: str
    """Name of the official file for `supernet data fetch`."""
    best: Mapping[str, float] = {}
    """Accuracy column -> published accuracy of the best architecture, rounded to 0.01."""
    data_sets: Mapping[str, tuple[int, int]]
    """Data set -> its classes, and the size of its images in pixels per side."""
    train_images: Mapping[str, int]
    """Data set -> images on which the benchmark trained its stand-alone networks."""

    @property
    def complete(self) -> Complete | None:
        """What a table of all architectures looks like; None if the benchmark measured a sample of its space."""
        return None


class Complete(Official, ABC):
    """A benchmark that measured all architectures of its space, so that its tables have a known order."""

    title: str
    """The things that rows of a table stand for, such as distinct cells of the benchmark; for messages."""
    order: str
    """The order of a table's rows, for messages."""

    @property
    def complete(self) -> Complete:
        return self

    @property
    @abstractmethod
    def rows(self) -> int:
        """Number of rows of a complete table."""

    @abstractmethod
    def in_order(self, keys: Sequence[str]) -> bool:
        """Whether these are the keys of a complete table, in the official order."""

    @abstractmethod
    def counted_columns(self, columns: Collection[str]) -> list[str]:
        """The cost columns that a table with these columns should have, and that `count` can compute."""

    @abstractmethod
    def count(self, column: str, read: Read) -> NDArray[Any]:
        """The correct values of a cost column, computed from the architectures: (rows,)."""

    def keys(self, read: Read, rows: NDArray[Any]) -> list[str] | None:
        """Keys of these rows, computed from other columns; None where no other column names the architectures."""
        return None
