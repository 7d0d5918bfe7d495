"""The interface of a search algorithm on a benchmark, and the loop that runs one under a budget."""

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
    """An architecture to look up at a fidelity."""

    arch: Arch
    fidelity: int
    """Number of the fidelity, 0 for the cheapest."""


class SearchAlgorithm(Protocol):
    """An algorithm that asks for architectures and is told their accuracies."""

    def ask(self) -> Query:
        """Return the next query."""
        ...

    def tell(self, query: Query, value: float) -> None:
        """Take the answer to a query, an accuracy in percent."""
        ...


Maker = Callable[[Moves, int, Random], SearchAlgorithm]
"""Function of moves, the number of the most expensive fidelity and random numbers -> a new algorithm."""


@dataclass
class Trace:
    """The queries of a search, in order."""

    indices: list[int] = field(default_factory=list)
    fidelities: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)

    def incumbents(self) -> NDArray[np.int64]:
        """Return the index of the architecture that the search would pick after each query: (queries,).

        It is the best one at the highest fidelity queried so far, the first of equals.
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

    Every query is charged, even if the architecture was seen before: a repeated query stands for a second training.

    Args:
        ledger: the budget; the costs of queries are added to it.
        seed: seed of all random numbers of the search.
    """
    within = moves(objective.space.name)
    algorithm = make(within, objective.top, Random(seed))
    trace = Trace()
    while True:
        query = algorithm.ask()
        index = within.index(query.arch)
        fidelity = objective.fidelities[query.fidelity]
        cost = fidelity.seconds[index]
        # A query is charged the time of the training that it stands for, also in seconds by the clock.
        if not ledger.affords(queries=1, seconds=cost, wall=cost):
            return trace
        ledger.charge(queries=1, seconds=cost, wall=cost)
        value = fidelity.values[index]
        algorithm.tell(query, value)
        trace.indices.append(index)
        trace.fidelities.append(query.fidelity)
        trace.values.append(value)
