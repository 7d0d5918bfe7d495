"""Successive halving, Hyperband and BOHB over the fidelities that a benchmark has."""

from __future__ import annotations

import math
from random import Random

from benchmarks.spaces import Arch
from harness.search.algorithm import Query
from harness.search.moves import Moves

ETA = 3
"""Of so many, one goes on to the next fidelity."""


class Hyperband:
    """Brackets of successive halving, from many at the cheapest fidelity to few at the most expensive, over and over
    (Li et al., JMLR 2018).

    Fidelities take the place of powers of eta: a bracket that starts k fidelities below the top begins with
    ceil((levels / (k + 1)) eta^k) architectures.

    Args:
        brackets: how far below the top brackets start, in turn; all of them without.
    """

    def __init__(self, moves: Moves, top: int, rng: Random, brackets: tuple[int, ...] | None = None) -> None:
        self._moves, self._rng, self._top = moves, rng, top
        self._starts = brackets or tuple(range(top, -1, -1))
        self._turn = -1
        self._queue: list[Arch] = []
        self._told: list[tuple[float, Arch]] = []
        self._level = 0

    def propose(self) -> Arch:
        """A new architecture."""
        return self._moves.random(self._rng)

    def ask(self) -> Query:
        if not self._queue:
            kept = len(self._told) // ETA
            if self._told and self._level < self._top and kept:
                self._level += 1
                self._queue = [arch for _, arch in sorted(self._told, key=lambda told: -told[0])[:kept]]
            else:
                self._turn += 1
                below = self._starts[self._turn % len(self._starts)]
                self._level = self._top - below
                self._queue = [None] * math.ceil((self._top + 1) / (below + 1) * ETA**below)  # type: ignore[list-item]
            self._told = []
        return Query(self._queue.pop(0) or self.propose(), self._level)

    def tell(self, query: Query, value: float) -> None:
        self._told.append((value, query.arch))


def successive_halving(moves: Moves, top: int, rng: Random) -> Hyperband:
    """The bracket that starts at the cheapest fidelity alone, over and over (Jamieson and Talwalkar, 2016)."""
    return Hyperband(moves, top, rng, brackets=(top,))


class BOHB(Hyperband):
    """Hyperband whose proposals have the highest ratio of two densities: of the good over the other observations at
    the highest fidelity that has enough of them (Falkner et al., ICML 2018).

    Densities are products over decisions of kernels that keep an option with probability 1 - bandwidth. Numbers of
    candidates and widths are those of NAS-Bench-201's experiments, random proposals those of the paper.
    """

    GOOD, CANDIDATES, BANDWIDTH, WIDENING, RANDOM = 0.15, 4, 0.3, 3.0, 1 / 3

    def __init__(self, moves: Moves, top: int, rng: Random) -> None:
        super().__init__(moves, top, rng)
        self._seen: list[list[tuple[float, Arch]]] = [[] for _ in range(top + 1)]

    def propose(self) -> Arch:
        enough = len(self._moves.options) + 2
        known = next((seen for seen in reversed(self._seen) if len(seen) > enough), None)
        if known is None or self._rng.random() < self.RANDOM:
            return self._moves.random(self._rng)
        ordered = [arch for _, arch in sorted(known, key=lambda seen: -seen[0])]
        cut = max(enough // 2, int(self.GOOD * len(ordered)))
        good, other = ordered[:cut], ordered[cut:]
        candidates = [self._near(self._rng.choice(good)) for _ in range(self.CANDIDATES)]
        return max(candidates, key=lambda arch: self._density(arch, good) / self._density(arch, other))

    def _near(self, arch: Arch) -> Arch:
        """The architecture with each decision redrawn at the widened bandwidth."""
        change = min(1.0, self.WIDENING * self.BANDWIDTH)
        return tuple(
            int(self._rng.random() * k) if self._rng.random() < change else option
            for option, k in zip(arch, self._moves.options, strict=True)
        )

    def _density(self, arch: Arch, among: list[Arch]) -> float:
        total = 1e-12
        for other in among:
            kernel = 1.0
            for a, b, k in zip(arch, other, self._moves.options, strict=True):
                kernel *= 1 - self.BANDWIDTH if a == b else self.BANDWIDTH / (k - 1)
            total += kernel
        return total / len(among)

    def tell(self, query: Query, value: float) -> None:
        super().tell(query, value)
        self._seen[query.fidelity].append((value, query.arch))
