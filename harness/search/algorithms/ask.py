"""The interface of a search algorithm on a benchmark, and the loop that runs one under a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from supernet.harness.search.algorithms.moves import Moves, moves
from supernet.harness.search.ledger import Ledger, added
from supernet.harness.search.objective import Objective
from supernet.harness.search.objective import Query as Query


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
    costs: list[Mapping[str, float]] = field(default_factory=list)
    """What each answer cost: kind of cost -> amount."""
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
    What a `Metered` algorithm spent to find a query is charged with it. The algorithm is not told an answer that
    exceeds the budget.

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
        beyond = metered.spent() if metered else {}
        if not ledger.affords(**added({"queries": 1.0}, beyond)):
            return trace
        answer = objective.ask(query)
        costs = added(answer.cost, beyond)
        if not ledger.affords(**costs):
            return trace
        ledger.charge(**costs)
        algorithm.tell(query, answer.value)
        trace.indices.append(within.index(query.arch))
        trace.fidelities.append(query.fidelity)
        trace.values.append(answer.value)
        trace.costs.append(answer.cost)
        trace.beyond.append(beyond)
