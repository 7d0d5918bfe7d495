"""Executors make runs in this process, in local processes, or on a Ray cluster.

An executor gets specs and makes each of them with `execute`, in any order and place; results, progress and failures
are in the store, which all places share. A run that another process is making waits until others are made.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe, current_process, get_context
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
"""Times that a run is begun before it counts as failed because its worker died each time."""
PATIENCE = 5.0
"""Seconds that a worker waits for a run which another process is making, before it takes another run."""
TAIL, LINES, LAST = 8192, 4, 500
"""Bytes of a worker's standard error that are kept, and the last lines and characters of it that a failure quotes."""
LOCAL_RAY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Environment of a cluster of one's own: it listens to this machine alone (on Linux, too), and reports to nobody.

Ray reads the first one when it is imported.
"""
UNGUARDED_STATUS = 87
"""Exit status of a worker that finds itself starting workers while it imports the script that started it."""
UNGUARDED = (
    "Workers import the script that starts them, and this one starts workers whenever it is imported. Put the call "
    'that makes runs under `if __name__ == "__main__":`, or use the executor of one process.'
)
Finished = Callable[[str, str], None]
"""Told the hash of a run and its state: done, diverged or failed; or held, as often as another process that makes the
run keeps a worker from it."""


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
    """One run after the other in this process.

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
    """Local processes, each with the given number of CPU threads; on GPUs they take turns over the devices.

    A worker that dies takes no run with it: its own is begun again, where its checkpoint left it, in a new worker.
    """

    workers: int
    device: str = "cpu"
    threads: int = 1

    def make(self, specs: Sequence[Job], root: Path, finished: Finished, tick: Callable[[], None]) -> None:
        if getattr(current_process(), "_inheriting", False):  # a worker imports the script that started it
            os._exit(UNGUARDED_STATUS)
        waiting = deque((spec, 1) for spec in specs)
        running: dict[Future[str], tuple[_Worker, Job, int]] = {}
        crew = [_Worker(number, self.threads) for number in range(self.workers)]
        try:
            while waiting or running:
                busy = {worker.number for worker, _, _ in running.values()}
                for worker in [worker for worker in crew if worker.number not in busy][: len(waiting)]:
                    spec, attempt = waiting.popleft()
                    running[worker.submit(spec, root, self.device)] = worker, spec, attempt
                ended, _ = wait(running, timeout=0.25, return_when=FIRST_COMPLETED)
                for worker in crew:
                    worker.listen()
                for future in ended:
                    worker, spec, attempt = running.pop(future)
                    self._end(future, worker, spec, attempt, waiting, root, finished)
                tick()
        finally:
            for worker in crew:
                worker.kill()  # a run can be killed at any moment

    @staticmethod
    def _end(
        future: Future[str], worker: _Worker, spec: Job, attempt: int, waiting: deque[tuple[Job, int]], root: Path,
        finished: Finished,
    ) -> None:  # fmt: skip
        """See what came of a run: its state, or what its worker died of."""
        state = "died"
        with suppress(BrokenProcessPool):
            state = future.result()
        if state == "died":
            fate = worker.bury()
            if attempt < TRIES:
                waiting.appendleft((spec, attempt + 1))
                return
            _give_up(spec, root, f"The worker died {attempt} times while it made this run: {fate}")
            state = "failed"
        finished(spec.hash, state)
        if state == "held":
            waiting.append((spec, attempt))


class _Worker:
    """A process that makes one run at a time, and the end of what it wrote to its standard error.

    It has a pool of its own: a pool that loses one of its processes gives up the others, too.
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
        """Begin a run."""
        arguments = spec.as_dict(), str(root), device
        try:
            future = self._pool.submit(_in_worker, *arguments)
        except BrokenProcessPool:  # the process died while it had nothing to do
            self.bury()
            future = self._pool.submit(_in_worker, *arguments)
        self._process = next(iter((getattr(self._pool, "_processes", None) or {}).values()), None)
        return future

    def listen(self) -> None:
        """Hand on what the process wrote to its standard error, and keep the end of it."""
        with suppress(OSError):  # nothing there at the moment
            while text := os.read(self._reader.fileno(), 1 << 16):
                self._said = (self._said + text)[-TAIL:]
                if sys.stderr is not None:
                    sys.stderr.write(text.decode("utf-8", "replace"))
                    sys.stderr.flush()

    def bury(self) -> str:
        """What the process died of, as sentences; the next run gets a new one.

        Raises:
            UserError: it was started by a script that starts workers whenever it is imported.
        """
        code = _exit_status(self._process)
        self.listen()
        said = self._said.decode("utf-8", "replace")
        self.kill()
        self._start()
        if code == UNGUARDED_STATUS:
            raise UserError(UNGUARDED)
        return _fate(code, said)

    def kill(self) -> None:
        """End the process."""
        for process in list((getattr(self._pool, "_processes", None) or {}).values()):
            process.kill()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._reader.close()
        self._writer.close()


def _exit_status(process: Any) -> int | None:
    """The exit status of a process that has ended or is about to; None if it cannot be had.

    The pool waits for the process in a thread of its own, and only one of two that wait is told the status at once.
    """
    deadline = time.monotonic() + 5
    while process is not None and time.monotonic() < deadline:
        process.join(0.1)
        if process.exitcode is not None:
            return int(process.exitcode)
    return None


def _fate(code: int | None, said: str) -> str:
    """How a process ended, from its exit code, and the last lines of its standard error."""
    if code is None:
        how = "it ended for an unknown reason."
    elif code == -signal.SIGKILL:
        how = "it was killed (SIGKILL), as the system does when memory runs out. Then try fewer workers."
    elif code < 0:
        names = {s.value: s.name for s in signal.Signals}
        how = f"it was ended by the signal {names.get(-code, -code)}."
    else:
        how = f"it ended by itself with exit status {code}."
    crash = max(said.find("Fatal Python error"), said.find("Current thread"))  # then the stack, innermost call first
    lines = [line.strip() for line in said[max(0, crash) :].splitlines() if line.strip()]
    last = " / ".join(lines[:LINES])[:LAST] if crash >= 0 else " / ".join(lines[-LINES:])[-LAST:]
    return how + (f" Its last words: {last}" if last else "")


@dataclass(frozen=True)
class Ray:
    """A Ray cluster whose nodes share the results folder; Ray begins runs of lost workers again."""

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
            # Other machines need not reach a cluster of one machine.
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
                ended, _ = ray.wait(list(running), timeout=0.25)
                for reference in ended:
                    spec = running.pop(reference)
                    try:
                        state = ray.get(reference)
                    except UserError:
                        raise
                    except ray.exceptions.RayError as error:
                        reason = " ".join(str(error).split())[:LAST]
                        _give_up(spec, root, f"Ray could not make this run in {TRIES} tries: {reason}")
                        state = "failed"
                    finished(spec.hash, state)
                    if state == "held":
                        running[begin(spec)] = spec
                tick()
        finally:
            if started:
                ray.shutdown()


def _give_up(spec: Job, root: Path, problem: str) -> None:
    with suppress(OSError):  # a full disk: the run stays missing
        Store(root).fail(spec.hash, problem)


def _on_ray(content: dict[str, Any], root: str, device: str, threads: int) -> str:
    import torch

    torch.set_num_threads(threads)
    return _in_worker(content, root, device)


def _in_worker(content: dict[str, Any], root: str, device: str) -> str:
    return execute(job(content), ComparedStore(Path(root)), device=_turn(device), patience=PATIENCE)


_worker_number = 0


def _turn(device: str) -> str:
    """`cuda` as the next of the devices there are, a worker's own for good."""
    if device != "cuda":
        return device
    import torch

    return f"cuda:{_worker_number % max(1, torch.cuda.device_count())}"


def _start_worker(threads: int, parent: int, number: int, errors: Connection) -> None:
    """In a new worker: its standard error goes to the pipe, that of a crash included."""
    global _worker_number
    _worker_number = number
    os.dup2(errors.fileno(), 2)
    faulthandler.enable()
    workers.begin(parent, threads)
