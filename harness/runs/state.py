"""The state of a run: done, diverged, failed, damaged, running or missing."""

from __future__ import annotations

from dataclasses import dataclass

from supernet.harness.runs.job import Job
from supernet.harness.runs.store import Damaged, Result, Store

QUIET = 120.0
"""Seconds of silence of a run in progress that `look` mentions: its process may be stopped or stuck."""
STATES = ("done", "diverged", "failed", "damaged", "running", "missing")


@dataclass(frozen=True)
class Seen:
    """A run as it was when it was looked at."""

    state: str
    """One of STATES."""
    reason: str
    """Why it is in this state, where it is not simply done or missing."""
    result: Result | None
    """Of a run that is done or diverged."""


def look(spec: Job, store: Store) -> Seen:
    """Read a run, and see where it is if it is not there."""
    run = spec.hash
    try:
        result = store.read(run)
        return Seen(result.state, result.problem or "", result)
    except Damaged as error:
        return Seen("damaged", str(error), None)
    except KeyError:
        pass
    if store.held(run):
        return Seen("running", _at_work(store, run), None)
    problem = store.failure(run)
    return Seen("failed", problem, None) if problem else Seen("missing", "", None)


def state_of(spec: Job, store: Store) -> tuple[str, str]:
    """State of a run, and the reason where it is not simply done or missing."""
    seen = look(spec, store)
    return seen.state, seen.reason


def _at_work(store: Store, run: str) -> str:
    """Where a run in progress is, and for how long its process has been silent if that is unusual."""
    text, quiet = (store.progress(run) or {}).get("text", ""), store.quiet(run)
    if quiet is None or quiet < QUIET:
        return str(text)
    return f"{text}; its process last said so {quiet / 60:,.0f} minutes ago".lstrip("; ")
