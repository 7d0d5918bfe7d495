"""Random search, regularised evolution and local search."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from random import Random

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.moves import Moves


class RandomSearch:
    """Draws every architecture independently (Bergstra and Bengio, JMLR 2012; Li and Talwalkar, UAI 2019).

    Args:
        among: the architectures to draw from uniformly; the whole space by default.
        start: the first architectures, in place of random ones.
    """

    def __init__(
        self, moves: Moves, top: int, rng: Random, among: Sequence[Arch] = (), start: Iterable[Arch] = ()
    ) -> None:
        self._moves, self._top, self._rng, self._among = moves, top, rng, among
        self._start = iter(start)

    def ask(self) -> Query:
        given = next(self._start, None)
        return Query(given or self._drawn(), self._top)

    def _drawn(self) -> Arch:
        return self._rng.choice(self._among) if self._among else self._moves.random(self._rng)

    def tell(self, query: Query, value: float) -> None:
        """Do nothing: random search does not learn."""


class RegularisedEvolution:
    """Mutates the best of a random sample of the population; the child replaces the oldest (Real et al., AAAI 2019).

    Args:
        population: number of architectures in the population.
        sample: number of architectures in the sample. Both defaults are those of NAS-Bench-201's experiments (R_EA.py
            of D-X-Y/AutoDL-Projects).
        start: the first members of the population, in place of random ones.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        population: int = 10,
        sample: int = 3,
        start: Iterable[Arch] = (),
    ) -> None:
        self._moves, self._top, self._rng, self._sample = moves, top, rng, sample
        self._start = iter(start)
        self._population: deque[tuple[float, Arch]] = deque(maxlen=population)

    def ask(self) -> Query:
        population = self._population
        if len(population) < (population.maxlen or 0):
            given = next(self._start, None)
            return Query(given or self._moves.random(self._rng), self._top)
        # The sample is drawn with replacement, as in these experiments.
        candidates = [population[int(self._rng.random() * len(population))] for _ in range(self._sample)]
        parent = max(candidates, key=lambda member: member[0])[1]
        return Query(self._moves.mutated(parent, self._rng), self._top)

    def tell(self, query: Query, value: float) -> None:
        self._population.append((value, query.arch))


class LocalSearch:
    """Moves to the best of all neighbours until none is better, then restarts (White et al., UAI 2021).

    Architectures seen before are remembered and not queried again.
    """

    def __init__(self, moves: Moves, top: int, rng: Random) -> None:
        self._moves, self._top, self._rng = moves, top, rng
        self._seen: dict[Arch, float] = {}
        self._centre: Arch | None = None
        self._around: list[Arch] = []

    def ask(self) -> Query:
        while True:
            while self._around:
                arch = self._around.pop()
                if arch not in self._seen:
                    return Query(arch, self._top)
            if self._centre is not None and self._centre in self._seen and self._step():
                continue
            if len(self._seen) >= len(self._moves.space):
                return Query(self._centre or self._moves.random(self._rng), self._top)
            self._centre = self._moves.random(self._rng)
            self._around = [self._centre]

    def _step(self) -> bool:
        """Queue the neighbours of the centre, or move to the best of them; False if none of them is better."""
        assert self._centre is not None
        neighbours = self._moves.neighbours(self._centre)
        if any(arch not in self._seen for arch in neighbours):
            self._rng.shuffle(neighbours)
            self._around = neighbours
            return True
        best = max(neighbours, key=self._seen.__getitem__)
        if self._seen[best] <= self._seen[self._centre]:
            self._centre = None
            return False
        self._centre = best
        return True

    def tell(self, query: Query, value: float) -> None:
        self._seen[query.arch] = value
