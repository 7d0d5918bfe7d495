"""How long runs will take, before any has been made."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import train_batches
from supernet.harness.study.spec import RunSpec
from supernet.harness.training.loop import law_of, start
from supernet.harness.training.run import task_of
from supernet.heuristics.hooks import Context
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.steps import Accumulate
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
    """Estimates what runs cost by timing a few steps and forward passes of each kind of network, on one thread.

    What a distribution learns between epochs (ENAS) is left out.
    """

    STEPS = 3

    def __init__(self) -> None:
        self._step: dict[Recipe, tuple[float, float]] = {}

    def seconds(self, spec: RunSpec) -> float:
        """Seconds of a run on this machine: training, and scoring without what architectures share."""
        recipe = spec.recipe
        train, evaluation = recipe.training, recipe.evaluation
        task = task_of(recipe.task)
        steps = train.epochs * (len(task.train) // train.batch_size)
        archs = len(spec.architectures(spec.truth.open(recipe.space)))
        per_step, per_image = self._rates(recipe)
        return steps * per_step + archs * evaluation.images * spec.last_epochs * per_image

    def _rates(self, recipe: Recipe) -> tuple[float, float]:
        """Seconds of a training step, and of a forward pass per image."""
        # What changes neither the work of a step nor of a pass must not be timed again.
        kind = replace(recipe.shortened(), seed=0)
        if kind not in self._step:
            threads = torch.get_num_threads()
            torch.set_num_threads(1)
            try:
                self._step[kind] = self._timed(kind)
            finally:
                torch.set_num_threads(threads)
        return self._step[kind]

    def _timed(self, recipe: Recipe) -> tuple[float, float]:
        run = start(recipe, task=task_of(recipe.task))
        within = space(recipe.space)
        law = law_of(run)
        ctx = Context(recipe, within, run.network, run.optimiser, np.random.default_rng(0), steps=1)
        batches = train_batches(run.task.train, run.task, recipe.training.batch_size, seed=0, epoch=0)
        ctx.images, ctx.labels = next(batches)
        rule, losses = Accumulate(), losses_for(recipe)
        archs = [tuple(arch) for arch in within.archs(within.sample(np.random.default_rng(0), 4)).tolist()]

        def step() -> None:
            if run.learner is not None:
                ctx.other = itertools.repeat((ctx.images, ctx.labels))
                run.learner.step(ctx)
            rule.run(ctx, law.plan(ctx), losses)

        def passes() -> None:
            with torch.inference_mode():
                for arch in archs:
                    run.network(ctx.images, arch)

        return _median_seconds(step, self.STEPS), _median_seconds(passes, self.STEPS) / len(archs) / len(ctx.images)


def _median_seconds(call: Callable[[], None], times: int) -> float:
    call()
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2]
