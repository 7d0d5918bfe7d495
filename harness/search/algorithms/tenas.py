"""TE-NAS: prunes an untrained super-net by trainability and expressivity."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.harness.search.algorithms.ask import Maker, Query
from supernet.harness.search.algorithms.moves import Moves
from supernet.harness.search.probing import Shape, Site
from supernet.heuristics.meter import Meter

if TYPE_CHECKING:
    from supernet.benchmarks.tasks.task import Task
    from supernet.harness.search.algorithms.trials import Trials

Options = tuple[tuple[int, ...], ...]
"""The operations that are left on each edge."""


@dataclass(frozen=True)
class TENAS:
    """Prunes a super-net until one operation is left on every edge (Chen et al., TE-NAS, ICLR 2021).

    From the paper: in every round, each operation of an edge with several is removed on trial, which changes the
    condition number of the neural tangent kernel (see `condition_number`) and the number of linear regions (see
    `linear_regions`). Operations whose removal lowers the condition number most, and those whose removal costs the
    fewest regions, come first in two rankings; every edge loses the operation with the lowest sum of ranks.

    From the released code (`prune_tenas.py` and `prune_launch.py` of VITA-Group/TENAS): `none` is left out from the
    start; the operations of an edge are averaged; changes are relative, rounded to 3 decimals, and averaged over 3
    draws of weights and images; equal changes share a rank; kernels are those of 72 images in a network of 3 channels
    and one cell per stage; regions are those of 3 batches of 1,000 patches of 3x3 pixels and one colour in a single
    cell of one channel without a stem.

    Our choice: all trials of a round look at the same draws, instead of new ones for each trial; convolutions are drawn
    with fan-in in both networks; images have the task's own size and are not augmented; an infinite condition number is
    worse than any other; equal sums of ranks go to the better condition number, then to the first operation.

    The search asks for the architecture that is left. With budget to spare it prunes again, with other draws. Passes
    are charged with the query that they lead to: a pass through a mixture counts as the mean number of operations that
    are left on an edge, and a patch by its pixels, which is more than a cell of one channel costs.

    Args:
        repeats: number of draws that are averaged.
        images: images of a kernel.
        channels: channels of the first stage of the network whose kernel is computed.
        patches: patches of a batch.
        batches: batches of patches.
        decimals: decimals to which changes are rounded.
    """

    repeats: int = 3
    images: int = 72
    channels: int = 3
    patches: int = 1000
    batches: int = 3
    decimals: int = 3

    def on_site(self, site: Site) -> Maker:
        """Return the maker for a benchmark.

        Raises:
            UserError: the benchmark's images are not available, or are too few.
        """
        # These take seconds to import, for which a list of the algorithms need not wait.
        from supernet.harness.training.run import task_of
        from supernet.heuristics.sections import TaskSection

        task = task_of(TaskSection(name=site.task))
        if len(task.train) < self.images:
            raise UserError(f"TE-NAS looks at {self.images:,} images; {site.task} has {len(task.train):,}.")
        return partial(Pruning, self, site, task)


class Pruning:
    """One search of TE-NAS.

    Raises:
        UserError: the space is not NAS-Bench-201.
    """

    def __init__(self, settings: TENAS, site: Site, task: Task, moves: Moves, top: int, rng: Random) -> None:
        from supernet.harness.supernet.plain.mixture import whole

        self._whole = whole(moves.space)
        self._settings, self._site, self._task = settings, site, task
        self._top, self._rng = top, rng
        self._owed: Mapping[str, float] = {}

    def ask(self) -> Query:
        from supernet.harness.search.algorithms.trials import Sizes, Trials

        began, meter, s = time.perf_counter(), Meter(), self._settings
        sizes = Sizes(s.images, s.channels, s.patches, s.batches)
        options: Options = self._whole
        while any(len(ops) > 1 for ops in options):
            draws = [Trials(sizes, self._task, self._rng.getrandbits(31), meter) for _ in range(s.repeats)]
            options = pruned(options, *self._changes(options, draws))
        shape = Shape(s.channels, 1, self._task.size)
        self._owed = self._site.costs(meter, s.images, shape, time.perf_counter() - began)
        arch: Arch = tuple(op for (op,) in options)
        return Query(arch, self._top)

    def tell(self, query: Query, value: float) -> None:
        """Do nothing: accuracies play no part in the pruning."""

    def spent(self) -> Mapping[str, float]:
        owed, self._owed = self._owed, {}
        return owed

    def _changes(self, options: Options, draws: Sequence[Trials]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mean relative falls of both quantities with each trial of `trials_of`: (trials,) each."""
        falls = np.empty((len(draws), 2, len(trials_of(options))))
        for draw, trials in zip(falls, draws, strict=True):
            before = trials.condition(options), trials.regions(options)
            for number, (edge, op) in enumerate(trials_of(options)):
                left = without(options, edge, op)
                draw[0, number] = fall(before[0], trials.condition(left))
                draw[1, number] = fall(before[1], trials.regions(left))
        mean = falls.round(self._settings.decimals).mean(0)
        return mean[0], mean[1]


def trials_of(options: Options) -> list[tuple[int, int]]:
    """Return what can be removed, edge by edge: (edge, operation) for edges with several operations."""
    return [(edge, op) for edge, ops in enumerate(options) if len(ops) > 1 for op in ops]


def without(options: Options, edge: int, op: int) -> Options:
    """Return the options without one operation of an edge."""
    return tuple(tuple(o for o in ops if (number, o) != (edge, op)) for number, ops in enumerate(options))


def fall(before: float, after: float) -> float:
    """Return the fall of a quantity relative to its value before, 0 for two infinite ones."""
    if math.isinf(before):
        return 0.0 if math.isinf(after) else 1.0
    return (before - after) / before


def pruned(options: Options, conditions: NDArray[np.float64], regions: NDArray[np.float64]) -> Options:
    """Return the options without the operation of every edge that has the lowest sum of ranks.

    Args:
        conditions: relative falls of the condition number with each trial of `trials_of`, high ones first: (trials,).
        regions: relative falls of the number of regions, low ones first: (trials,).
    """
    by_condition = np.unique(-conditions, return_inverse=True)[1]
    ranks = by_condition + np.unique(regions, return_inverse=True)[1]
    worst: dict[int, tuple[int, int, int]] = {}
    for (edge, op), total, first in zip(trials_of(options), ranks.tolist(), by_condition.tolist(), strict=True):
        worst[edge] = min(worst.get(edge, (total, first, op)), (total, first, op))
    for edge, (_, _, op) in worst.items():
        options = without(options, edge, op)
    return options
