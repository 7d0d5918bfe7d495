"""One run from its spec to its directory, whichever kind it is of; a failure is noted, never raised."""

from __future__ import annotations

import importlib
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.harness.runs.job import SEARCH, STUDY, Job, kind_of
from supernet.harness.runs.store import Damaged, Held, Store

MAKERS = {STUDY: "supernet.harness.study.make", SEARCH: "supernet.harness.search.make"}
"""Kind of a job -> the module that makes it, a `Maker`. It is imported when the first job of its kind is made."""
Report = Callable[[float, str], None]
"""Told the share done and what is going on."""


class Maker(Protocol):
    """A module that makes the jobs of one kind."""

    def read(self, content: Mapping[str, Any]) -> Job:
        """The spec that `as_dict` wrote; its plug-ins are imported first."""
        ...

    def make(self, spec: Any, work: Path, device: str, report: Report) -> str:
        """Leave the files of a finished run in the work folder; the state: done or diverged."""
        ...


def _maker(kind: str) -> Maker:
    return cast(Maker, importlib.import_module(MAKERS[kind]))


def job(content: Mapping[str, Any]) -> Job:
    """The spec whose `as_dict` gave this, of whichever kind; its plug-ins are imported first."""
    return _maker(kind_of(content)).read(content)


def execute(
    spec: Job, store: Store, *, device: str = "cpu", report: Report | None = None, patience: float | None = None
) -> str:
    """Make the run unless it is there; its state: done, diverged, failed or held.

    A failure is noted in the store, never raised, so that one run cannot stop others. Interrupted or killed at any
    moment, the next call goes on from the last epoch.

    Args:
        patience: seconds to wait for another process that makes this run, after which the state is "held"; without
            it, the call waits for as long as that takes.
    """
    run = spec.hash
    try:
        with store.hold(spec, patience) as work:
            try:
                state = store.read(run).state
                store.tidy(run)  # a kill may have come between publishing and that
                return state
            except KeyError:
                pass
            except Damaged:
                store.set_aside(run)
            work.mkdir(exist_ok=True)
            state = _maker(spec.kind).make(spec, work, device, report or (lambda share, text: None))
            store.publish(run)
            return state
    except Held:
        return "held"
    except MemoryError:
        problem = "Memory ran out while this run was made. What is done so far is kept. Try fewer workers."
        trace = traceback.format_exc()
    except UserError as error:
        problem, trace = str(error), ""
    except OSError as error:
        problem = f"{error.strerror or error}: {error.filename or store.root}. What is done so far is kept."
        trace = traceback.format_exc()
    except Exception as error:
        problem, trace = f"{type(error).__name__}: {' '.join(str(error).split())}", traceback.format_exc()
    with suppress(OSError):  # the disk is full, say: the run stays missing, and the next try says why
        store.fail(run, problem, trace)
    return "failed"


def throttled(report: Report, path: Path) -> Report:
    """Reports, and leaves a progress file for whoever watches from outside, a few times a second at most."""
    last = [0.0]

    def tell(share: float, text: str) -> None:
        report(share, text)
        now = time.monotonic()
        if now - last[0] > 0.5:
            last[0] = now
            write_json(path, {"share": share, "text": text})

    return tell


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The project's commit, with a + where the tree differs from it; None outside a clone of the project.

    A package that is installed inside another repository, in a virtual environment say, has no commit: that
    repository's is not the project's.
    """
    root = Path(__file__).resolve().parents[2]
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or not Path(top).samefile(root):
        return None
    return _git(root, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails or prints nothing. Variables such as GIT_DIR are not handed on."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        told = subprocess.run(
            ["git", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return told.stdout.rstrip("\n") or None
