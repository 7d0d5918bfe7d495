"""The objective of a search: whatever answers a query with a value and says what the answer costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from supernet.benchmarks.spaces import Arch, SearchSpace


@dataclass(frozen=True)
class Query:
    """An architecture to look up at a fidelity."""

    arch: Arch
    fidelity: int
    """Number of the fidelity, 0 for the cheapest."""


@dataclass(frozen=True)
class Answer:
    """The answer to a query."""

    value: float
    """The value that the search maximises: an accuracy in percent, or a score."""
    cost: Mapping[str, float]
    """Kind of cost -> amount, which a `Ledger` charges. A query counts as one, whatever answers it."""


class Objective(Protocol):
    """The function that a search maximises.

    `objectives` has four: a table of stand-alone results, a trained super-net, a training-free score, and real
    trainings.
    """

    @property
    def space(self) -> SearchSpace:
        """The space of the architectures."""
        ...

    @property
    def top(self) -> int:
        """Number of the most expensive fidelity."""
        ...

    def ask(self, query: Query) -> Answer:
        """Answer a query. The same query may be asked again, and is then charged again.

        Raises:
            UserError: the architecture or the fidelity has no answer.
        """
        ...
