"""The folder of all runs: one directory per run, named by the hash of its spec, which appears complete in one rename.

runs/HASH/            a finished run
runs/.work/HASH/      an unfinished run, with its checkpoint; only the holder of HASH.lock writes there
runs/.failed/HASH.json   why the last attempt failed
runs/.damaged/        damaged runs, moved there when they were made again
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import replace, write_json
from supernet.benchmarks.regular import open_lock, open_plain, take_lock
from supernet.harness.runs.integrity import (
    ENVIRONMENT,
    LEDGER,
    LOG,
    MEASURED,
    METRICS,
    PARTS,
    RECIPE,
    SCORES,
    SPEC,
    STATUS,
    SUMS,
    TRACE,
    Damaged,
    digest,
    is_number,
    read_json,
    read_log,
    verified,
)
from supernet.harness.runs.job import Job

__all__ = [
    "DEFAULT",
    "ENVIRONMENT",
    "LEDGER",
    "LOG",
    "MEASURED",
    "METRICS",
    "PARTS",
    "PROGRESS",
    "RECIPE",
    "SCORES",
    "SPEC",
    "STATUS",
    "SUMS",
    "TRACE",
    "Damaged",
    "Held",
    "Result",
    "Store",
    "digest",
    "read_json",
]  # fmt: skip
PROGRESS = "progress.json"
"""File in the work folder that tells other processes how far a run is."""
DEFAULT = Path("results/runs")
"""The folder of runs where none is named."""


class Held(Exception):
    """Another process is making the run."""


@dataclass(frozen=True)
class Result:
    """A finished run."""

    path: Path
    spec: dict[str, Any]
    state: str
    """done or diverged."""
    problem: str | None
    """Why it diverged."""
    metrics: dict[str, Any]
    ledger: dict[str, float]
    environment: dict[str, Any]

    @property
    def hash(self) -> str:
        return self.path.name

    def scores(self) -> pd.DataFrame:
        """Columns epoch, index, arch, accuracy, negative_loss, true, params, seconds, images."""
        return pd.read_parquet(self.path / SCORES)

    def trace(self) -> pd.DataFrame:
        """The trace of a search: for each seed and step, what the search would pick and what it has spent by then."""
        return pd.read_parquet(self.path / TRACE)

    def log(self) -> list[dict[str, Any]]:
        """One entry per epoch of training."""
        return read_log(self.path / LOG)

    def measured(self) -> pd.DataFrame:
        """What methods measured in the course of training: columns method, epoch and those of the methods."""
        path = self.path / MEASURED
        return pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=["method", "epoch"])


class Store:
    """The runs in one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folders that runs are made in.

        Raises:
            UserError: they cannot be written to.
        """
        try:
            for folder in (self._work, self._failed):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self._work / f".probe-{os.getpid()}"
            probe.write_bytes(b"")
            probe.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"The results folder {self.root} cannot be written to: {error.strerror}. "
                "Choose another with --results (`out`), or for a search with --out (`out`)."
            ) from None

    @property
    def _work(self) -> Path:
        return self.root / ".work"

    @property
    def _failed(self) -> Path:
        return self.root / ".failed"

    # ---- reading -------------------------------------------------------------------------------------------------

    def __contains__(self, run: str) -> bool:
        return (self.root / run / SUMS).exists()

    def read(self, run: str) -> Result:
        """A finished run.

        Raises:
            KeyError: there is no run with this hash.
            Damaged: its files were altered or are missing.
        """
        path = self.root / run
        if not path.is_dir():
            raise KeyError(run)
        try:
            return self._checked(path)
        except Damaged:
            if path.is_dir():
                raise
            raise KeyError(run) from None  # another process moved it aside while it was read

    def _checked(self, path: Path) -> Result:
        """The finished run in a directory.

        Raises:
            Damaged: its files were altered or are missing.
        """
        contents = verified(path)
        status = contents[STATUS]
        return Result(
            path,
            contents[SPEC],
            status["state"],
            status.get("problem"),
            contents[METRICS],
            contents[LEDGER],
            contents[ENVIRONMENT],
        )

    def hashes(self) -> list[str]:
        """The hashes of all run directories, whole or damaged, in ascending order."""
        if not self.root.is_dir():
            return []
        return sorted(path.name for path in self.root.iterdir() if path.is_dir() and not path.name.startswith("."))

    def results(self) -> tuple[list[Result], list[str]]:
        """All finished runs, and what is wrong with the others."""
        found, problems = [], []
        for run in self.hashes():
            try:
                found.append(self.read(run))
            except Damaged as error:
                problems.append(str(error))
            except KeyError:  # another process has moved it aside in the meantime
                continue
        return found, problems

    def whole(self, run: str) -> bool:
        """Whether there is a finished, undamaged run of this hash."""
        try:
            self.read(run)
        except (Damaged, KeyError):
            return False
        return True

    def held(self, run: str) -> bool:
        """Whether a process is making this run."""
        try:
            with open_plain(self._work / f"{run}.lock") as lock:
                # A shared lock, so that processes that look at the same time do not take each other for the maker. NFS
                # grants no other kind for a file that is open for reading.
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def failure(self, run: str) -> str | None:
        """Why the last attempt at an unfinished run failed; None if that is not known."""
        try:
            problem = read_json(self._failed / f"{run}.json").get("problem")
        except (OSError, ValueError):
            return None
        return problem if isinstance(problem, str) else None

    def progress(self, run: str) -> dict[str, Any] | None:
        """The progress of a run: the `share` that is done, from 0 to 1, and a `text`; None if nothing is known."""
        try:
            content = read_json(self._work / run / PROGRESS)
        except (OSError, ValueError):
            return None
        share, text = content.get("share"), content.get("text")
        if not (is_number(share) and 0 <= share <= 1 and isinstance(text, str)):  # type: ignore[operator]
            return None
        return {"share": share, "text": text}

    def quiet(self, run: str) -> float | None:
        """Seconds since a run last reported its progress; None if it never did."""
        try:
            return max(0.0, time.time() - (self._work / run / PROGRESS).stat().st_mtime)
        except OSError:
            return None

    # ---- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def hold(self, spec: Job, patience: float | None = None) -> Iterator[Path]:
        """Reserve a run for this process, and yield its work folder; waits while another process holds the run.

        Args:
            patience: seconds to wait; by default, for as long as the other process holds the run.

        Raises:
            Held: another process still holds the run after that time.
        """
        run = spec.hash
        self.prepare()
        guard = self._work / f"{run}.lock"
        with open_lock(guard) as held:
            _lock(held, guard, patience)
            try:
                yield self._work / run
            except Exception:
                for path in (self._work / run).glob(".*.partial"):  # if the disk is full, these may be the cause
                    path.unlink(missing_ok=True)
                raise

    def set_aside(self, run: str) -> None:
        """Move a damaged run directory to the folder `.damaged`."""
        aside = self.root / ".damaged"
        aside.mkdir(exist_ok=True)
        replace(self.root / run, aside / f"{run}-{time.time_ns()}")

    def publish(self, run: str) -> None:
        """Give a work folder its final name, with checksums of the parts of the run; then delete all other files."""
        folder, final = self._work / run, self.root / run
        sums = {path.name: digest(path) for path in sorted(folder.iterdir()) if path.name in PARTS}
        write_json(folder / SUMS, sums)
        replace(folder, final)
        self.tidy(run)

    def tidy(self, run: str) -> None:
        """Delete what a finished run no longer needs, as far as that is possible."""
        folder = self.root / run
        for path in (self._failed / f"{run}.json", *(folder.iterdir() if folder.is_dir() else ())):
            if path.name not in {*PARTS, SUMS}:
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def fail(self, run: str, problem: str, trace: str = "") -> None:
        """Record why an attempt failed; what the run has done so far stays."""
        self._failed.mkdir(parents=True, exist_ok=True)
        write_json(self._failed / f"{run}.json", {"problem": problem, "trace": trace})


def _lock(file: IO[bytes], path: Path, patience: float | None) -> None:
    if patience is None:
        take_lock(file, path)
        return
    deadline = time.monotonic() + patience
    while True:
        try:
            take_lock(file, path, wait=False)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Held from None
            time.sleep(min(0.1, patience))
