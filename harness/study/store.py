"""Where runs lie: one directory per run, under the hash of its spec, which appears whole by one rename.

runs/HASH/            a finished run
runs/.work/HASH/      an unfinished one, with its checkpoint; only the holder of HASH.lock writes there
runs/.failed/HASH.json   why the last try failed
runs/.damaged/        what was found damaged, put aside when its run was made again
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.errors import UserError
from benchmarks.files import write_json
from harness.study.spec import Job

SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT = (
    "spec.json",
    "status.json",
    "metrics.json",
    "ledger.json",
    "environment.json",
)
SCORES, TRACE, LOG, RECIPE, SUMS = "scores.parquet", "trace.parquet", "log.jsonl", "recipe.yaml", "checksums.json"
PARTS = frozenset({SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT, SCORES, TRACE, LOG, RECIPE})
"""What a finished run is made of; all else in its work folder is for going on with it."""
PROGRESS = "progress.json"
DEFAULT = Path("results/runs")


class Damaged(UserError):
    """A run directory whose files are not those that were written."""


@dataclass(frozen=True)
class Result:
    """A finished run."""

    path: Path
    spec: dict[str, Any]
    state: str
    """done or diverged."""
    problem: str | None
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
        """Of a search: a row per seed and step, the architecture it would pick and all that it has spent by then."""
        return pd.read_parquet(self.path / TRACE)

    def log(self) -> list[dict[str, Any]]:
        """One entry per epoch of training."""
        return [json.loads(line) for line in (self.path / LOG).read_text(encoding="utf-8").splitlines()]


class Store:
    """The runs under one folder."""

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
                f"The results folder {self.root} cannot be written to: {error.strerror}. Choose another with --results."
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
            KeyError: there is none of this hash.
            Damaged: its files were altered or are missing.
        """
        path = self.root / run
        if not path.is_dir():
            raise KeyError(run)
        check(path)
        status = read_json(path / STATUS)
        return Result(
            path,
            read_json(path / SPEC),
            status["state"],
            status.get("problem"),
            read_json(path / METRICS),
            read_json(path / LEDGER),
            read_json(path / ENVIRONMENT),
        )

    def hashes(self) -> list[str]:
        """All run directories, whole or damaged."""
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
            except (KeyError, OSError):  # put aside by another process meanwhile
                continue
        return found, problems

    def whole(self, run: str) -> bool:
        """Whether there is a finished, undamaged run of this hash."""
        try:
            check(self.root / run)
        except Damaged:
            return False
        return True

    def held(self, run: str) -> bool:
        """Whether a process is making this run."""
        try:
            with (self._work / f"{run}.lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def failure(self, run: str) -> str | None:
        """Why the last try of an unfinished run failed."""
        try:
            return str(read_json(self._failed / f"{run}.json")["problem"])
        except (OSError, ValueError, KeyError):
            return None

    def progress(self, run: str) -> dict[str, Any] | None:
        """Where a run in progress is: epoch, epochs, share, text; None where nothing is known."""
        try:
            return read_json(self._work / run / PROGRESS)
        except (OSError, ValueError):
            return None

    # ---- writing -------------------------------------------------------------------------------------------------

    @contextmanager
    def hold(self, spec: Job) -> Iterator[Path]:
        """The work folder of a run, to which no other process writes meanwhile; waits while one does."""
        run = spec.hash
        self.prepare()
        with (self._work / f"{run}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                yield self._work / run
            except Exception:
                for path in (self._work / run).glob(".*.partial"):  # what fills a full disk, perhaps
                    path.unlink(missing_ok=True)
                raise

    def set_aside(self, run: str) -> None:
        """Move a damaged run directory out of the way, keeping it."""
        aside = self.root / ".damaged"
        aside.mkdir(exist_ok=True)
        (self.root / run).replace(aside / f"{run}-{time.time_ns()}")

    def publish(self, run: str) -> None:
        """Give a work folder its final name, with checksums of the parts of the run; then drop what else is there."""
        folder, final = self._work / run, self.root / run
        sums = {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name in PARTS}
        write_json(folder / SUMS, sums)
        folder.replace(final)
        self.tidy(run)

    def tidy(self, run: str) -> None:
        """Drop what a finished run has no use for any more, as far as that is possible."""
        with suppress(OSError):
            (self._failed / f"{run}.json").unlink(missing_ok=True)
            for path in (self.root / run).iterdir():
                if path.name not in {*PARTS, SUMS}:
                    path.unlink(missing_ok=True)

    def fail(self, run: str, problem: str, trace: str = "") -> None:
        """Note why a try failed; what the run has done so far stays."""
        self._failed.mkdir(parents=True, exist_ok=True)
        write_json(self._failed / f"{run}.json", {"problem": problem, "trace": trace})


def check(path: Path) -> None:
    """Compare a run directory with its checksums.

    Raises:
        Damaged: they do not agree.
    """
    try:
        sums = read_json(path / SUMS)
        for name, digest in sums.items():
            if _digest(path / name) != digest:
                raise Damaged(f"The run {path} is damaged: {name} was altered. `supernet study run` makes it again.")
        missing = {SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT, LOG} - set(sums)
        if missing:
            raise ValueError(f"{', '.join(sorted(missing))} is not among its files")
        contents = {name: read_json(path / name) for name in (SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT)}
        status = contents[STATUS]
        if status["run"] != path.name:
            raise ValueError(f"it holds the run {status['run']}")
        made = TRACE if contents[SPEC].get("kind") == "search" else SCORES
        if status["state"] == "done" and made not in sums:
            raise ValueError(f"{made} is not among its files")
    except (OSError, ValueError, AttributeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        name = f" ({Path(error.filename).name})" if isinstance(error, OSError) and error.filename else ""
        raise Damaged(f"The run {path} is damaged: {reason}{name}. `supernet study run` makes it again.") from None


def read_json(path: Path) -> dict[str, Any]:
    """The contents of a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
