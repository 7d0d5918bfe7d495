"""The runs of a study: which there are, in what state, and the making of those that are missing."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import did_you_mean, quoted
from supernet.harness.runs import executors
from supernet.harness.runs.executors import Executor, Finished
from supernet.harness.runs.job import Job
from supernet.harness.runs.state import STATES, state_of
from supernet.harness.runs.store import Store
from supernet.harness.study.estimate import Stopwatch
from supernet.harness.study.plan import Setting, Study, mean_tau
from supernet.harness.study.spec import RunSpec
from supernet.harness.training.run import usable

EXECUTORS = ("local", "process", "ray")
Heard = tuple[Finished, Callable[[], None]]
"""Told of the end of a run, and several times a second that the work goes on (`executors.Executor`)."""
Display = Callable[[str, Store, Sequence[Job], Mapping[str, str]], AbstractContextManager[Heard]]
"""Given a title, the store, the runs to make, and hash -> label of all runs, those that are there already too."""


def unseen(
    title: str, store: Store, specs: Sequence[Job], labels: Mapping[str, str]
) -> AbstractContextManager[Heard]:  # fmt: skip
    """A display that shows nothing."""
    return nullcontext((lambda run, state: None, lambda: None))


def executor_of(
    name: str, workers: int | None = None, device: str = "cpu", address: str | None = None, cpus: float = 1,
    gpus: float = 0,
) -> Executor:  # fmt: skip
    """The executor of this name: local, process or ray.

    Args:
        workers: local processes; as many as cores unless given, one per GPU.
        address: of the Ray cluster; one on this machine unless given.
        cpus, gpus: what a run asks Ray for; a GPU where the device is one.

    Raises:
        UserError: there is none of this name, or this machine has no such device, where the runs are to be made on it.
    """
    if name not in EXECUTORS:
        raise UserError(f"There is no executor {quoted(name)}; {did_you_mean(name, EXECUTORS)}")
    if workers is not None and workers < 1:
        raise UserError(f"There is at least 1 worker, not {quoted(workers)}.")
    if name != "ray":
        usable(device)
    makers: dict[str, Executor] = {
        "local": executors.Processes(workers or cores(device), device),
        "process": executors.InProcess(device),
        "ray": executors.Ray(address, cpus, gpus or float(device != "cpu")),
    }
    return makers[name]


def cores(device: str) -> int:
    """Local processes that are worth while on a device."""
    if device == "cuda":  # workers take the GPUs that CUDA_VISIBLE_DEVICES leaves in turn
        import torch

        return max(1, torch.cuda.device_count())
    return 1 if device != "cpu" else os.cpu_count() or 1


def make_runs(title: str, store: Store, executor: Executor, specs: Sequence[Job], labels: Mapping[str, str],
              display: Display = unseen) -> None:  # fmt: skip
    """Make runs in a store.

    Args:
        labels: hash of every run, also of those that are there already -> what to call it.
    """
    with display(title, store, specs, labels) as (finished, tick):
        executor.make(specs, store.root, finished, tick)


def make_missing(study: Study, store: Store, executor: Executor, display: Display = unseen) -> None:
    """Make the runs of a study that are missing; each is tried once."""
    store.prepare()
    tried: set[str] = set()
    while True:  # a staged plan grows as results come in
        rows = study.plan(mean_tau(store))
        specs = {spec.hash: spec for _, spec in rows if not store.whole(spec.hash) and spec.hash not in tried}
        if not specs:
            return
        tried |= set(specs)
        labels = {spec.hash: f"{setting.label}, seed {spec.recipe.seed}" for setting, spec in rows}
        make_runs(study.name, store, executor, list(specs.values()), labels, display)


@dataclass(frozen=True)
class RunState:
    """One run of a study, and how it stands."""

    setting: Setting
    spec: RunSpec
    state: str
    """One of `STATES`."""
    reason: str
    """Why it is not simply done or missing."""


@dataclass(frozen=True)
class States:
    """How the runs of a study stand."""

    runs: list[RunState]

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of runs, for each of `STATES`."""
        found = dict.fromkeys(STATES, 0)
        for run in self.runs:
            found[run.state] += 1
        return found

    @property
    def lacking(self) -> bool:
        """Whether runs are failed, missing or damaged."""
        counts = self.counts
        return counts["failed"] + counts["missing"] + counts["damaged"] > 0


@dataclass(frozen=True)
class Estimated:
    """One run of a plan."""

    setting: Setting
    spec: RunSpec
    seconds: float | None
    """How long it will take on one core; None where it is there already."""


def estimated(study: Study, store: Store, progress: Callable[[int, int | None], None] | None = None) -> list[Estimated]:
    """All runs that a study has so far, with an estimate of the time that the missing ones need."""
    stopwatch, found = Stopwatch(), []
    rows = study.plan(mean_tau(store))
    for done, (setting, spec) in enumerate(rows):
        if progress:
            progress(done, len(rows))
        found.append(Estimated(setting, spec, None if store.whole(spec.hash) else stopwatch.seconds(spec)))
    return found


def states_of(study: Study, store: Store, progress: Callable[[int, int | None], None] | None = None) -> States:
    """The state of all runs that a study has so far."""
    found = []
    rows = study.plan(mean_tau(store))
    for done, (setting, spec) in enumerate(rows):
        if progress:
            progress(done, len(rows))
        found.append(RunState(setting, spec, *state_of(spec, store)))
    return States(found)
