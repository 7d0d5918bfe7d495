"""Where runs are made: in this process, in local processes, or on a Ray cluster.

An executor gets specs and makes them one by one with `execute`, in whatever order and place; results, progress and
failures are in the store, which all places share.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from benchmarks.errors import UserError
from harness import workers
from harness.study.spec import Job, job

TRIES = 3
"""Times that a run is begun before it counts as failed because its worker died each time."""
Finished = Callable[[str, str], None]
"""Told the hash of a run and its state: done, diverged or failed."""


class Executor(Protocol):
    """Makes runs."""

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        """Make all runs in the store at `root`; returns when each is done, diverged or failed.

        Args:
            finished: called in this process whenever a run ends.
            tick: called several times a second meanwhile.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """One run after the other, here, with as many CPU threads as elsewhere: their number changes the last bits."""

    device: str = "cpu"
    threads: int = 1

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        import torch

        from harness.study.run import execute
        from harness.study.store import Store

        store, before = Store(root), torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            for spec in specs:
                finished(spec.hash, execute(spec, store, device=self.device, report=lambda share, text: tick()))
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class Processes:
    """Local processes, each with so many CPU threads; on GPUs they take turns over the devices.

    A worker that dies takes no run with it: its own is begun again, where its checkpoint left it, in a new worker.
    """

    workers: int
    device: str = "cpu"
    threads: int = 1

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        waiting = [(spec, 1) for spec in reversed(specs)]
        running: dict[Future[str], tuple[int, Job, int]] = {}
        # A pool for each worker: a pool that loses one of its workers gives up the others, too.
        pools = [self._pool(number) for number in range(self.workers)]
        try:
            while waiting or running:
                idle = set(range(self.workers)) - {number for number, _, _ in running.values()}
                for number in sorted(idle)[: len(waiting)]:
                    spec, attempt = waiting.pop()
                    try:
                        future = self._submit(pools[number], spec, root)
                    except BrokenProcessPool:  # its worker died while it had nothing to do
                        pools[number] = self._pool(number)
                        future = self._submit(pools[number], spec, root)
                    running[future] = number, spec, attempt
                ended, _ = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
                for future in ended:
                    number, spec, attempt = running.pop(future)
                    try:
                        finished(spec.hash, future.result())
                    except BrokenProcessPool:
                        pools[number] = self._pool(number)
                        self._again(spec, attempt, waiting, root, finished)
                tick()
        finally:
            for pool in pools:
                for process in list((getattr(pool, "_processes", None) or {}).values()):
                    process.kill()  # a run can be killed at any moment
                pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self, number: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=(self.threads, os.getpid(), number),
        )

    def _submit(self, pool: ProcessPoolExecutor, spec: Job, root: Path) -> Future[str]:
        return pool.submit(_in_worker, spec.as_dict(), str(root), self.device)

    @staticmethod
    def _again(spec: Job, attempt: int, waiting: list[tuple[Job, int]], root: Path, finished: Finished) -> None:
        if attempt < TRIES:
            waiting.append((spec, attempt + 1))
        else:
            _give_up(spec, root, attempt)
            finished(spec.hash, "failed")


@dataclass(frozen=True)
class Ray:
    """A Ray cluster whose nodes share the results folder; Ray begins runs of lost workers again."""

    address: str | None = None
    cpus: float = 1
    gpus: float = 0

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        try:
            import ray
        except ImportError:
            raise UserError("The ray executor needs Ray: pip install 'supernet-study[ray]'.") from None
        started = not ray.is_initialized()
        if started:
            ray.init(address=self.address, log_to_driver=False, include_dashboard=False, configure_logging=False)
        try:
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=TRIES - 1)(_on_ray)
            device = "cuda" if self.gpus else "cpu"
            running = {
                task.remote(spec.as_dict(), str(root.resolve()), device, max(1, int(self.cpus))): spec for spec in specs
            }
            while running:
                ended, _ = ray.wait(list(running), timeout=0.25)
                for reference in ended:
                    spec = running.pop(reference)
                    try:
                        finished(spec.hash, ray.get(reference))
                    except UserError:
                        raise
                    except ray.exceptions.RayError:
                        _give_up(spec, root, TRIES)
                        finished(spec.hash, "failed")
                tick()
        finally:
            if started:
                ray.shutdown()


def _give_up(spec: Job, root: Path, tries: int) -> None:
    from harness.study.store import Store

    problem = f"The worker died {tries} times while it made this run (out of memory, perhaps). Try fewer workers."
    with suppress(OSError):  # a full disk: the run stays missing
        Store(root).fail(spec.hash, problem)


def _on_ray(content: dict[str, Any], root: str, device: str, threads: int) -> str:
    import torch

    torch.set_num_threads(threads)
    return _in_worker(content, root, device)


def _in_worker(content: dict[str, Any], root: str, device: str) -> str:
    from harness.study.run import execute
    from harness.study.store import Store

    return execute(job(content), Store(Path(root)), device=_turn(device))


_worker_number = 0


def _turn(device: str) -> str:
    """`cuda` as the next of the devices there are, a worker's own for good."""
    if device != "cuda":
        return device
    import torch

    return f"cuda:{_worker_number % max(1, torch.cuda.device_count())}"


def _start_worker(threads: int, parent: int, number: int) -> None:
    """In a new worker."""
    global _worker_number
    _worker_number = number
    workers.begin(parent, threads)
