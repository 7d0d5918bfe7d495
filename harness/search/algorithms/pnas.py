"""PNAS: progressive search from simple to complex cells, guided by an ensemble of networks."""

from __future__ import annotations

from functools import lru_cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.harness.search.algorithms.ask import Query
from supernet.harness.search.algorithms.moves import Moves
from supernet.harness.search.algorithms.predictor import Ensemble


class Growth:
    """How cells without idle operations grow out of one another, in a space with operations on edges, one of them idle.

    An idle operation, to which nothing comes or from which nothing leads on, does nothing, so a cell has one
    operation more than another only where all of its operations lie on paths from input to output. The parent of a
    cell is the largest cell that remains after one of its operations, and every operation that is idle then, is
    removed: it has one operation less, or less by a whole path.
    """

    def __init__(self, within: SearchSpace) -> None:
        archs, live, none = within.archs(), within.live_edges, within.idle_option
        assert none is not None
        most = len(within.decisions)
        without_idle = within.indices(np.where(live, archs, none))
        nothing = within.index((none,) * most)
        self.sizes: NDArray[np.int64] = live.sum(axis=1)
        """Operations that are not idle: (architectures,)."""
        cells = np.flatnonzero((without_idle == np.arange(len(archs))) & (self.sizes > 0))
        self.levels = [cells[self.sizes[cells] == size] for size in range(1, most + 1)]
        """Indices of the cells of one operation, of two, and so on."""
        taken = np.repeat(archs[:, None], most, axis=1)
        taken[:, range(most), range(most)] = none
        rests = without_idle[within.indices(taken.reshape(-1, most))].reshape(-1, most)
        rests = np.where(archs == none, nothing, rests)
        largest = self.sizes[rests].max(axis=1, keepdims=True)
        self.parents: NDArray[np.int64] = np.where(self.sizes[rests] == largest, rests, nothing)
        """Indices of the parents of each cell, one per operation, or the empty cell: (architectures, decisions)."""
        self.first: NDArray[np.bool_] = largest[:, 0] == 0
        """Whether the removal of any one operation leaves no connected cell: (architectures,)."""

    def children(self, level: int, of: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices of the cells of a level (from 0) whose parents are among these, and of those without parents."""
        cells = self.levels[level]
        return cells[self.first[cells] | np.isin(self.parents[cells], of).any(axis=1)]


@lru_cache(maxsize=1)
def _growth(within: SearchSpace) -> Growth:
    return Growth(within)


class PNAS:
    """All cells of one operation, then of each number of operations those that an ensemble of networks predicts to be
    the best among the children of the best before (Liu et al., ECCV 2018).

    The paper's cells grow block by block. Those of NAS-Bench-201 always have six edges: here they grow in operations
    other than none (see `Growth`), from one to six, and the other edges are none. The beam is 20 instead of the
    paper's 256, which would be a large part of this space; 20 is our choice. After the last level the search continues
    with its remaining cells, with new predictions after every beam, and then with the rest of the space. The ensemble
    of BANANAS on all paths replaces the paper's ensemble of recurrent networks; with encodings of the operations alone
    it finds worse cells.

    Raises:
        UserError: the space has no idle operation.
    """

    def __init__(
        self,
        moves: Moves,
        top: int,
        rng: Random,
        beam: int = 20,
        ensemble: Ensemble = Ensemble(),  # noqa: B008  frozen
    ) -> None:
        if moves.space.idle_option is None:
            raise UserError(
                "PNAS grows cells one operation at a time and leaves the other edges idle, but "
                f"{moves.space.name} has no operation that stands for none."
            )
        self._space, self._growth = moves.space, _growth(moves.space)
        self._moves, self._top, self._beam, self._ensemble = moves, top, beam, ensemble
        import torch  # takes seconds, which a list of the algorithms need not wait for

        self._generator = torch.Generator().manual_seed(rng.getrandbits(63))
        self._seen: dict[int, float] = {}
        self._level = 0
        self._queue: list[int] = self._growth.levels[0].tolist()
        rng.shuffle(self._queue)

    def ask(self) -> Query:
        if not self._queue:
            self._queue = self._best(self._pool())
        return Query(self._space.arch(self._queue.pop(0)), self._top)

    def tell(self, query: Query, value: float) -> None:
        self._seen[self._moves.index(query.arch)] = value

    def _pool(self) -> NDArray[np.int64]:
        """Indices of the architectures that may be queried next."""
        seen = np.array(list(self._seen))
        if self._level < len(self._growth.levels) - 1:
            self._level += 1
            by_value = seen[np.argsort([-value for value in self._seen.values()], kind="stable")]
            sizes = self._growth.sizes[by_value]
            beams = [by_value[sizes == size][: self._beam] for size in range(1, len(self._growth.levels) + 1)]
            return self._growth.children(self._level, np.concatenate(beams))
        for pool in (self._growth.levels[-1], self._space.every_index("PNAS")):
            left = np.setdiff1d(pool, seen)
            if len(left):
                return left
        # The whole space was queried: repeat the best.
        return seen[[int(np.argmax(list(self._seen.values())))]]

    def _best(self, pool: NDArray[np.int64]) -> list[int]:
        """The beam: the architectures of the pool with the highest mean prediction."""
        known = self._space.path_code(self._space.archs(list(self._seen)))
        others = self._space.path_code(self._space.archs(pool))
        says = self._ensemble.predict(known, list(self._seen.values()), others, self._generator).mean(axis=0)
        best: list[int] = pool[np.argsort(-says, kind="stable")[: self._beam]].tolist()
        return best
