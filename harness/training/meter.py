"""Loss, accuracy and cost of an epoch, as sums that are read from the device only a few times a second."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from supernet.heuristics.hooks import Context, NotFinite, StepResult


@dataclass(frozen=True)
class Progress:
    """How far a run is, for a progress bar."""

    epoch: int
    """The current epoch, counted from 0."""
    step: int
    """Steps done, over all epochs."""
    steps: int
    """Steps of the whole training."""
    loss: float
    """Mean loss of the steps of the epoch so far."""
    accuracy: float
    """Accuracy of the sampled paths in the epoch so far, in percent."""
    images_per_second: float
    teacher: int = 0
    """The epoch of the run's teacher, counted from 1, while that is trained, before the first epoch of the run."""

    def of(self, epochs: int) -> str:
        """Say which epoch of how many it is."""
        return f"teacher, epoch {self.teacher}" if self.teacher else f"epoch {self.epoch + 1}/{epochs}"


class EpochMeter:
    """Loss, accuracy, speed and cost of one epoch.

    Args:
        ctx: the context of the run, whose meter counts passes.
        progress: called at most every INTERVAL seconds.
    """

    INTERVAL = 0.5
    """Least number of seconds between two calls of `progress`; each waits for the device."""

    def __init__(self, ctx: Context, progress: Callable[[Progress], None] | None) -> None:
        self._ctx, self._progress = ctx, progress
        self._loss: Any = 0.0
        self._correct: Any = 0
        self._count = self._seen = 0
        self._before = ctx.meter.copy()
        self._started = self._shown = time.perf_counter()

    def add(self, result: StepResult) -> None:
        """Add the sums of a step."""
        self._loss = self._loss + result.loss
        self._correct = self._correct + result.correct
        self._count += 1
        self._seen += result.seen
        now = time.perf_counter()
        if self._progress and now - self._shown > self.INTERVAL:
            self._shown = now
            e = self.entry()
            ctx = self._ctx
            self._progress(
                Progress(ctx.epoch, ctx.step + 1, ctx.steps, e["loss"], e["accuracy"], e["images_per_second"])
            )

    def check(self) -> None:
        """Check the losses of the epoch so far.

        Raises:
            NotFinite: one of them is infinite or not a number.
        """
        if not math.isfinite(float(self._loss)):
            raise NotFinite(f"The loss is {float(self._loss)}")

    def entry(self) -> dict[str, Any]:
        """The epoch's entry in the log, with accuracy in percent; `passes` counts passes of one path for one batch.

        Measurements in the course of training have entries of their own and are left out of all others.
        """
        spent, before = self._ctx.meter, self._before
        measuring = spent.measured.seconds - before.measured.seconds
        seconds = time.perf_counter() - self._started - measuring - (spent.away - before.away)
        size = self._ctx.recipe.training.batch_size
        entry = {
            "epoch": self._ctx.epoch + 1,
            "loss": float(self._loss) / max(1, self._count),
            "accuracy": 100 * float(self._correct) / max(1, self._seen),
            "learning_rate": self._ctx.optimiser.param_groups[0]["lr"],
            "images": self._seen,
            "passes": spent.passes(size) - before.passes(size),
            "seconds": round(seconds + spent.charged - before.charged, 3),
            "images_per_second": self._seen / seconds,
        }
        if measuring:
            entry["measure_passes"] = spent.measured.passes(size) - before.measured.passes(size)
            entry["measure_seconds"] = round(measuring, 3)
        return entry
