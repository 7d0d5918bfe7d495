"""All runs of a study, each read once, for the analysis and all parts of a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from supernet.harness.runs.integrity import MEASURES
from supernet.harness.runs.state import Seen, look
from supernet.harness.runs.store import Result, Store
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

    @classmethod
    def of(cls, result: Result, frame: pd.DataFrame, setting: Setting) -> Done:
        """Take the scores of a run from the rows of its table."""
        score = MEASURES[setting.recipe.evaluation.metric]
        parts = [part for _, part in frame.groupby("epoch")]
        last = parts[-1]
        scores = np.stack([part[score].to_numpy() for part in parts])
        return cls(result, scores, last[MEASURES["accuracy"]].to_numpy(), last[MEASURES["loss"]].to_numpy())


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
    """Read the runs of a study."""
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
    return Gathered(
        study,
        settings,
        {label: {seed: run.state for seed, run in runs.items()} for label, runs in found.items()},
        {setting.label: {spec.recipe.seed: spec.hash for spec in study.runs(setting)} for setting in settings},
        {
            setting.label: {
                spec.recipe.seed: Done.of(result, frame[frame["index"].isin(shared)], setting)
                for spec in study.runs(setting)
                if (frame := frames.get(spec.hash)) is not None and (result := seen[spec.hash].result) is not None
            }
            for setting in settings
        },
        common,
        [run.result for runs in found.values() for run in runs.values() if run.result is not None],
    )
