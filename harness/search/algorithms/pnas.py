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
    """The order in which cells grow, operation by operation, in a space with operations on edges and an idle option.

    An operation that is not on a path from input to output has no effect, so only cells all of whose operations lie on
    such paths are counted. The parents of a cell are the largest cells that remain after one of its operations, and
    every operation that then has no effect, is removed: they have one operation less, or less by a whole path.
    """

    def __init__(self, within: SearchSpace) -> None:
        archs, live, none = within.archs(), within.live_edges, within.idle_option
        assert none is not None
        most = len(within.decisions)
        without_idle = within.indices(np.where(live, archs, none))
        nothing = within.index((none,) * most)
        self.sizes: NDArray[np.int64] = live.sum(axis=1)
        """Number of operations of each architecture that have an effect: (architectures,)."""
        cells = np.flatnonzero((without_idle == np.arange(len(archs))) & (self.sizes > 0))
        self.levels = [cells[self.sizes[cells] == size] for size in range(1, most + 1)]
        """Indices of the cells with one operation, with two, and so on."""
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
        """Return the indices of the cells of a level (from 0) that have a parent among these, or no parents at all."""
        cells = self.levels[level]
        return cells[self.first[cells] | np.isin(self.parents[cells], of).any(axis=1)]


@lru_cache(maxsize=1)
def _growth(within: SearchSpace) -> Growth:
    return Growth(within)


class PNAS:
    """Searches from simple to complex cells (Liu et al., ECCV 2018).

    It queries all cells with one operation. For each further number of operations it queries a beam: the children of
    the best cells so far that an ensemble of networks predicts to be the best.

    The paper's cells grow block by block. Those of NAS-Bench-201 always have six edges: here they grow in operations
    other than none (see `Growth`), from one to six, and the other edges are none. The beam is 20, our choice; the
    paper's 256 would be a large part of this space. After the last level the search continues with its remaining
    cells, with new predictions after every beam, and then with the rest of the space. The ensemble of BANANAS on all
    paths replaces the paper's ensemble of recurrent networks; with encodings that only list the operations it finds
    worse cells.

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
        """Return the indices of the architectures that may be queried next."""
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
        """Return the beam: the indices of the architectures of the pool with the highest mean prediction."""
        known = self._space.path_code(self._space.archs(list(self._seen)))
        others = self._space.path_code(self._space.archs(pool))
        predicted = self._ensemble.predict(known, list(self._seen.values()), others, self._generator).mean(axis=0)
        best: list[int] = pool[np.argsort(-predicted, kind="stable")[: self._beam]].tolist()
        return best
