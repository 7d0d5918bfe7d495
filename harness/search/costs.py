"""What a pass of one path for one batch costs in the simulated seconds of a benchmark."""

from __future__ import annotations

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.truth.training import train_images_of
from supernet.heuristics.recipe import Recipe

FORWARD = 1 / 3
"""A pass forward alone: backward takes about two."""


def seconds_per_pass(recipe: Recipe, within: SearchSpace, truth: GroundTruth, observed: Measure, task: Task) -> float:
    """Simulated seconds of one path pass: the benchmark's mean time per training image, scaled by mean operations.

    Raises:
        UserError: the table has no training times.
    """
    timed = [epochs for epochs in truth.timed_epochs(observed.dataset) if epochs.isdecimal()]
    if not timed:
        raise UserError(
            f"{truth.path.name} has no training times for {observed.dataset}, so that the cost of a super-net cannot "
            "be given in its seconds. Use a budget of passes (p) or by the clock (w), or another table."
        )
    epochs = max(timed, key=int)
    members, rows = measured_in(within, truth)
    seconds = np.nanmean(truth.mean_train_seconds(observed.dataset, epochs, rows))
    ours = _flops(recipe, within, members, task.size)
    theirs = truth.flops(observed.dataset.removesuffix("-valid"), rows)
    per_image = seconds / int(epochs) / train_images_of(truth, observed.dataset)
    return float(per_image * recipe.training.batch_size * np.mean(ours) / np.mean(theirs))


def _flops(recipe: Recipe, within: SearchSpace, members: np.ndarray, size: int) -> np.ndarray:
    n = recipe.network
    return within.flops(within.archs(members), n.channels, n.cells, size)
