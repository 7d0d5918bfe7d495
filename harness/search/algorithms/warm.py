"""Warm starts: the first queries are the best of random architectures by a training-free score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Maker, Query, SearchAlgorithm
from supernet.harness.search.algorithms.moves import Moves
from supernet.harness.search.probing import Site

if TYPE_CHECKING:
    from supernet.harness.scoring.proxies.probe import Probe

MOST = 100_000
"""Largest pool: our choice."""


@dataclass(frozen=True)
class Warm:
    """Makes an algorithm that begins with the best of a pool by a training-free score (Abdelfattah et al., ICLR 2021).

    The pool is drawn uniformly from the space, without repetition, and is the same for all algorithms of a seed. Equal
    scores stay in the order drawn, and architectures without a score come last. Untrained networks and images are those
    of `Probe`, of a new draw for each search. Passes through networks are charged with the first query; counts of
    parameters cost nothing. As in the paper's warm-up, the score has no further part in the search.
    """

    make: Callable[..., SearchAlgorithm]
    """Makes the algorithm; takes the first architectures as `start`."""
    starts: int
    """Number of first queries that the pool replaces."""
    score: str
    """Name of the training-free score."""
    pool: int
    """Number of architectures that are scored."""

    def __post_init__(self) -> None:
        if not self.starts <= self.pool <= MOST:
            raise UserError(
                f"A warm start chooses the first {self.starts:,} architectures among {self.starts:,} to {MOST:,}, not "
                f"among {self.pool:,}."
            )

    def on_site(self, site: Site) -> Maker:
        """Return the maker for a benchmark.

        Raises:
            UserError: there is no such score, or the benchmark's images are not available.
        """
        # These take seconds to import, for which a list of the algorithms need not wait.
        from supernet.harness.scoring.proxies.probe import Probe
        from supernet.harness.scoring.proxies.registry import COUNTS, known
        from supernet.harness.training.run import task_of
        from supernet.heuristics.sections import TaskSection

        known([self.score])
        if self.score not in COUNTS:
            task_of(TaskSection(name=site.task, size=Probe.size))

        def make(moves: Moves, top: int, rng: Random) -> WarmStarted:
            return WarmStarted(self, site, Probe(moves.space.name, site.task), moves, top, rng)

        return make


class WarmStarted:
    """A search with a warm start."""

    def __init__(self, warm: Warm, site: Site, probe: Probe, moves: Moves, top: int, rng: Random) -> None:
        self._warm, self._site, self._probe, self._moves = warm, site, probe, moves
        self._pool, self._draw = rng.getrandbits(63), rng.getrandbits(31)
        self._owed: Mapping[str, float] = {}
        make: Any = partial(warm.make, among=site.among) if site.among else warm.make
        self._search: SearchAlgorithm = make(moves, top, rng, start=self._start())

    def ask(self) -> Query:
        return self._search.ask()

    def tell(self, query: Query, value: float) -> None:
        self._search.tell(query, value)

    def spent(self) -> Mapping[str, float]:
        owed, self._owed = self._owed, {}
        return owed

    def _start(self) -> Iterator[Arch]:
        """Yield the first architectures, the best first. The pool is scored when the first one is asked for."""
        from supernet.harness.search.objectives.score import FreeScore

        within = self._moves.space
        among = within.indices(self._site.among) if self._site.among else None
        count = min(self._warm.pool, len(within if among is None else among))
        pool = within.sample(np.random.default_rng(self._pool), count, among=among)
        scores, self._owed = FreeScore(self._probe, self._warm.score, self._draw, self._site).scores(pool)
        best = pool[np.argsort(-scores, kind="stable")[: self._warm.starts]]
        yield from (tuple(arch) for arch in within.archs(best).tolist())
