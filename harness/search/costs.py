"""What sharing weights costs, in passes of one path forward and backward for one batch, and in simulated seconds."""

from __future__ import annotations

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.spaces.nb201 import NONE
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.truth.training import train_images_of
from supernet.heuristics.distribution.relaxations import AdversarialPerturbation
from supernet.heuristics.methods.samplers import Sandwich
from supernet.heuristics.recipe import Recipe

FORWARD = 1 / 3
"""A pass forward alone: backward takes about two."""


def passes_per_step(recipe: Recipe, within: SearchSpace) -> float:
    """Path passes of one step of the weights and of the distribution.

    A mixture counts as many paths as there are operations to choose from, divided by the share of channels that it
    sees; weights of parents cost nothing. Paths that share a batch count as one. Of samples that are weighed by their
    likelihoods, it is not known beforehand which have next to no weight and go no further: all count.
    """
    d = recipe.distribution
    left_out = (not recipe.sampling.with_none) * (NONE + 1)
    operations = max(len(within.decisions[number]) for number in within.operations) - left_out
    relaxed = 1.0 if d.route == "gate" else operations / recipe.network.partial_channels
    weights = {"fair": float(within.cardinalities.max() - left_out), "sandwich": 2.0 + Sandwich.RANDOM}.get(
        recipe.sampling.law, float(recipe.sampling.paths)
    )
    if recipe.sampling.batch == "split":
        weights = 1.0
    if recipe.sampling.law == "distribution":
        if d.step == "reinforce":
            weights = 1.0
        elif d.step == "importance":
            weights = d.samples * (1.0 + FORWARD)
        else:
            adversary = AdversarialPerturbation.STEPS + 2 * FORWARD
            weights = relaxed * (1 + (adversary if d.perturbation == "adversarial" else 0))
    if d.model == "none" or d.step == "reinforce":
        return weights
    learning = {"first-order": relaxed, "second-order": 4 * relaxed, "importance": FORWARD * d.samples}[d.step]
    return weights + learning


def passes_per_epoch(recipe: Recipe, within: SearchSpace, images: int) -> float:
    """Path passes of one epoch on so many training images."""
    d = recipe.distribution
    between = FORWARD * d.updates * d.samples if d.step == "reinforce" and d.model != "none" else 0.0
    return images // recipe.training.batch_size * passes_per_step(recipe, within) + between


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
