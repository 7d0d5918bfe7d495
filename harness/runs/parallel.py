"""The same work on several items, in processes of one thread each: on CPUs faster than one item after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from multiprocessing.sharedctypes import SynchronizedArray
from typing import TypeVar

from supernet.harness.runs.workers import begin

POLL_SECONDS = 1.0
"""Seconds between two looks at the progress of workers: our choice."""
Item = TypeVar("Item")
Result = TypeVar("Result")
Told = Callable[[float], None]
"""Hears the share of an item that is done, from 0 to 1."""
_shares: SynchronizedArray[float]
"""In a worker process: the share of every item that is done."""


def processes(workers: int | None, device: str) -> int:
    """The number of processes for work on a device: by default one per core; on a GPU always one."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if workers is None else workers


def each(
    work: Callable[[Item, Told], Result], items: Sequence[Item], workers: int, progress: Told | None = None
) -> list[Result]:
    """Return the result of the work on each item, in their order.

    Args:
        work: a function of a module, called with an item and with whom to tell of its progress. With several workers
            it runs in another process, so that items and results have to be such as can be pickled.
        workers: largest number of processes; with 1, all items are worked on here, one after the other.
        progress: hears the share of the whole that is done.

    Raises:
        Exception: the first that the work raises; work on other items is abandoned.
    """
    workers, said = min(workers, len(items)), progress or (lambda share: None)
    if workers <= 1:
        return [
            work(item, lambda share, place=place: said((place + share) / len(items)))  # type: ignore[misc]
            for place, item in enumerate(items)
        ]
    # A new interpreter each: a fork of a process in which torch has computed can hang.
    context = get_context("spawn")
    shares = context.Array("d", len(items))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(os.getpid(), shares))
    try:
        futures = [pool.submit(_one, work, item, place) for place, item in enumerate(items)]
        _watched(futures, lambda: said(sum(shares[:]) / len(items)))
        return [future.result() for future in futures]
    finally:
        workers_left = list(pool._processes.values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in workers_left:
            process.terminate()  # an interrupt or a failure must not leave workers that go on for hours


def _watched(futures: Sequence[Future[Result]], look: Callable[[], None]) -> None:
    """Wait until all are done or one has failed."""
    waiting: set[Future[Result]] = set(futures)
    while waiting:
        done, waiting = wait(waiting, POLL_SECONDS, FIRST_EXCEPTION)
        for future in done:
            future.result()
        look()


def _begin(parent: int, shares: SynchronizedArray[float]) -> None:
    global _shares
    begin(parent)
    _shares = shares


def _one(work: Callable[[Item, Told], Result], item: Item, place: int) -> Result:
    def told(share: float) -> None:
        _shares[place] = share

    result = work(item, told)
    told(1.0)
    return result
