"""What a study has and lacks."""

from __future__ import annotations

from harness.study.plan import Tau
from harness.study.spec import Job, RunSpec
from harness.study.store import Damaged, Store

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
        return "running", (store.progress(run) or {}).get("text", "")
    problem = store.failure(run)
    return ("failed", problem) if problem else ("missing", "")


def mean_tau(store: Store) -> Tau:
    """What a staged plan goes by: the tau of a run, -1 where it diverged, None while it is missing."""

    def tau(spec: RunSpec) -> float | None:
        try:
            result = store.read(spec.hash)
        except (KeyError, Damaged):
            return None
        return -1.0 if result.state == "diverged" else float(result.metrics["kendall_tau"])

    return tau
