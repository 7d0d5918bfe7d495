"""Successive halving, Hyperband and BOHB over the fidelities that a benchmark has."""

from __future__ import annotations

import math
from random import Random

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.moves import Moves

ETA = 3
"""One in ETA architectures is promoted to the next fidelity; three is the default of Hyperband and of HpBandSter."""
TINY = 1e-32
"""Lower bound of a density, which keeps ratios finite. HpBandSter uses the same value."""


class Hyperband:
    """Repeats brackets of successive halving, which start at all fidelities in turn (Li et al., JMLR 2018).

    Brackets that start at a cheaper fidelity begin with more architectures. Fidelities take the place of powers of
    eta: a bracket that starts k fidelities below the top begins with ceil((levels / (k + 1)) eta^k) architectures.

    Args:
        brackets: how many fidelities below the top each bracket starts; default: one bracket for every fidelity, the
            cheapest first.
    """

    def __init__(self, moves: Moves, top: int, rng: Random, brackets: tuple[int, ...] | None = None) -> None:
        self._moves, self._rng, self._top = moves, rng, top
        self._starts = brackets or tuple(range(top, -1, -1))
        self._turn = -1
        self._queue: list[Arch] = []
        self._told: list[tuple[float, Arch]] = []
        self._level = 0

    def size(self, below: int) -> int:
        """Return the number of architectures with which a bracket begins that many fidelities below the top."""
        return math.ceil((self._top + 1) / (below + 1) * ETA**below)

    def propose(self) -> Arch:
        """Return a new architecture for the start of a bracket."""
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
                self._queue = [None] * self.size(below)  # type: ignore[list-item]
            self._told = []
        return Query(self._queue.pop(0) or self.propose(), self._level)

    def tell(self, query: Query, value: float) -> None:
        self._told.append((value, query.arch))


def successive_halving(moves: Moves, top: int, rng: Random) -> Hyperband:
    """Make a Hyperband with only the bracket that starts at the cheapest fidelity (Jamieson and Talwalkar, 2016)."""
    return Hyperband(moves, top, rng, brackets=(top,))


class BOHB(Hyperband):
    """Hyperband whose proposals have the highest ratio of two densities (Falkner et al., ICML 2018).

    A bracket that starts k fidelities below the top begins with floor(levels / (k + 1)) eta^k architectures, as in
    HpBandSter (`hpbandster/optimizers/bohb.py`); with one or two fidelities, these are as many as in Hyperband.

    The densities are those of the good and of the other observations at the highest fidelity that has enough of both.
    The class follows HpBandSter, the authors' code (`hpbandster/optimizers/config_generators/bohb.py`). With d
    decisions, a model uses max(d + 1, 15 %) good observations and max(d + 1, 85 %) others, as soon as there are d + 1
    of each. The bandwidth of a decision follows the normal reference rule for the numbers of its options,
    1.06 std n^(-1 / (4 + d)), but has a minimum. A candidate starts at a random good observation and keeps each of its
    options with probability 1 - bandwidth; otherwise it draws an option uniformly. The factor that widens bandwidths
    of candidates (`bandwidth_factor`) applies to continuous decisions, which these spaces do not have.

    Defaults are those with which NAS-Bench-201's experiments called HpBandSter (`exps/algos/BOHB.py` and
    `scripts-search/algos/BOHB.sh` of D-X-Y/AutoDL-Projects): 4 candidates, no random proposals once there is a model,
    and bandwidths of at least 0.3. HpBandSter's own defaults are 64 candidates, 1/3 random proposals and 0.001.

    The class differs from HpBandSter in one point. Densities are products of Aitchison and Aitken's kernels:
    1 - bandwidth for the same option, and bandwidth / (options - 1) for another one. Here, the kernels take all options
    of a decision into account, and bandwidths are limited so that an option is at least as likely to stay as to change
    into any other one. The kernels of statsmodels, which HpBandSter calls, count only options that occur and take any
    bandwidth, so that densities can be infinite or negative.

    Args:
        good: percentage of observations that count as good.
        candidates: number of candidates from which the best is proposed.
        at_random: probability of a random proposal once there is a model.
        least_bandwidth: smallest bandwidth.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        good: int = 15,
        candidates: int = 4,
        at_random: float = 0.0,
        least_bandwidth: float = 0.3,
    ) -> None:
        super().__init__(moves, top, rng)
        self._good, self._candidates = good, candidates
        self._at_random, self._least_bandwidth = at_random, least_bandwidth
        self._seen: list[list[tuple[float, Arch]]] = [[] for _ in range(top + 1)]

    @property
    def points(self) -> int:
        """Number of good observations that a model needs, and also of others: d + 1."""
        return len(self._moves.options) + 1

    def size(self, below: int) -> int:
        return (self._top + 1) // (below + 1) * ETA**below

    def propose(self) -> Arch:
        known = next((seen for seen in reversed(self._seen) if len(seen) >= 2 * self.points), None)
        if known is None or self._rng.random() < self._at_random:
            return self._moves.random(self._rng)
        good, other = self.division(known)
        candidates = [good.near(self._rng) for _ in range(self._candidates)]
        return max(candidates, key=lambda arch: max(good(arch), TINY) / max(other(arch), TINY))

    def division(self, known: list[tuple[float, Arch]]) -> tuple[Density, Density]:
        """Return the densities of the good and of the other observations.

        Args:
            known: all observations at one fidelity, (accuracy, architecture) each.
        """
        ordered = [arch for _, arch in sorted(known, key=lambda seen: -seen[0])]
        cut = max(self.points, self._good * len(ordered) // 100)
        rest = max(self.points, (100 - self._good) * len(ordered) // 100)
        options, least = self._moves.options, self._least_bandwidth
        return Density(ordered[:cut], options, least), Density(ordered[cut : cut + rest], options, least)

    def tell(self, query: Query, value: float) -> None:
        super().tell(query, value)
        self._seen[query.fidelity].append((value, query.arch))


class Density:
    """The kernel density of some architectures: the mean of products of kernels over decisions.

    Args:
        among: the architectures, one or more.
        options: number of options of each decision.
        least: smallest bandwidth.
    """

    def __init__(self, among: list[Arch], options: list[int], least: float) -> None:
        self.among, self._options = among, options
        shrink = 1.06 * len(among) ** (-1 / (4 + len(options)))
        self.bandwidths = [max(least, shrink * _deviation(column)) for column in zip(*among, strict=True)]
        capped = [min(h, (k - 1) / k) for h, k in zip(self.bandwidths, options, strict=True)]
        self._same = [1 - h for h in capped]
        self._other = [h / max(1, k - 1) for h, k in zip(capped, options, strict=True)]

    def __call__(self, arch: Arch) -> float:
        """Return the density at an architecture."""
        total = 0.0
        for centre in self.among:
            kernel = 1.0
            for a, b, same, other in zip(arch, centre, self._same, self._other, strict=True):
                kernel *= same if a == b else other
            total += kernel
        return total / len(self.among)

    def near(self, rng: Random) -> Arch:
        """Return a random one of the architectures, each decision of which is redrawn with probability bandwidth."""
        centre = rng.choice(self.among)
        return tuple(
            option if rng.random() < 1 - h else int(rng.random() * k)
            for option, h, k in zip(centre, self.bandwidths, self._options, strict=True)
        )


def _deviation(values: tuple[int, ...]) -> float:
    """Return the population standard deviation, which divides by n."""
    n, total = len(values), sum(values)
    return math.sqrt(max(0, n * sum(v * v for v in values) - total * total)) / n
