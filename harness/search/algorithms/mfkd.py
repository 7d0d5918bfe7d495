"""MF-KD's search: Bayesian optimisation that fuses a cheap fidelity with the expensive one."""

from __future__ import annotations

from random import Random

import numpy as np

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.cokriging import CoKriging, Floats, alone, expected_improvement
from supernet.harness.search.algorithms.moves import Moves, unseen


class MFKD:
    """Chooses architectures by expected improvement under co-kriging of two fidelities (Trofimov et al., MF-KD, 2020).

    From the paper: many architectures are trained for a few epochs and few of them in full, and a multi-fidelity
    regression of both chooses the next ones. The paper's few epochs are with knowledge distillation; a table answers
    with its own accuracies after the fewest epochs. The cheapest fidelity is the low one, and the most expensive the
    high one. With one fidelity, this is Bayesian optimisation with a single Gaussian process.

    Our choice: the numbers below; `CoKriging` with an exponential kernel on path encodings; a round queries the
    architectures with the highest expected improvement at the low fidelity, and then those of all seen there whose
    improvement is still the highest at the high one; candidates are random architectures and the neighbours of the
    best. No architecture is queried twice at a fidelity until the whole space has been.

    Args:
        initial: number of random architectures at the start, and of the best of these that are also queried high.
        per_round: numbers of architectures of a round that are queried low and high.
        candidates: number of random architectures among the candidates.
        most: largest number of observations of a fidelity that the regression uses, the best ones; the time of a round
            grows with its cube.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        initial: tuple[int, int] = (20, 5),
        per_round: tuple[int, int] = (6, 2),
        candidates: int = 500,
        most: int = 300,
    ) -> None:
        self._moves, self._top, self._rng = moves, top, rng
        self._initial, self._per_round, self._candidates, self._most = initial, per_round, candidates, most
        self._seen: tuple[dict[Arch, float], dict[Arch, float]] = ({}, {})
        self._queue: list[Query] = []
        self._screening = True

    def ask(self) -> Query:
        if not self._queue:
            self._screening = not self._screening or not self._seen[0] or not self._top
            self._queue = self._low() if self._screening else self._high()
        return self._queue.pop(0)

    def tell(self, query: Query, value: float) -> None:
        if query.fidelity == 0:
            self._seen[0][query.arch] = value
        if query.fidelity == self._top:
            self._seen[1][query.arch] = value

    def _low(self) -> list[Query]:
        """Return architectures that are new at the cheap fidelity; the best once more if there are none."""
        low, high = self._seen
        if not low:
            chosen = unseen(self._moves, low, self._initial[0], self._rng)
        else:
            pool = dict.fromkeys(unseen(self._moves, low, self._candidates, self._rng))
            best = high or low
            near = self._moves.neighbours(max(best, key=best.__getitem__))
            pool |= dict.fromkeys(arch for arch in near if arch not in low)
            chosen = self._promising(list(pool))[: self._per_round[0]]
        if chosen:
            return [Query(arch, 0) for arch in chosen]
        waiting = [arch for arch in low if arch not in high]
        return [Query(arch, self._top) for arch in waiting] or [Query(max(high, key=high.__getitem__), self._top)]

    def _high(self) -> list[Query]:
        """Return the most promising architectures that were seen at the cheap fidelity alone."""
        low, high = self._seen
        waiting = [arch for arch in low if arch not in high]
        if not high:
            chosen = sorted(waiting, key=lambda arch: -low[arch])[: self._initial[1]]
        else:
            chosen = self._promising(waiting)[: self._per_round[1]]
        return [Query(arch, self._top) for arch in chosen] or self._low()

    def _promising(self, archs: list[Arch]) -> list[Arch]:
        """Return architectures by their expected improvement, the highest first."""
        if not archs:
            return []
        low, high = (self._observed(seen) for seen in self._seen)
        codes = self._code(archs)
        if self._top:
            mean, variance = CoKriging.fitted(low, high).predict(low, high, codes)
        else:
            mean, variance = alone(high, codes)
        order = np.argsort(-expected_improvement(mean, variance, float(high[1].max())), kind="stable")
        return [archs[place] for place in order.tolist()]

    def _observed(self, seen: dict[Arch, float]) -> tuple[Floats, Floats]:
        """Return encodings and centred values of the best architectures of a fidelity."""
        kept = sorted(seen, key=seen.__getitem__, reverse=True)[: self._most]
        values = np.array([seen[arch] for arch in kept])
        return self._code(kept), values - values.mean()

    def _code(self, archs: list[Arch]) -> Floats:
        return self._moves.space.path_code(archs).astype(np.float64)
