"""The schedule of the learning rate."""

from __future__ import annotations

import math

import torch

from supernet.heuristics.sections import TrainingSection


def learning_rate(t: TrainingSection, step: int, steps: int, steps_per_epoch: float) -> float:
    """The learning rate of a step: linear warm-up, then the schedule over the remaining steps.

    `cosine` falls to the final learning rate along half a cosine (Loshchilov & Hutter, ICLR 2017); `step` divides by
    ten at 30 % and 60 % of the remaining steps; `constant` does not change.

    Args:
        step: number of the step, from 0.
        steps: steps of the whole schedule.
    """
    warmup = t.warmup_epochs * steps_per_epoch
    if step < warmup:
        return t.learning_rate * (step + 1) / (warmup + 1)
    share = (step - warmup) / max(1.0, steps - warmup)
    match t.schedule:
        case "cosine":
            low = t.final_learning_rate
            return low + (t.learning_rate - low) * (1 + math.cos(math.pi * share)) / 2
        case "step":
            return t.learning_rate * 0.1 ** ((share >= 0.3) + (share >= 0.6))
    return t.learning_rate


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group of parameters its rate: this one, times the group's `scale` where it has one."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)
