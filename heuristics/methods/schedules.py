"""When things happen in the course of training, and factors of losses that grow or fall in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from supernet.heuristics.hooks import Context

SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: (1 - math.cos(math.pi * share)) / 2,
    "cosine-down": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "steps-up": lambda share: (0.0, 0.01, 0.1, 1.0)[min(3, max(0, int(4 * share)))],
    "steps-down": lambda share: (1.0, 0.1, 0.01, 0.001)[min(3, max(0, int(4 * share)))],
}
"""Name of a schedule -> function from the share of the loss's time that is over, in [0, 1), to the share of the
coefficient. The authors' code has them all, with other names."""


def first_epoch(share: float, epochs: int) -> int:
    """Return the number, from 0, of the first epoch that begins after a share of all epochs; `epochs` if none does.

    A share that was meant as a whole number of epochs counts as this, although 0.07 * 100 is a little above 7.
    """
    return math.ceil(share * epochs - 1e-9)


def scheduled(ctx: Context, coefficient: float, schedule: str, begin: float) -> float:
    """Return the factor of a loss in the present step.

    Args:
        coefficient: its largest factor.
        schedule: a name of `SCHEDULES`, or inverse-rate: the factor grows with the difference of the first learning
            rate and the present one.
        begin: share of the training after which the loss begins.
    """
    if schedule == "inverse-rate":
        rate, t = ctx.optimiser.param_groups[0]["lr"], ctx.recipe.training
        return coefficient * (t.learning_rate - rate + t.final_learning_rate) / max(t.learning_rate, 1e-12)
    first = begin * ctx.steps
    return coefficient * SCHEDULES[schedule]((ctx.step - first) / max(1.0, ctx.steps - first))


def ramped(ctx: Context, ramp: float) -> float:
    """Return a factor that grows linearly from 0 to 1 in a share of the training, and stays there."""
    return min(1.0, ctx.step / (ramp * ctx.steps)) if ramp else 1.0
