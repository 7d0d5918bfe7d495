"""Makes one run of any kind, from its spec to its directory. A failure is recorded in the store and never raised."""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.memory import is_out_of_memory, memory_message
from supernet.harness.runs.job import SEARCH, STUDY, Job, kind_of
from supernet.harness.runs.store import Damaged, Held, Store

MAKERS = {STUDY: "supernet.harness.study.make", SEARCH: "supernet.harness.search.make"}
"""Kind of a job -> the module that makes it, a `Maker`. It is imported when the first job of its kind is made."""
Report = Callable[[float, str], None]
"""Called with the share of a run that is done, from 0 to 1, and a text about what is going on."""
PROGRESS_SECONDS = 0.5
"""Least time between two writes of a run's progress file."""


class Maker(Protocol):
    """A module that makes the jobs of one kind."""

    def read(self, content: Mapping[str, Any]) -> Job:
        """The spec that `as_dict` wrote; its plug-ins are imported first."""
        ...

    def make(self, spec: Any, work: Path, device: str, report: Report) -> str:
        """Make a run and leave its files in the work folder; returns its state: done or diverged."""
        ...


def _maker(kind: str) -> Maker:
    return cast(Maker, importlib.import_module(MAKERS[kind]))


def job(content: Mapping[str, Any]) -> Job:
    """The spec, of any kind, whose `as_dict` gave this content; its plug-ins are imported first."""
    return _maker(kind_of(content)).read(content)


def execute(
    spec: Job, store: Store, *, device: str = "cpu", report: Report | None = None, patience: float | None = None
) -> str:
    """Make a run unless it is finished already; returns its state: done, diverged, failed or held.

    A failure is recorded in the store and never raised, so that one run cannot stop others. The call can be interrupted
    or killed at any moment; the next one continues from the last epoch.

    Args:
        report: called with the progress of the run.
        patience: seconds to wait for another process that is making this run, after which the state is "held"; by
            default, the call waits for as long as that takes.
    """
    run = spec.hash
    try:
        with store.hold(spec, patience) as work:
            try:
                state = store.read(run).state
                store.tidy(run)  # an earlier process may have been killed after publishing the run
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
    except UserError as error:
        problem, trace = str(error), ""
    except Exception as error:
        problem, trace = _said(error, store), traceback.format_exc()
    with suppress(OSError):  # perhaps the disk is full: the run stays missing, and the next attempt says why
        store.fail(run, problem, trace)
    return "failed"


def _said(error: Exception, store: Store) -> str:
    """Why a run failed, in one paragraph."""
    if is_out_of_memory(error):
        return f"While this run was made: {memory_message(error)}"
    if isinstance(error, OSError):
        return f"{error.strerror or error}: {error.filename or store.root}. What is done so far is kept."
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def throttled(report: Report, path: Path) -> Report:
    """A report function that also writes a progress file for other processes, at most every PROGRESS_SECONDS.

    Args:
        report: called each time.
        path: the progress file, in the work folder of the run.
    """
    last = [0.0]

    def tell(share: float, text: str) -> None:
        report(share, text)
        now = time.monotonic()
        if now - last[0] > PROGRESS_SECONDS:
            last[0] = now
            write_json(path, {"share": share, "text": text})

    return tell
