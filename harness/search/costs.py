"""What a pass of one path for one batch costs in the simulated seconds of a benchmark."""

from __future__ import annotations

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import NB201, NB1Shot1, SearchSpace
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.correlation.files import truth_rows
from supernet.heuristics.recipe import Recipe

FORWARD = 1 / 3
"""A pass forward alone: backward takes about two."""
TRAIN_IMAGES = {"cifar10-valid": 25_000, "cifar10": 50_000, "cifar100": 50_000, "imagenet16-120": 151_700}
"""Training images of NAS-Bench-201's data sets."""
TRAIN_IMAGES_NB101 = 40_000


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
    members = np.arange(len(within)) if isinstance(within, NB201) else within.subset("unique-cell")
    rows = truth_rows(within, members, truth)
    members, rows = members[rows >= 0], rows[rows >= 0]
    seconds = np.nanmean(truth.mean_train_seconds(observed.dataset, epochs, rows))
    ours = _flops(recipe, within, members, task.size)
    theirs = truth.flops(observed.dataset.removesuffix("-valid"), rows)
    per_image = seconds / int(epochs) / _images(truth, observed)
    return float(per_image * recipe.training.batch_size * np.mean(ours) / np.mean(theirs))


def _images(truth: GroundTruth, observed: Measure) -> int:
    """Training images of the benchmark's own runs."""
    recipe = truth.about.get("recipe")
    if recipe:
        return int(recipe["task"]["train_images"])
    return TRAIN_IMAGES_NB101 if truth.space == "nb101" else TRAIN_IMAGES[observed.dataset]


def _flops(recipe: Recipe, within: SearchSpace, members: np.ndarray, size: int) -> np.ndarray:
    n, archs = recipe.network, within.archs(members)
    if isinstance(within, NB201):
        return within.flops(archs, "cifar10", n.channels, n.cells, size)
    assert isinstance(within, NB1Shot1)
    return within.cells(archs).flops(n.channels, n.cells, size=size)
