"""The state of a run: done, diverged, failed, damaged, running or missing."""

from __future__ import annotations

from dataclasses import dataclass

from supernet.harness.runs.job import Job
from supernet.harness.runs.store import Damaged, Result, Store

QUIET = 120.0
"""Seconds without progress after which `look` mentions how long a run has been silent: its process may be stuck."""
STATES = ("done", "diverged", "failed", "damaged", "running", "missing")


@dataclass(frozen=True)
class Seen:
    """The state of a run when it was looked at."""

    state: str
    """One of STATES."""
    reason: str
    """Why the run is in this state; empty for runs that are done or missing."""
    result: Result | None
    """The finished run, if it is done or diverged."""


def look(spec: Job, store: Store) -> Seen:
    """The state of a run, with its result if it is finished."""
    run = spec.hash
    if (ended := _ended(run, store)) is not None:
        return ended
    if store.held(run):
        return Seen("running", _at_work(store, run), None)
    # Between these two looks, a process may have published the run and let go of it.
    if (ended := _ended(run, store)) is not None:
        return ended
    problem = store.failure(run)
    return Seen("failed", problem, None) if problem else Seen("missing", "", None)


def _ended(run: str, store: Store) -> Seen | None:
    """The state of a run that has a directory of its own; None if it has none."""
    try:
        result = store.read(run)
    except Damaged as error:
        return Seen("damaged", str(error), None)
    except KeyError:
        return None
    return Seen(result.state, result.problem or "", result)


def state_of(spec: Job, store: Store) -> tuple[str, str]:
    """The state of a run, and the reason, which is empty for runs that are done or missing."""
    seen = look(spec, store)
    return seen.state, seen.reason


def _at_work(store: Store, run: str) -> str:
    """The progress of a run, and for how long its process has been silent if that is unusually long."""
    text, quiet = (store.progress(run) or {}).get("text", ""), store.quiet(run)
    if quiet is None or quiet < QUIET:
        return str(text)
    return f"{text}; its process last reported this {quiet / 60:,.0f} minutes ago".lstrip("; ")
