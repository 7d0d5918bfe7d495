"""The interface of a search algorithm on a benchmark, and the loop that runs one under a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Protocol, runtime_checkable

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


@runtime_checkable
class Metered(Protocol):
    """An algorithm that spends more than its queries, such as passes of untrained networks."""

    def spent(self) -> Mapping[str, float]:
        """Return what was spent since the last call besides queries: kind of cost -> amount."""
        ...


Maker = Callable[[Moves, int, Random], SearchAlgorithm]
"""Function of moves, the number of the most expensive fidelity and random numbers -> a new algorithm."""


@dataclass
class Trace:
    """The queries of a search, in order."""

    indices: list[int] = field(default_factory=list)
    fidelities: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    beyond: list[Mapping[str, float]] = field(default_factory=list)
    """What was charged with each query besides the query itself: kind of cost -> amount."""

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
    What a `Metered` algorithm spent to find a query is charged with it.

    Args:
        ledger: the budget; the costs of queries are added to it.
        seed: seed of all random numbers of the search.
    """
    within = moves(objective.space.name)
    algorithm = make(within, objective.top, Random(seed))
    trace = Trace()
    metered = algorithm if isinstance(algorithm, Metered) else None
    while True:
        query = algorithm.ask()
        index = within.index(query.arch)
        fidelity = objective.fidelities[query.fidelity]
        cost = fidelity.seconds[index]
        # A query is charged the time of the training that it stands for, also in seconds by the clock.
        costs = {"queries": 1.0, "seconds": cost, "wall": cost}
        beyond = metered.spent() if metered else {}
        costs |= {kind: costs.get(kind, 0.0) + amount for kind, amount in beyond.items()}
        if not ledger.affords(**costs):
            return trace
        ledger.charge(**costs)
        value = fidelity.values[index]
        algorithm.tell(query, value)
        trace.indices.append(index)
        trace.fidelities.append(query.fidelity)
        trace.values.append(value)
        trace.beyond.append(beyond)
