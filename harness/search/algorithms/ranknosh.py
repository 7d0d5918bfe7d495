"""RANK-NOSH: non-uniform successive halving, with new architectures proposed by a network that learns to rank."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.adam import Adam
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.moves import Moves, unseen


@dataclass(frozen=True)
class Ranker:
    """The hyper-parameters of a network with one hidden layer that learns which of two architectures is better.

    The loss is the mean of max(0, margin - (f(a) - f(b))) over the pairs in which a is known to be better than b.
    """

    width: int = 32
    steps: int = 150
    rate: float = 0.01
    margin: float = 0.1

    def predict(
        self,
        codes: NDArray[np.float32],
        better: NDArray[np.bool_],
        others: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Fit a network and return its scores of other architectures, higher is better: (others,).

        Args:
            codes: encodings of the architectures that are compared: (n, inputs).
            better: whether the architecture of a row is better than that of a column: (n, n).
            others: encodings of the architectures to score: (others, inputs).
        """
        x, n = codes.astype(np.float64), max(1, int(better.sum()))
        inputs = x.shape[1]
        weights = [
            rng.normal(size=(inputs, self.width)) / np.sqrt(inputs), np.zeros(self.width),
            rng.normal(size=self.width) / np.sqrt(self.width),
        ]  # fmt: skip
        adam = Adam(weights, self.rate)
        for _ in range(self.steps):
            hidden = np.maximum(x @ weights[0] + weights[1], 0)
            score = hidden @ weights[2]
            wrong = better & (score[:, None] - score < self.margin)
            slope = (wrong.sum(axis=0) - wrong.sum(axis=1)) / n
            back = np.outer(slope, weights[2]) * (hidden > 0)
            adam.step([x.T @ back, back.sum(axis=0), hidden.T @ slope])
        return np.asarray(np.maximum(others @ weights[0] + weights[1], 0) @ weights[2])


class RankNOSH:
    """Keeps a pyramid of architectures at rising fidelities (Wang et al., RANK-NOSH, ICCV 2021).

    From the paper: every round queries new architectures at the cheapest fidelity, and the best share of each level is
    queried at the next one, so that few architectures are trained for long. A network learns the order of pairs with a
    margin loss, and proposes most of the new architectures. Values are compared within a level only; an architecture
    that was promoted is better than those that were not, so that the network also learns from discarded ones.

    Our choice: the numbers below and those of `Ranker`; the network has one hidden layer on path encodings; the levels
    are the fidelities of the benchmark; proposals are the best of random architectures. No architecture is queried
    twice at a fidelity until the whole space has been queried at the cheapest one. With one fidelity nothing is halved,
    and the network remains.

    Args:
        ratio: share of the architectures of a level that are promoted.
        per_round: number of new architectures in a round.
        predicted: number of these that the network chooses; the others are random. All of the first round are random.
        candidates: number of random architectures from which the network chooses.
        most: largest number of architectures whose pairs the network learns from, at random beyond it.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        ratio: float = 0.5,
        per_round: int = 10,
        predicted: int = 8,
        candidates: int = 1000,
        most: int = 500,
        ranker: Ranker = Ranker(),
    ) -> None:
        self._moves, self._top, self._rng, self._ranker = moves, top, rng, ranker
        self._most = most
        self._ratio, self._per_round, self._predicted, self._candidates = ratio, per_round, predicted, candidates
        self._numbers = np.random.default_rng(rng.getrandbits(63))
        self._known: dict[Arch, tuple[int, float]] = {}
        self._queue: list[Query] = []

    def ask(self) -> Query:
        if not self._queue:
            self._queue = self._promotions() or self._round()
        return self._queue.pop(0)

    def tell(self, query: Query, value: float) -> None:
        self._known[query.arch] = query.fidelity, value

    def _promotions(self) -> list[Query]:
        """Return the best architectures that wait at the lowest level from which too few have been promoted."""
        for level in range(self._top):
            waiting = [(value, arch) for arch, (reached, value) in self._known.items() if reached == level]
            beyond = sum(reached > level for reached, _ in self._known.values())
            due = int(self._ratio * (beyond + len(waiting))) - beyond
            if due > 0:
                best = sorted(waiting, key=lambda member: -member[0])[:due]
                return [Query(arch, level + 1) for _, arch in best]
        return []

    def _round(self) -> list[Query]:
        """Return new architectures; the best one again if all of the space was queried at the cheapest fidelity."""
        pool = unseen(self._moves, self._known, max(self._candidates, self._per_round), self._rng)
        if not pool:
            return [Query(max(self._known, key=self._known.__getitem__), self._top)]
        by_network = self._best(pool)[: self._predicted] if self._known else []
        at_random = [arch for arch in pool if arch not in by_network][: self._per_round - len(by_network)]
        return [Query(arch, 0) for arch in (*by_network, *at_random)]

    def _best(self, pool: list[Arch]) -> list[Arch]:
        """Return the architectures of a pool in the order of the network, the best first."""
        code, archs = self._moves.space.path_code, list(self._known)
        if len(archs) > self._most:
            archs = self._rng.sample(archs, self._most)
        level, value = np.array([self._known[arch] for arch in archs]).T
        better = (level[:, None] > level) | ((level[:, None] == level) & (value[:, None] > value))
        scores = self._ranker.predict(code(archs), better, code(pool), self._numbers)
        return [pool[place] for place in np.argsort(-scores, kind="stable").tolist()]
