"""Training-free scores of many architectures: each distinct network once, in processes, resumable."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from supernet.benchmarks.spaces.live import LIVE, live_quantity
from supernet.harness.runs.parallel import pool
from supernet.harness.runs.workers import begin
from supernet.harness.scoring import partial
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES, known
from supernet.harness.supernet.plain.network import PlainNetwork
from supernet.harness.training.run import usable

Floats = NDArray[np.float64]
Watched = Callable[[PlainNetwork], AbstractContextManager[None]]

BLOCK = 32
"""Networks that a process looks at before it reports: a second or so of work."""
SAVE_SECONDS = 10.0
"""Least time between two writes of what is done."""


@dataclass(frozen=True)
class Scored:
    """Training-free scores of n architectures."""

    probe: Probe
    indices: NDArray[np.int64]
    """(n,)"""
    values: dict[str, Floats]
    """Name -> scores, higher is better: (draws, n), or (1, n) for counts. NaN for architectures whose output does not
    depend on their input, and where the definition gives no number; such architectures rank last."""
    seconds: dict[str, float]
    """Name -> seconds of one process that all draws took."""
    distinct: int
    """Different networks among the n."""

    @property
    def draws(self) -> int:
        """The most draws that a score has."""
        return max(len(values) for values in self.values.values())


def score(
    probe: Probe,
    names: Sequence[str],
    indices: NDArray[np.int64],
    *,
    draws: int = 1,
    workers: int | None = None,
    device: str = "cpu",
    keep: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Scored:
    """Training-free scores of architectures, equal to looking at one after the other.

    Args:
        probe: the networks and images.
        names: keys of `registry.COUNTS` and `registry.PROXIES`.
        indices: the architectures: (n,).
        draws: number of independent draws of images and weights, numbered from 0.
        workers: number of processes; by default one for each CPU core that may be used. With another device than the
            CPU, this process does all the work.
        keep: file from which an interrupted call continues; the caller deletes it at the end.
        progress: called with the number of looks that are done, and of all.
        notice: called with a sentence about a damaged file.

    Raises:
        UserError: a name is unknown, or the task or the device is not available.
    """
    usable(device)
    wanted = known(names)
    looked = [name for name in wanted if name in PROXIES]
    within = probe.within
    archs = within.archs(indices)
    values: dict[str, Floats] = {}
    seconds = dict.fromkeys(wanted, 0.0)
    for name in wanted:
        if name in COUNTS:
            began = time.perf_counter()
            values[name] = _counted(probe, name, archs)[None]
            seconds[name] = time.perf_counter() - began
    first = probe.first_alike(np.asarray(indices))
    distinct = np.unique(first[within.connected(archs, probe.cells)])
    if looked and len(distinct):
        table = _looked(_Work(probe, tuple(looked), device), distinct, draws, workers, keep, progress, notice)
        place = np.searchsorted(distinct, first).clip(max=len(distinct) - 1)
        there = distinct[place] == first
        for number, name in enumerate(looked):
            found = np.where(there, table[:, place, number], np.nan)
            values[name] = np.where(np.isfinite(found), found, np.nan)
            seconds[name] = float(table[:, :, len(looked) + number].sum())
    elif looked:
        values |= {name: np.full((draws, len(archs)), np.nan) for name in looked}
    return Scored(probe, np.asarray(indices), {name: values[name] for name in wanted}, seconds, len(distinct))


def _counted(probe: Probe, name: str, archs: NDArray[np.int8]) -> Floats:
    if name in LIVE:
        return live_quantity(probe.within, name, archs)
    params, flops = probe.within.costs(archs)
    return (params if name == "params" else flops).astype(np.float64)


@dataclass(frozen=True)
class _Work:
    """What is measured of every network."""

    probe: Probe
    names: tuple[str, ...]
    device: str

    def identity(self, distinct: NDArray[np.int64], draws: int) -> str:
        """Digest of everything that the numbers depend on."""
        told = [self.probe.as_dict(), self.names, draws, torch.device(self.device).type]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode() + distinct.tobytes()).hexdigest()


def _looked(
    work: _Work,
    distinct: NDArray[np.int64],
    draws: int,
    workers: int | None,
    keep: Path | None,
    progress: Callable[[int, int], None] | None,
    notice: Callable[[str], None] | None,
) -> Floats:
    """Scores, then the seconds of each, then 1: (draws, distinct, 2 names + 1)."""
    count, columns = draws * len(distinct), 2 * len(work.names) + 1
    identity = work.identity(distinct, draws)
    kept, done = partial.resume(keep, identity, count, notice, columns) if keep else partial.nothing(count, columns)
    rows = kept.numpy()
    missing = np.flatnonzero(rows[:, -1] == 0)
    tasks = [
        (work, int(draw), distinct[block % len(distinct)], block)
        for draw in range(draws)
        for block in _blocks(missing[missing // len(distinct) == draw])
    ]
    saved = time.perf_counter()
    try:
        with ExitStack() as open_pools:
            for (_, _, _, block), found in zip(tasks, _answers(tasks, work, workers, open_pools), strict=True):
                rows[block] = found
                done += len(block)
                if progress:
                    progress(done, count)
                if keep and time.perf_counter() - saved > SAVE_SECONDS:
                    partial.save(keep, identity, kept)
                    saved = time.perf_counter()
    except BaseException:
        if keep:
            partial.save(keep, identity, kept)
        raise
    if keep:
        partial.save(keep, identity, kept)
    return rows.reshape(draws, len(distinct), columns)


def _blocks(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[k : k + BLOCK] for k in range(0, len(rows), BLOCK)]


_Task = tuple[_Work, int, NDArray[np.int64], NDArray[np.int64]]


def _answers(tasks: list[_Task], work: _Work, workers: int | None, stack: ExitStack) -> Iterator[Floats]:
    """The result of each block, in order, computed in processes where that can help."""
    count = min(workers or len(os.sched_getaffinity(0)), len(tasks))
    if count <= 1 or torch.device(work.device).type != "cpu":
        return map(_measured, tasks)
    return stack.enter_context(pool(count, begin, os.getpid())).map(_measured, tasks)


@lru_cache(maxsize=2)
def _sight(probe: Probe, draw: int, device: str) -> Sight:
    return Sight(probe, draw, device)


def _measured(task: _Task) -> Floats:
    """Scores, seconds and 1 for each architecture of a block: (block, 2 names + 1)."""
    work, draw, indices, _ = task
    sight = _sight(work.probe, draw, work.device)
    found = np.ones((len(indices), 2 * len(work.names) + 1))
    for row, index in enumerate(indices.tolist()):
        for number, name in enumerate(work.names):
            began = time.perf_counter()
            found[row, number] = measured(sight, index, name)
            found[row, len(work.names) + number] = time.perf_counter() - began
    return found


def _unwatched(_: PlainNetwork) -> AbstractContextManager[None]:
    return nullcontext()


def measured(sight: Sight, index: int, name: str, watched: Watched = _unwatched) -> float:
    """One score of one architecture whose output depends on its input; NaN where its definition gives no number.

    Args:
        watched: a context in which the network is looked at, such as one that counts passes.
    """
    proxy = PROXIES[name]
    look = sight.look(index, proxy.init)
    try:
        with watched(look.network):
            value = float(proxy.measure(look))
    except (ArithmeticError, torch.linalg.LinAlgError):  # for example, a matrix without a decomposition
        return math.nan
    finally:
        for parameter in look.network.parameters():
            parameter.grad = None
    return value if math.isfinite(value) else math.nan
