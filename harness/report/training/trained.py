"""Trains a super-net from its recipe, and gives the result as an object that ranks architectures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.task import DIGITS_SIZES
from supernet.benchmarks.truth.table import Measure
from supernet.harness.correlation.truth import Known, ground_truth
from supernet.harness.report.correlation.ranked import Ranked
from supernet.harness.report.correlation.ranked import rank as ranked
from supernet.harness.report.html.markup import table
from supernet.harness.report.style import COLUMN, PALETTE, fitted, paper
from supernet.harness.report.training.wanted import Part, wanted
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.scoring.selection import Wanted
from supernet.harness.training import loop
from supernet.harness.training.folder import DamagedCheckpoint, hold, holds_run
from supernet.harness.training.oracle import Oracle
from supernet.heuristics.plugins import load_all
from supernet.heuristics.recipe import Recipe

Progress = Callable[[loop.Progress], None]
"""A function that is called with the progress of a training."""


@dataclass(frozen=True)
class Run:
    """A trained super-net."""

    run: loop.Run = field(repr=False)
    """The network, the task and the optimiser."""
    out: Path | None = None
    """The folder that it was written to, if it was."""

    @property
    def recipe(self) -> Recipe:
        """The recipe that the super-net was trained from."""
        return self.run.recipe

    @property
    def log(self) -> list[dict[str, Any]]:
        """One entry per epoch."""
        return self.run.log

    def measured(self) -> pd.DataFrame:
        """What methods measured in the course of training: columns method, epoch and those of the methods."""
        return pd.DataFrame(self.run.measured, columns=None if self.run.measured else ["method", "epoch"])

    def rank(self, archs: Wanted = "all", **how: Any) -> Ranked:
        """Score architectures and compare their ranking with ground truth; see `supernet.rank` for the arguments."""
        return ranked(self.run, archs, **how)

    def frame(self) -> pd.DataFrame:
        """The log: a row per epoch."""
        return pd.DataFrame(self.log).set_index("epoch")

    def plot(self) -> Figure:
        """A figure of the loss and accuracy of the trained paths, by epoch."""
        log = self.frame()
        with paper():
            figure = Figure(figsize=(2 * COLUMN, 2.2))
            for axis, (name, label) in zip(
                figure.subplots(1, 2), (("loss", "loss"), ("accuracy", "accuracy of paths, %")), strict=True
            ):
                axis.plot(log.index, log[name], marker="o", markersize=3, color=PALETTE[0])
                axis.set(xlabel="epoch", ylabel=label)
                axis.xaxis.set_major_locator(MaxNLocator(integer=True))
                axis.spines[["top", "right"]].set_visible(False)
        return fitted(figure)

    def _repr_html_(self) -> str:
        rows: list[list[object]] = [
            [entry["epoch"], f"{entry['loss']:.4f}", f"{entry['accuracy']:.2f}", f"{entry['seconds']:.1f}"]
            for entry in self.log
        ]
        caption = f"Super-net of {self.recipe.space} on {self.recipe.task.name}, recipe {self.recipe.hash}"
        return table(["epoch", "loss", "accuracy, %", "seconds"], rows, caption)


def train(
    *parts: Part,
    out: Path | str | None = None,
    resume: bool = False,
    device: str = "cpu",
    plugins: Path | str | Sequence[Path | str] = (),
    truth: str | Known | None = None,
    progress: Progress | None = None,
    watch: Watch = SILENT,
    **keys: Any,
) -> Run:
    """Train a super-net from a recipe.

    Nothing is written without `out`.

    Args:
        parts: a recipe or its nested values, a YAML file or the name of a shipped recipe (by default, the default
            recipe), and changes such as training.epochs=10.
        out: folder for the recipe, the log and a checkpoint of every epoch.
        resume: continue from the checkpoint in `out`. A damaged one is renamed, and training starts again.
        device: cpu, cuda, cuda:1, ...
        plugins: Python files that register methods that the recipe names.
        truth: ground truth for methods that ask for it, such as cifar10/test@200 (see `ground_truth`); by default the
            accuracies on the test images of the task's data set, as for rankings.
        progress: called at most twice a second.
        watch: receives notes on what the user may not expect.
        keys: changes of the recipe, such as epochs=10 or task="digits".

    Raises:
        UserError: the recipe cannot be used, `out` cannot be written to or holds a run already, or training diverged.
    """
    load_all(plugins)
    recipe = wanted(*parts, **keys)
    oracle = _oracle(recipe, truth)
    if (note := _too_few_images(recipe)) is not None:
        watch.note(note)
    folder = None if out is None else Path(out)
    if resume and folder is None:
        raise UserError("`resume` continues from a checkpoint: name the folder that holds it with `out`.")
    if resume and folder is not None and not holds_run(folder):
        raise UserError(f"{folder} holds no run to continue. Leave out --resume (`resume`) to start one there.")
    with hold(folder) if folder else nullcontext():
        try:
            run = loop.train(recipe, folder, device=device, resume=resume, oracle=oracle, progress=progress)
        except DamagedCheckpoint as damage:
            watch.note(str(damage))
            run = loop.train(recipe, folder, device=device, resume=True, oracle=oracle, progress=progress)
    return Run(run, folder)


def _oracle(recipe: Recipe, truth: str | Measure | Known | None) -> Oracle | None:
    """The ground truth that methods may ask for; None if there are no methods, or no ground truth is available.

    Raises:
        UserError: `truth` names ground truth that is not available.
    """
    if isinstance(truth, str | Measure):
        truth = ground_truth(recipe.space, truth)
    if not recipe.methods:
        return None
    try:
        known = truth or ground_truth(recipe.space, dataset=recipe.task.name)
    except UserError:
        return None
    return Oracle.for_recipe(recipe, known.table, known.measure)


def _too_few_images(recipe: Recipe) -> str | None:
    """A note on a recipe that scores on more validation images than its task has; None if that is not known."""
    there = recipe.task.valid_images or (DIGITS_SIZES[1] if recipe.task.name == "digits" else None)
    images = recipe.evaluation.images
    if there is None or images <= there:
        return None
    return (
        f"evaluation.images is {images:,}, but there will be {there:,} validation images: give `supernet rank` "
        f"--images {there} (`images`) or fewer."
    )
