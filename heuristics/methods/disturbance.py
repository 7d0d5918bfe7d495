"""A measurement of how a training step of one architecture changes the loss of another."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context
from supernet.heuristics.measuring import Measure, pairs_of
from supernet.heuristics.methods.looks import loss_of
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("disturbance")
class Disturbance(Measure):
    """Measures how a training step of one architecture changes the validation loss of another (Niu et al., 2020).

    For the pairs of the method interference, there is one row with the pair, first, second and distance, the `loss` of
    the first architecture, and its `change`: L_valid(first; w - rate * g) - L_valid(first; w), where g is the gradient
    of the training loss of the second architecture, clipped as in the recipe. A positive change is a disturbance.

    From the paper: the notion that training later architectures changes the performance of earlier ones. Our choice:
    a single step of gradient descent without momentum and weight decay, the loss in place of the accuracy, the pairs
    and the images.
    """

    rate: float | None = None
    """Learning rate of the step; by default that of the last step of training, which schedules lower."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate is not None and not 0 < self.rate <= 100:
            raise ValueError("rate must lie in (0, 100]")

    def measure(self, ctx: Context) -> list[dict[str, Any]]:
        rate = ctx.optimiser.param_groups[0]["lr"] if self.rate is None else self.rate
        weights: list[Tensor] = list(ctx.network.parameters())
        kept = [w.detach().clone() for w in weights]
        rows = []
        for pair in pairs_of(ctx, self.pairs):
            before = loss_of(ctx, pair.first, self.batch("valid"))
            self._descend(ctx, pair.second, rate)
            change = loss_of(ctx, pair.first, self.batch("valid")) - before
            with torch.no_grad():
                torch._foreach_copy_(weights, kept)
            rows.append({**pair.columns(ctx.space), "rate": rate, "loss": before, "change": change})
        return rows

    def _descend(self, ctx: Context, arch: Arch, rate: float) -> None:
        """Take a step of gradient descent on the training loss of an architecture."""
        batch, training = self.batch("train"), ctx.recipe.training
        ctx.network.zero_grad()
        logits = ctx.forward(Path(arch), batch).logits
        F.cross_entropy(logits, batch.labels, label_smoothing=training.label_smoothing).backward()
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(ctx.network.parameters(), training.clip)
        with torch.no_grad():
            for w in ctx.network.parameters():
                if w.grad is not None:
                    w.sub_(w.grad, alpha=rate)
