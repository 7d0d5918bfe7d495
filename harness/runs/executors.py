"""Executors, which make runs in this process, in local processes, or on a Ray cluster.

An executor makes the runs of several specs with `execute`, in any order and place. Results, progress and failures are
in the store, which all processes share. A run that another process is making is tried again after the others.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from supernet.benchmarks.errors import UserError
from supernet.harness.runs import workers
from supernet.harness.runs.compared import ComparedStore
from supernet.harness.runs.execute import execute, job
from supernet.harness.runs.job import Job
from supernet.harness.runs.store import Store

TRIES = 3
"""Number of attempts at a run whose worker dies each time, before the run counts as failed."""
PATIENCE = 5.0
"""Seconds that a worker waits for a run that another process is making, before it takes another run."""
POLL_SECONDS = 0.25
"""Seconds between two looks at the workers; also the time between two calls of `tick`."""
TAIL, LINES, LAST = 8192, 4, 500
"""Bytes at the end of a worker's standard error that are kept, and most lines and characters that a failure quotes."""
LOCAL_RAY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Environment of a Ray cluster that this process starts: it listens on this machine only, and sends no statistics.

The first variable has this effect on Linux, too; Ray reads it when it is imported.
"""
UNGUARDED = (
    f'{workers.IMPORTED} Put the call that makes runs under `if __name__ == "__main__":`, or use the executor of one '
    "process."
)
Finished = Callable[[str, str], None]
"""Called with the hash of a run and its state: done, diverged or failed; or held, each time a worker finds that another
process is making the run."""


class Executor(Protocol):
    """Makes runs."""

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        """Make all runs in the store at `root`; returns when each is done, diverged or failed.

        Args:
            specs: what to make.
            finished: called in this process whenever a run ends.
            tick: called several times a second while runs are being made.
        """
        ...


@dataclass(frozen=True)
class InProcess:
    """Makes one run after the other in this process.

    It uses as many CPU threads as a worker does, because their number changes the last bits of results.
    """

    device: str = "cpu"
    threads: int = 1

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        import torch

        store, before = ComparedStore(root), torch.get_num_threads()
        torch.set_num_threads(self.threads)
        waiting = deque(specs)
        try:
            while waiting:
                spec = waiting.popleft()
                state = execute(
                    spec, store, device=self.device, report=lambda share, text: tick(), patience=PATIENCE
                )  # fmt: skip
                finished(spec.hash, state)
                if state == "held":
                    waiting.append(spec)
                tick()
        finally:
            torch.set_num_threads(before)


@dataclass(frozen=True)
class Processes:
    """Makes runs in local processes, each with the given number of CPU threads, spread over the GPUs if there are any.

    If a worker dies, its run continues from its checkpoint in a new worker.
    """

    workers: int
    device: str = "cpu"
    threads: int = 1

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        workers.leave_if_imported()
        waiting = deque((spec, 1) for spec in specs)
        running: dict[Future[str], tuple[_Worker, Job, int]] = {}
        crew = [_Worker(number, self.threads) for number in range(self.workers)]
        try:
            while waiting or running:
                busy = {worker.number for worker, _, _ in running.values()}
                for worker in [worker for worker in crew if worker.number not in busy][: len(waiting)]:
                    spec, attempt = waiting.popleft()
                    running[worker.submit(spec, root, self.device)] = worker, spec, attempt
                ended, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                for worker in crew:
                    worker.listen()
                for future in ended:
                    worker, spec, attempt = running.pop(future)
                    self._end(future, worker, spec, attempt, waiting, root, finished)
                tick()
        finally:
            for worker in crew:
                worker.kill()  # this loses nothing: a run can be killed at any moment

    @staticmethod
    def _end(
        future: Future[str], worker: _Worker, spec: Job, attempt: int, waiting: deque[tuple[Job, int]], root: Path,
        finished: Finished,
    ) -> None:  # fmt: skip
        """Report the state of a run that has ended; queue it again if its worker died or another process holds it."""
        state = "died"
        with suppress(BrokenProcessPool):
            state = future.result()
        if state == "died":
            cause = worker.replace_process()
            if attempt < TRIES:
                waiting.appendleft((spec, attempt + 1))
                return
            _give_up(spec, root, f"The worker died {attempt} times while it made this run: {cause}")
            state = "failed"
        finished(spec.hash, state)
        if state == "held":
            waiting.append((spec, attempt))


class _Worker:
    """A process that makes one run at a time, with the end of what it wrote to its standard error.

    Each worker has a process pool of its own, because a pool that loses a process gives up its other processes, too.
    """

    def __init__(self, number: int, threads: int) -> None:
        self.number, self._threads = number, threads
        self._start()

    def _start(self) -> None:
        self._reader, self._writer = Pipe(duplex=False)
        os.set_blocking(self._reader.fileno(), False)
        self._said, self._process = b"", None
        self._pool = ProcessPoolExecutor(
            1,
            mp_context=get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._threads, os.getpid(), self.number, self._writer),
        )

    def submit(self, spec: Job, root: Path, device: str) -> Future[str]:
        """Start a run in the process."""
        arguments = spec.as_dict(), str(root), device
        try:
            future = self._pool.submit(_in_worker, *arguments)
        except BrokenProcessPool:  # the process died while it was idle
            self.replace_process()
            future = self._pool.submit(_in_worker, *arguments)
        self._process = next(iter((getattr(self._pool, "_processes", None) or {}).values()), None)
        return future

    def listen(self) -> None:
        """Pass on what the process wrote to its standard error, and keep the end of it."""
        with suppress(OSError):  # there is nothing to read at the moment
            while text := os.read(self._reader.fileno(), 1 << 16):
                self._said = (self._said + text)[-TAIL:]
                if sys.stderr is not None:
                    sys.stderr.write(text.decode("utf-8", "replace"))
                    sys.stderr.flush()

    def replace_process(self) -> str:
        """Start a new process in place of one that died; returns how it ended, as sentences.

        Raises:
            UserError: it was started by a script that starts workers whenever it is imported.
        """
        code = workers.exit_status(self._process)
        self.listen()
        said = self._said.decode("utf-8", "replace")
        self.kill()
        self._start()
        if code == workers.UNGUARDED_STATUS:
            raise UserError(UNGUARDED)
        return _cause(code, said)

    def kill(self) -> None:
        """Kill the process."""
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            process.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reader.close()
        self._writer.close()


def _cause(code: int | None, said: str) -> str:
    """How a process ended, from its exit code, with the last lines of its standard error."""
    if code is None:
        how = "it ended for an unknown reason."
    elif code == -signal.SIGKILL:
        how = "it was killed (SIGKILL), as the system does when memory runs out. In that case, try fewer workers."
    elif code < 0:
        names = {s.value: s.name for s in signal.Signals}
        how = f"it was ended by the signal {names.get(-code, -code)}."
    else:
        how = f"it ended by itself with exit status {code}."
    crash = max(said.find("Fatal Python error"), said.find("Current thread"))  # then the stack, innermost call first
    lines = [line.strip() for line in said[max(0, crash) :].splitlines() if line.strip()]
    last = " / ".join(lines[:LINES])[:LAST] if crash >= 0 else " / ".join(lines[-LINES:])[-LAST:]
    return how + (f" Its standard error ended with: {last}" if last else "")


@dataclass(frozen=True)
class Ray:
    """Makes runs on a Ray cluster whose nodes share the results folder. Ray repeats the runs of workers that are lost.

    Args:
        address: of the cluster; by default that in RAY_ADDRESS, or else a new cluster on this machine.
        cpus: CPUs of each run, which are also its threads.
        gpus: GPUs of each run; with 0 it is made on CPUs.
    """

    address: str | None = None
    cpus: float = 1
    gpus: float = 0

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        own = self.address is None and "RAY_ADDRESS" not in os.environ
        if own:
            for name, value in LOCAL_RAY.items():
                os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError:
            raise UserError("The ray executor needs Ray: pip install 'supernet-study[ray]'.") from None
        started = not ray.is_initialized()
        if started:
            # A cluster of one machine need not be reachable from others.
            here: dict[str, Any] = {"_node_ip_address": "127.0.0.1"} if own else {}
            ray.init(
                address=self.address, log_to_driver=False, include_dashboard=False, configure_logging=False, **here
            )  # fmt: skip
        try:
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=TRIES - 1)(_on_ray)
            device, threads = "cuda" if self.gpus else "cpu", max(1, int(self.cpus))

            def begin(spec: Job) -> Any:
                return task.remote(spec.as_dict(), str(root.resolve()), device, threads)

            running = {begin(spec): spec for spec in specs}
            while running:
                ended, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                for reference in ended:
                    spec = running.pop(reference)
                    try:
                        state = ray.get(reference)
                    except UserError:
                        raise
                    except ray.exceptions.RayError as error:
                        reason = " ".join(str(error).split())[:LAST]
                        _give_up(spec, root, f"Ray could not make this run in {TRIES} attempts: {reason}")
                        state = "failed"
                    finished(spec.hash, state)
                    if state == "held":
                        running[begin(spec)] = spec
                tick()
        finally:
            if started:
                ray.shutdown()


def _give_up(spec: Job, root: Path, problem: str) -> None:
    """Record that a run failed."""
    with suppress(OSError):  # if the disk is full, the run stays missing
        Store(root).fail(spec.hash, problem)


def _on_ray(content: dict[str, Any], root: str, device: str, threads: int) -> str:
    import torch

    torch.set_num_threads(threads)
    return _in_worker(content, root, device)


def _in_worker(content: dict[str, Any], root: str, device: str) -> str:
    return execute(job(content), ComparedStore(Path(root)), device=_device_of_worker(device), patience=PATIENCE)


_worker_number = 0
"""The number of this worker, counted from 0; in other processes, 0."""


def _device_of_worker(device: str) -> str:
    """The device on which this worker makes all its runs: `cuda` is one of the GPUs, in turn over workers."""
    if device != "cuda":
        return device
    import torch

    return f"cuda:{_worker_number % max(1, torch.cuda.device_count())}"


def _start_worker(threads: int, parent: int, number: int, errors: Connection) -> None:
    """Set up a new worker: its standard error goes to the pipe, including the trace of a crash."""
    global _worker_number
    _worker_number = number
    os.dup2(errors.fileno(), 2)
    faulthandler.enable()
    workers.begin(parent, threads)
