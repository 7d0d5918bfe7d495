"""Measures the cost of a training by a few real steps of the same recipe."""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from supernet.benchmarks.tasks.task import Task
from supernet.harness.supernet.nb201.static import StaticStep
from supernet.harness.training.loop import batches, begin_epoch, end_epoch, stepper
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import own_random_numbers, start, task_of
from supernet.heuristics.meter import Meter
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.teacher import Teacher


@dataclass(frozen=True)
class Cost:
    """What a piece of work costs."""

    passes: float
    """Metered passes of one path for one batch."""
    seconds: float
    """Wall-clock time."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.passes + other.passes, self.seconds + other.seconds)

    def __mul__(self, times: float) -> Cost:
        return Cost(self.passes * times, self.seconds * times)


@dataclass(frozen=True)
class EpochCost:
    """The cost of an epoch before and after the distribution begins to learn; the same if there is no distribution."""

    weights_alone: Cost
    """Cost of an epoch in which only the weights are trained."""
    whole: Cost
    """Cost of an epoch in which the distribution learns, too."""
    begins: int
    """Epoch in which the distribution begins to learn, from 0."""

    def of(self, epochs: int) -> Cost:
        """The cost of a training of this many epochs."""
        alone = min(epochs, self.begins)
        return self.weights_alone * alone + self.whole * (epochs - alone)

    def with_passes(self, passes: float) -> EpochCost:
        """The cost if every epoch had this many more passes, which take as long as the others do."""
        more = self.of_passes(passes)
        return EpochCost(self.weights_alone + more, self.whole + more, self.begins)

    def of_passes(self, passes: float) -> Cost:
        """The cost of this many passes, by the clock as those of an epoch on average."""
        return Cost(passes, passes * self.whole.seconds / max(self.whole.passes, 1e-12))

    def affordable(self, kind: str, amount: float) -> int:
        """Number of epochs that an amount of passes or seconds pays for.

        Args:
            kind: the attribute of `Cost` that is limited.
            amount: how much of it may be spent.
        """
        alone, whole = getattr(self.weights_alone, kind), getattr(self.whole, kind)
        first = int(amount / alone + 1e-9)
        if first <= self.begins:
            return first
        return self.begins + int((amount - alone * self.begins) / whole + 1e-9)


def epoch_cost(
    recipe: Recipe, *, task: Task | None = None, device: str = "cpu", steps: int = 3, oracle: Oracle | None = None
) -> EpochCost:
    """The cost of an epoch, from a few of its steps and from what methods do at its end.

    Args:
        task: the recipe's task, if it has been loaded already.
        device: where to train.
        steps: number of steps that are timed, after those that warm up.
        oracle: ground truth that methods may ask for.
    """
    task = task or task_of(recipe.task)
    late = min(recipe.distribution.start_epoch, recipe.training.epochs)
    short = recipe.shortened()
    whole = _trial(short, task, device, steps, oracle)
    if not late or recipe.distribution.model == "none":
        return EpochCost(whole, whole, 0)
    alone = replace(short, distribution=dataclasses.replace(short.distribution, start_epoch=1))
    return EpochCost(_trial(alone, task, device, steps, oracle), whole, late)


def _trial(recipe: Recipe, task: Task, device: str, steps: int, oracle: Oracle | None) -> Cost:
    """The cost of the first epoch of a recipe: mean passes and median seconds of its steps, times their number."""
    run = start(recipe, task=task, device=device, oracle=oracle)
    untrained = copy.deepcopy(run.network).eval()  # a trained teacher costs as much per step
    run.context.teach = lambda arch, epochs: Teacher(untrained, arch, 0.0, 0.0)
    warm_up = 1 if run.device.type == "cpu" else StaticStep.WARM_UP + 1  # which also captures a graph
    step, size = stepper(run), recipe.training.batch_size
    run.network.train()
    timed: list[Cost] = []
    with own_random_numbers(run.device):
        begin_epoch(run, 0)
        for number, _ in enumerate(batches(run)):
            if number >= warm_up + steps:
                break
            timed.append(_measured(run.context.meter, size, run.device, step))
            run.context.step += 1
        between = _measured(run.context.meter, size, run.device, lambda: end_epoch(run))
    kept = timed[warm_up:] or timed
    per_step = Cost(statistics.mean(c.passes for c in kept), statistics.median(c.seconds for c in kept))
    return per_step * run.steps_per_epoch + between


def _measured(meter: Meter, size: int, device: torch.device, call: Callable[[], object]) -> Cost:
    """The cost of a call, in passes for batches of `size` images."""
    before, began = meter.passes(size), time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return Cost(meter.passes(size) - before, time.perf_counter() - began)
