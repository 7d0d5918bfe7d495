"""BANANAS: an ensemble of networks on path encodings proposes mutations of the best architectures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from random import Random

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.moves import Moves
from supernet.harness.search.algorithms.predictor import Ensemble, Networks

EVERY = 500
"""Number of known architectures up to which the networks are fitted anew in every round, as published."""
GROWTH = 1.1
"""Beyond it, they are fitted anew when the number of known architectures has grown by this factor."""


class BANANAS:
    """Queries mutations of the best architectures in rounds (White et al., AAAI 2021).

    An ensemble of networks on truncated path encodings chooses them by independent Thompson sampling. No architecture
    is queried twice until the whole space has been. Defaults are those of naszilla/naszilla (`nas_algorithms.py`,
    `nas_benchmarks.py`, `params.py`): 10 random architectures first, then rounds of 10 out of 100 candidates, in each
    of which decisions / (decisions - 2) decisions change in expectation; 30 paths on NAS-Bench-201, and 40 of those of
    NAS-Bench-101.

    The candidates are mutations of the best architecture seen, then of the next best, and so on, until there are
    enough. naszilla goes through five architectures at most and finishes each, so that it may have more candidates or
    fewer. Where mutation finds none, near the end of a space, they are here the first unseen architectures in the
    order of the space.

    Fitting in every round takes a time that grows with the square of the number of queries, hours for 3,000 of them.
    Beyond EVERY known architectures, our choice, the networks are kept until these have grown by GROWTH, and a fit
    takes as many steps as one for EVERY architectures, so that the time grows a little faster than the queries.

    Args:
        paths: number of paths in the encoding, the shortest first; default: `shortest_paths` of the space.
        initial: number of random architectures at the start.
        batch: number of queries of a round.
        candidates: number of mutations from which those of a round are chosen.
        start: the first architectures, in place of random ones.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        paths: int | None = None,
        initial: int = 10,
        batch: int = 10,
        candidates: int = 100,
        ensemble: Ensemble = Ensemble(),  # noqa: B008  frozen
        start: Iterable[Arch] = (),
    ) -> None:
        import torch  # takes seconds, which a list of the algorithms need not wait for

        self._moves, self._top, self._rng = moves, top, rng
        self._initial, self._batch, self._candidates = initial, batch, candidates
        self._paths = paths or moves.space.shortest_paths
        self._ensemble = ensemble
        self._generator = torch.Generator().manual_seed(rng.getrandbits(63))
        self._seen: dict[Arch, float] = {}
        self._queue: list[Arch] = []
        self._start = iter(start)
        self._networks: Networks | None = None
        self._fitted = 0
        """Number of architectures that were known when the networks were fitted."""

    def ask(self) -> Query:
        if not self._queue:
            self._queue = self._round() if self._seen else self._beginning()
        return Query(self._queue.pop(0), self._top)

    def tell(self, query: Query, value: float) -> None:
        self._seen[query.arch] = value

    def _beginning(self) -> list[Arch]:
        drawn: dict[Arch, None] = dict.fromkeys(islice(self._start, self._initial))
        while len(drawn) < min(self._initial, len(self._moves.space)):
            drawn[self._moves.random(self._rng)] = None
        return list(drawn)

    def _round(self) -> list[Arch]:
        """Return the best candidates by the networks' predictions, of which one posterior draw judges each."""
        known, space = len(self._seen), self._moves.space
        if known >= len(space):
            return [max(self._seen, key=self._seen.__getitem__)]
        # Near the end of a large space, mutation would have to try for seconds to find the few that are left.
        few = known > EVERY and known + self._candidates >= len(space)
        candidates = [] if few else self._mutations()
        candidates = candidates or self._left_over()
        predicted = self._predicted(candidates)
        draws = [
            self._rng.gauss(mean, spread)
            for mean, spread in zip(predicted.mean(axis=0).tolist(), predicted.std(axis=0).tolist(), strict=True)
        ]
        order = sorted(range(len(candidates)), key=draws.__getitem__, reverse=True)
        return [candidates[place] for place in order[: self._batch]]

    def _predicted(self, archs: list[Arch]) -> NDArray[np.float32]:
        """Return the predictions of networks that are fitted to all known architectures, or were so lately."""
        code, known, ensemble = self._moves.space.path_code, len(self._seen), self._ensemble
        if self._networks is None or known <= EVERY or known >= GROWTH * self._fitted:
            epochs = max(1, round(ensemble.epochs * min(1.0, EVERY / known)))
            codes = code(list(self._seen))[:, : self._paths]
            self._networks = replace(ensemble, epochs=epochs).fitted(codes, [*self._seen.values()], self._generator)
            self._fitted = known
        return ensemble.accuracies(self._networks, code(archs)[:, : self._paths])

    def _mutations(self) -> list[Arch]:
        """Return distinct unseen mutations of the best architecture seen, then of the next best, and so on."""
        found: dict[Arch, None] = {}
        for parent in sorted(self._seen, key=self._seen.__getitem__, reverse=True):
            for _ in range(self._candidates):
                child = self._moves.mutated_each(parent, 1 / (len(parent) - 2), self._rng)  # the published probability
                if child not in self._seen:
                    found[child] = None
                if len(found) == self._candidates:
                    return list(found)
        return list(found)

    def _left_over(self) -> list[Arch]:
        """Return the first unseen architectures by index, which mutation no longer finds near the end of a space."""
        unseen = [arch for arch in map(tuple, self._moves.space.archs().tolist()) if arch not in self._seen]
        return unseen[: self._candidates]
