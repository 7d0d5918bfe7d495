"""The shape of a search algorithm on a benchmark, and the loop that runs one under a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.moves import Moves, moves
from supernet.harness.search.ledger import Ledger

if TYPE_CHECKING:
    from supernet.harness.search.objective import Objective


@dataclass(frozen=True)
class Query:
    """An architecture to be looked up at a fidelity, by number from the cheapest up."""

    arch: Arch
    fidelity: int


class SearchAlgorithm(Protocol):
    """An algorithm that asks for architectures and is told their accuracies."""

    def ask(self) -> Query:
        """The next query."""
        ...

    def tell(self, query: Query, value: float) -> None:
        """Take the answer to a query, an accuracy in percent."""
        ...


Maker = Callable[[Moves, int, Random], SearchAlgorithm]
"""(moves, number of the top fidelity, random numbers) -> a new algorithm."""


@dataclass
class Trace:
    """The queries of a search, in order."""

    indices: list[int] = field(default_factory=list)
    fidelities: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def incumbents(self) -> NDArray[np.int64]:
        """Index of the architecture that the search would pick after each query: (queries,).

        The best seen at the highest fidelity seen so far, the first of equals.
        """
        best, best_key = -1, (-1, -np.inf)
        picked = np.empty(len(self.indices), dtype=np.int64)
        for position, (index, fidelity, value) in enumerate(
            zip(self.indices, self.fidelities, self.values, strict=True)
        ):
            if (fidelity, value) > best_key:
                best, best_key = index, (fidelity, value)
            picked[position] = best
        return picked


def search(make: Maker, objective: Objective, ledger: Ledger, seed: int) -> Trace:
    """Run an algorithm until the next query would exceed its budget.

    Every query is charged, also for an architecture seen before: a repeated query stands for a second training.
    """
    within = moves(objective.space.name)
    algorithm = make(within, objective.top, Random(seed))
    trace = Trace()
    while True:
        query = algorithm.ask()
        index = within.index(query.arch)
        fidelity = objective.fidelities[query.fidelity]
        cost = fidelity.seconds[index]
        # By the clock, too, a query takes as long as the training that it stands for.
        if not ledger.affords(queries=1, seconds=cost, wall=cost):
            return trace
        ledger.charge(queries=1, seconds=cost, wall=cost)
        value = fidelity.values[index]
        algorithm.tell(query, value)
        trace.indices.append(index)
        trace.fidelities.append(query.fidelity)
        trace.values.append(value)
