"""The cost of a path pass in the simulated seconds of a benchmark. A path pass is one path, forward and backward, for
one batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.truth.training import train_images_of
from supernet.harness.search.probing import Shape, Site
from supernet.heuristics.recipe import Recipe

FORWARD = 1 / 3
"""Cost of a forward pass in path passes, since a backward pass costs about twice as much as a forward pass."""


def seconds_per_pass(recipe: Recipe, within: SearchSpace, truth: GroundTruth, observed: Measure, task: Task) -> float:
    """Return the simulated seconds of one path pass, which has a batch of images (see `seconds_of`).

    Raises:
        UserError: the table has no training times for the data set.
    """
    shape = Shape(recipe.network.channels, recipe.network.cells, task.size)
    return seconds_of(recipe.training.batch_size, shape, within, truth, observed)


def timed_epochs(truth: GroundTruth, observed: Measure) -> list[str]:
    """Return the numbers of epochs for which the table has training times of the data set."""
    return [epochs for epochs in truth.timed_epochs(observed.dataset) if epochs.isdecimal()]


def seconds_of(images: float, shape: Shape, within: SearchSpace, truth: GroundTruth, observed: Measure) -> float:
    """Return the simulated seconds in which images pass forward and backward through one path of such networks.

    This is the benchmark's mean training time per image, times the number of images, times the ratio of the mean
    multiply-accumulates of paths of this shape to those of the benchmark's networks.

    Raises:
        UserError: the table has no training times for the data set.
    """
    timed = timed_epochs(truth, observed)
    if not timed:
        raise UserError(
            f"{truth.path.name} has no training times for {observed.dataset}, so that the cost of passes cannot "
            "be given in its seconds. Use a budget of passes (p) or by the clock (w), or another table."
        )
    epochs = max(timed, key=int)
    members, rows = measured_in(within, truth)
    seconds = np.nanmean(truth.mean_train_seconds(observed.dataset, epochs, rows))
    ours = within.flops(within.archs(members), shape.channels, shape.cells, shape.size)
    theirs = _own_flops(within, truth, observed.dataset.removesuffix("-valid"), members, rows)
    per_image = seconds / int(epochs) / train_images_of(truth, observed.dataset)
    return float(per_image * images * np.mean(ours) / np.mean(theirs))


def _own_flops(
    within: SearchSpace, truth: GroundTruth, dataset: str, members: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the multiply-accumulates of the table's networks for one image: (n,).

    The space counts them where an official table, such as NAS-Bench-101's, does not state them.
    """
    official = within.official
    if f"{dataset}.flops" not in truth.columns and official is not None and dataset in official.data_sets:
        classes, size = official.data_sets[dataset]
        return within.flops(within.archs(members), size=size, classes=classes)
    return truth.flops(dataset, rows)


def site_of(within: SearchSpace, truth: GroundTruth, observed: Measure, known: np.ndarray) -> Site:
    """Return the site of searches on a table.

    Args:
        observed: the accuracies that searches observe.
        known: indices of the architectures that the table has: (known,).
    """

    def seconds(images: float, shape: Shape) -> float:
        return seconds_of(images, shape, within, truth, observed)

    complete = len(known) == len(within)
    among = () if complete else tuple(tuple(arch) for arch in within.archs(known).tolist())
    timed = bool(timed_epochs(truth, observed))
    return Site(observed.dataset.removesuffix("-valid"), seconds if timed else None, among)
