"""The cost of a path pass in the simulated seconds of a benchmark. A path pass is one path, forward and backward, for
one batch."""

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
"""Cost of a forward pass in path passes, since a backward pass costs about twice as much as a forward pass."""


def seconds_per_pass(recipe: Recipe, within: SearchSpace, truth: GroundTruth, observed: Measure, task: Task) -> float:
    """Return the simulated seconds of one path pass.

    This is the benchmark's mean training time per image, times the images of a batch, times the ratio of the mean
    multiply-accumulates of the super-net's paths to those of the benchmark's networks.

    Raises:
        UserError: the table has no training times for the data set.
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
    """Return the multiply-accumulates of paths of the super-net for one image of `size` pixels per side: (n,)."""
    n = recipe.network
    return within.flops(within.archs(members), n.channels, n.cells, size)
