"""The same work on several items, in processes of one thread each: on CPUs faster than one item after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.sharedctypes import SynchronizedArray
from typing import Any, TypeVar

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.workers import IMPORTED, UNGUARDED_STATUS, begin, exit_status, leave_if_imported

POLL_SECONDS = 1.0
"""Seconds between two looks at the progress of workers: our choice."""
UNGUARDED = f'{IMPORTED} Put the call under `if __name__ == "__main__":`, or give it `workers=1`.'
DIED = (
    "A worker process died. The system ends processes when memory runs out: try fewer workers. Results "
    "that were already written are kept, and the next call uses them."
)
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
    shares = get_context("spawn").Array("d", len(items))
    with pool(workers, _begin, os.getpid(), shares) as open_pool:
        futures = [open_pool.submit(_one, work, item, place) for place, item in enumerate(items)]
        _watched(futures, lambda: said(sum(shares[:]) / len(items)))
        return [future.result() for future in futures]


@contextmanager
def pool(workers: int, initializer: Callable[..., None], *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """Worker processes, all of which end with the block.

    Args:
        workers: number of processes.
        initializer: what each calls first, with the arguments.

    Raises:
        UserError: a worker died, perhaps because it imported a script that starts workers whenever it is imported.
    """
    leave_if_imported()
    # A new interpreter each: a fork of a process in which torch has computed can hang.
    opened = ProcessPoolExecutor(workers, get_context("spawn"), initializer=initializer, initargs=arguments)
    processes = opened._processes
    try:
        yield opened
    except BrokenProcessPool:
        statuses = {exit_status(process) for process in list(processes.values())}
        raise UserError(UNGUARDED if UNGUARDED_STATUS in statuses else DIED) from None
    finally:
        left = list(processes.values())
        opened.shutdown(wait=False, cancel_futures=True)
        for process in left:
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
