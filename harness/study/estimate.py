"""How long runs will take, before any has been made."""

from __future__ import annotations

import dataclasses
import os
import time

import numpy as np
import torch

from supernet.benchmarks.tasks.loader import train_batches
from supernet.harness.study.spec import RunSpec
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import start, task_of
from supernet.harness.training.trial import EpochCost, epoch_cost
from supernet.heuristics.recipe import Recipe

BUSY = 1.5
"""Processes that want to run, per core, from which on a machine is too busy to time anything."""


def busy() -> str | None:
    """A sentence about the machine's load if estimates made now will be too long; None if it is low or unknown."""
    try:
        load, cores = os.getloadavg()[0], os.cpu_count() or 1
    except OSError:
        return None
    if load <= BUSY * cores:
        return None
    return (
        f"The machine is busy (load {load:.1f} on {cores} core{'s' if cores > 1 else ''}): the estimates are too long."
    )


class Stopwatch:
    """Estimates what runs cost by a few real steps and forward passes of each kind of network, on one thread."""

    def __init__(self) -> None:
        self._known: dict[Recipe, tuple[EpochCost, float]] = {}

    def seconds(self, spec: RunSpec) -> float:
        """Seconds of a run on this machine: training, and scoring without what architectures share."""
        recipe = spec.recipe
        archs = len(spec.architectures(spec.truth.open(recipe.space)))
        epoch, per_image = self._rates(spec)
        training = dataclasses.replace(epoch, begins=min(recipe.distribution.start_epoch, recipe.training.epochs))
        passes = archs * recipe.evaluation.images * min(spec.last_epochs, recipe.training.epochs)
        return training.of(recipe.training.epochs).seconds + passes * per_image

    def _rates(self, spec: RunSpec) -> tuple[EpochCost, float]:
        """The cost of an epoch, and the seconds of a forward pass per image."""
        recipe = spec.recipe
        # What changes neither the work of a step nor of a pass must not be timed again.
        kind = dataclasses.replace(recipe.shortened(), seed=0)
        if kind not in self._known:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                late = min(recipe.distribution.start_epoch, 1)
                begun = dataclasses.replace(kind, distribution=dataclasses.replace(kind.distribution, start_epoch=late))
                oracle = Oracle.for_recipe(recipe, spec.truth.open(recipe.space), spec.truth.measure)
                self._known[kind] = epoch_cost(begun, oracle=oracle), _seconds_per_image(kind)
            finally:
                torch.set_num_threads(threads)
        return self._known[kind]


def _seconds_per_image(recipe: Recipe, times: int = 3) -> float:
    """Seconds of a forward pass of one image, the median of some passes of a few architectures."""
    run = start(recipe, task=task_of(recipe.task))
    within = run.context.space
    batch = next(train_batches(run.task.train, run.task, recipe.training.batch_size, seed=0, epoch=0))
    archs = [tuple(arch) for arch in within.archs(within.sample(np.random.default_rng(0), 4)).tolist()]
    taken = []
    with torch.inference_mode():
        for _ in range(times + 1):
            began = time.perf_counter()
            for arch in archs:
                run.network(batch.images, arch)
            taken.append(time.perf_counter() - began)
    return sorted(taken[1:])[times // 2] / len(archs) / len(batch.images)
