"""All runs of a study, each read once, for the analysis and all parts of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.integrity import MEASURES
from supernet.harness.runs.state import Seen, look
from supernet.harness.runs.store import Result, Store
from supernet.harness.statistics.bootstrap import LEAST
from supernet.harness.study.plan import Setting, Study, tau_of
from supernet.harness.study.spec import RunSpec

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Done:
    """A run that is done, with its scores."""

    result: Result
    scores: Floats
    """By the metric of the run's recipe, after each of the last epochs: (epochs, architectures)."""
    accuracy: Floats
    """Super-net accuracy after the last epoch, percent: (architectures,)."""
    loss: Floats
    """Negative loss after the last epoch: (architectures,)."""
    metrics: Mapping[str, Any]
    """What is said of its ranking of these architectures."""

    @classmethod
    def of(cls, result: Result, frame: pd.DataFrame, setting: Setting, metrics: Mapping[str, Any]) -> Done:
        """Take the scores of a run from the rows of its table."""
        score = MEASURES[setting.recipe.evaluation.metric]
        parts = [part for _, part in frame.groupby("epoch")]
        last = parts[-1]
        scores = np.stack([part[score].to_numpy() for part in parts])
        return cls(result, scores, last[MEASURES["accuracy"]].to_numpy(), last[MEASURES["loss"]].to_numpy(), metrics)


@dataclass(frozen=True)
class Gathered:
    """The runs of a study as they were when it was read."""

    study: Study
    settings: list[Setting]
    """Those known so far, the base first."""
    states: dict[str, dict[int, str]]
    """Label of a setting -> seed -> state of its run."""
    hashes: dict[str, dict[int, str]]
    """Label -> seed -> name of its run."""
    done: dict[str, dict[int, Done]]
    """Label -> seed -> its run, of those that are done."""
    indices: NDArray[np.int64] | None
    """The architectures that all runs rank, ascending; None if no run is done.

    A run leaves out those whose ground truth its methods asked for, and so do the scores of all others here, so that
    settings are compared on the same architectures.
    """
    ended: list[Result]
    """Runs that are done or diverged, in the order of settings and seeds."""

    def each(self) -> Iterator[tuple[Setting, int, Done]]:
        """Setting, seed and run of all that are done."""
        for setting in self.settings:
            for seed, run in self.done[setting.label].items():
                yield setting, seed, run


def gather(study: Study, store: Store) -> Gathered:
    """Read the runs of a study.

    Raises:
        UserError: the runs have too few architectures in common.
    """
    seen: dict[str, Seen] = {}

    def looked(spec: RunSpec) -> Seen:
        if spec.hash not in seen:
            seen[spec.hash] = look(spec, store)
        return seen[spec.hash]

    settings = study.settings(lambda spec: tau_of(looked(spec).result))
    found = {setting.label: {spec.recipe.seed: looked(spec) for spec in study.runs(setting)} for setting in settings}
    frames = {name: run.result.scores() for name, run in seen.items() if run.result is not None and run.state == "done"}
    common = reduce(np.intersect1d, (frame["index"].unique() for frame in frames.values())) if frames else None
    shared = np.array([]) if common is None else common
    if common is not None and len(common) < LEAST <= max(frame["index"].nunique() for frame in frames.values()):
        raise UserError(
            f"The runs of the study have {len(common)} architectures in common, and a report needs {LEAST} or more: "
            "each run leaves out those whose ground truth its methods asked for. Raise `sample`, or let methods ask "
            "for fewer."
        )

    def done(spec: RunSpec, setting: Setting) -> Done | None:
        result, frame = seen[spec.hash].result, frames.get(spec.hash)
        if result is None or frame is None:
            return None
        kept = frame[frame["index"].isin(shared)]
        if len(kept) == len(frame):
            return Done.of(result, kept, setting, result.metrics)
        from supernet.harness.study.make import measures  # which imports what trains super-nets

        return Done.of(result, kept, setting, measures(spec, study.truth.open(study.base.space), kept))

    return Gathered(
        study,
        settings,
        {label: {seed: run.state for seed, run in runs.items()} for label, runs in found.items()},
        {setting.label: {spec.recipe.seed: spec.hash for spec in study.runs(setting)} for setting in settings},
        {
            setting.label: {
                spec.recipe.seed: run for spec in study.runs(setting) if (run := done(spec, setting)) is not None
            }
            for setting in settings
        },
        common,
        [run.result for runs in found.values() for run in runs.values() if run.result is not None],
    )
