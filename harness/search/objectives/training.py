"""The objective of a search without a table: architectures are trained by themselves when they are asked for."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.regular import open_lock, take_lock
from supernet.benchmarks.spaces import Arch, SearchSpace, space
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.wording import quoted
from supernet.harness.runs.store import read_json
from supernet.harness.scoring.supernet import images_passed, rank
from supernet.harness.search.costs import FORWARD
from supernet.harness.search.objective import Answer, Query
from supernet.harness.search.objectives.table import Table
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import Diverged, taught, train
from supernet.harness.training.run import task_of, usable
from supernet.harness.training.teachers import FOLDER as TEACHERS
from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.teacher import Teacher

FOLDER = ".trained"
"""Name of the folder of trainings, in the folder of all runs."""


@dataclass(frozen=True)
class Training:
    """The `Objective` that trains each architecture for the epochs of a fidelity, and scores validation images.

    An answer is kept in a file named by the hash of the training's recipe, and an interrupted training continues from
    its last epoch. An answer that is kept costs as much as when it was made: path passes and seconds by the clock,
    which also stand for the seconds of a benchmark. A training that diverges has accuracy 0.
    """

    recipe: Recipe
    """How an architecture is trained and scored; its sampling and its epochs are replaced."""
    epochs: tuple[int, ...]
    """Epochs of the fidelities, the fewest first."""
    folder: Path
    """Where answers and unfinished trainings are kept."""
    device: str = "cpu"

    @property
    def space(self) -> SearchSpace:
        return space(self.recipe.space)

    @property
    def top(self) -> int:
        return len(self.epochs) - 1

    def training(self, query: Query) -> Recipe:
        """Return the recipe of the training that answers a query."""
        content = self.recipe.as_dict()
        content["sampling"] |= {"law": "fixed", "architecture": self.space.string(query.arch)}
        content["training"]["epochs"] = self.epochs[query.fidelity]
        return recipes.from_dict(content)

    def ask(self, query: Query) -> Answer:
        """Train an architecture, unless this has been done already.

        Raises:
            UserError: the images of the task are not available.
        """
        recipe = self.training(query)
        path, work = self.folder / f"{recipe.hash}.json", self.folder / recipe.hash
        self.folder.mkdir(parents=True, exist_ok=True)
        guard = self.folder / f"{recipe.hash}.lock"
        with open_lock(guard) as held:
            take_lock(held, guard)  # another process waits for the answer instead of training again
            answer = _kept(path)
            if answer is None:
                answer = self._trained(recipe, query, work)
                write_json(path, {"value": answer.value, "cost": dict(answer.cost)})
            shutil.rmtree(work, ignore_errors=True)
        return answer

    def _trained(self, recipe: Recipe, query: Query, work: Path) -> Answer:
        task = task_of(recipe.task)
        try:
            run = train(recipe, work, task=task, device=self.device, resume=True, teach=self._teacher)
        except run_folder.DamagedCheckpoint:
            shutil.rmtree(work)
            return self._trained(recipe, query, work)
        except Diverged:
            return Answer(0.0, _cost(run_folder.read_log(work), 0.0, 0.0))
        began = time.perf_counter()
        value = float(rank(run, [self.space.index(query.arch)]).accuracy[0])
        images = images_passed(recipe.evaluation, 1)
        scoring = FORWARD * images / recipe.training.batch_size
        return Answer(value, _cost(run.log, scoring, time.perf_counter() - began))

    def _teacher(self, arch: Arch, epochs: int) -> Teacher:
        """Return a teacher of all trainings, which is trained once and costs them nothing; see `Distilled`."""
        kept = self.folder / TEACHERS
        kept.mkdir(parents=True, exist_ok=True)
        guard = kept / ".lock"
        with open_lock(guard) as held:
            take_lock(held, guard)
            task, device = task_of(self.recipe.task), usable(self.device)
            teacher = taught(self.recipe, kept, task.to(device), device, None, arch, epochs)
        return replace(teacher, images=0.0, seconds=0.0)


@dataclass(frozen=True)
class Completed:
    """The `Objective` of a table with holes: architectures that it lacks are trained."""

    table: Table
    training: Training

    @property
    def space(self) -> SearchSpace:
        return self.table.space

    @property
    def top(self) -> int:
        return self.table.top

    def ask(self, query: Query) -> Answer:
        """Look an architecture up, or train it; see `Table.ask` and `Training.ask`."""
        answer = self.table.ask(query)
        return self.training.ask(query) if np.isnan(answer.value) else answer


def recipe_of(truth: GroundTruth, measure: Measure) -> Recipe:
    """Return how the architectures of a table were trained, with the seed of a measure.

    Raises:
        UserError: the table does not say so, or the measure is not of a single seed.
    """
    content: Any = truth.about.get("recipe")
    seed = measure.seed.removeprefix("s")
    if isinstance(content, dict) and "training" in content and not seed.isdecimal():
        raise UserError(
            f"Architectures that {truth.path.name} lacks are trained with one seed, not as a {measure.seed}: give "
            "--truth-seed (`truth_seed`) a seed of the table, such as s0."
        )
    if not isinstance(content, dict) or "training" not in content:
        raise UserError(
            f"{truth.path.name} does not say how architectures were trained to get the accuracies of {measure.seed}, "
            "so that those that it lacks cannot be trained. Tables that this project measures do, such as that of "
            "the data set digits."
        )
    recipe = recipes.from_dict(content)
    images = len(task_of(recipe.task).valid)  # the accuracies of such a table are of all validation images
    return replace(recipe, seed=int(seed), evaluation=replace(recipe.evaluation, images=images))


def epochs_of(fidelities: Sequence[str]) -> tuple[int, ...]:
    """Return fidelities as numbers of epochs.

    Raises:
        UserError: one is not a number, such as half of a training.
    """
    for epochs in fidelities:
        if not epochs.isdecimal():
            raise UserError(f"{quoted(epochs)} is not a number of epochs for which an architecture can be trained.")
    return tuple(int(epochs) for epochs in fidelities)


def _cost(log: Sequence[dict[str, Any]], scoring: float, scored: float) -> dict[str, float]:
    """Return the cost of a training and its scoring.

    Args:
        log: an entry per epoch.
        scoring: path passes of the scoring.
        scored: seconds of the scoring.
    """
    seconds = sum(entry["seconds"] for entry in log) + scored
    passes = sum(entry["passes"] for entry in log) + scoring
    return {"queries": 1.0, "seconds": seconds, "wall": seconds, "passes": passes}


def _kept(path: Path) -> Answer | None:
    """Return the answer of a file; None if there is none, or it is damaged."""
    try:
        content = read_json(path)
        cost = {str(kind): float(amount) for kind, amount in content["cost"].items()}
        return Answer(float(content["value"]), cost)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
