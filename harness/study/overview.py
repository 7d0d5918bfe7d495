"""What a study has and lacks."""

from __future__ import annotations

from supernet.harness.runs.store import Damaged, Store
from supernet.harness.study.plan import Tau
from supernet.harness.study.spec import Job, RunSpec

QUIET = 120.0
"""Seconds of silence of a run in progress that `state_of` mentions: its process may be stopped or stuck."""
STATES = ("done", "diverged", "failed", "damaged", "running", "missing")


def state_of(spec: Job, store: Store) -> tuple[str, str]:
    """State of a run, and the reason where it is not simply done or missing."""
    run = spec.hash
    try:
        result = store.read(run)
        return result.state, result.problem or ""
    except Damaged as error:
        return "damaged", str(error)
    except KeyError:
        pass
    if store.held(run):
        return "running", _at_work(store, run)
    problem = store.failure(run)
    return ("failed", problem) if problem else ("missing", "")


def _at_work(store: Store, run: str) -> str:
    """Where a run in progress is, and for how long its process has been silent if that is unusual."""
    text, quiet = (store.progress(run) or {}).get("text", ""), store.quiet(run)
    if quiet is None or quiet < QUIET:
        return str(text)
    return f"{text}; its process last said so {quiet / 60:,.0f} minutes ago".lstrip("; ")


def mean_tau(store: Store) -> Tau:
    """What a staged plan goes by: the tau of a run, -1 where it diverged, None while it is missing."""

    def tau(spec: RunSpec) -> float | None:
        try:
            result = store.read(spec.hash)
        except (KeyError, Damaged):
            return None
        return -1.0 if result.state == "diverged" else float(result.metrics["kendall_tau"])

    return tau
