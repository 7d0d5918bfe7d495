"""What the official tables of a benchmark hold, how they are checked, and how one gets them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

Read = Callable[[str], Any]
"""From the name of a column to the column, a PyArrow array."""


class Official(ABC):
    """A benchmark whose official files can be imported as ground-truth tables."""

    name: str
    """Of the benchmark. Its tables give it as their space, and `supernet data import` takes it."""
    title: str
    """What a table has a row for, such as the distinct cells of the benchmark."""
    fetched_as: str
    """What `supernet data fetch` calls the official file."""
    order: str
    """The order of a table's rows, for messages."""
    best: Mapping[str, float]
    """Accuracy column -> published accuracy of the best architecture, rounded to 0.01."""
    data_sets: Mapping[str, tuple[int, int]]
    """Data set -> its classes, and the size of its images in pixels a side."""
    train_images: Mapping[str, int]
    """Data set -> images on which the benchmark trained its stand-alone networks."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """Rows of a whole table."""

    @abstractmethod
    def in_order(self, keys: Sequence[str]) -> bool:
        """Whether these keys of all rows are those of a whole table, in its order."""

    @abstractmethod
    def counted_columns(self, columns: Collection[str]) -> list[str]:
        """The cost columns that a table with these columns should have, and that `count` can compute."""

    @abstractmethod
    def count(self, column: str, read: Read) -> NDArray[Any]:
        """What a cost column should hold, counted from the architectures: (rows,)."""

    def keys(self, read: Read, rows: NDArray[Any]) -> list[str] | None:
        """Keys of these rows, computed from other columns; None where no other column names the architectures."""
        return None
