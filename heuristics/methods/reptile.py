"""SUMNAS: shared weights move towards the mean of copies, each of which trains on one path."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supernet.heuristics.hooks import Context, Method, Step, StepResult
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("reptile")
class Reptile(Method):
    """Moves weights towards the mean of copies that each trained on one path (SUMNAS, Ha et al., ICLR 2022).

    Path k of the step trains a copy w_k of the weights w for a few SGD steps on its images, with the learning rate
    and weight decay of the recipe (or of the weights' own group) and momentum of its own. Then w <- w - rate *
    mean_k(w - w_k). Other methods see the mean difference as the gradient, which is not clipped.

    The keys `sampling.reduce` and `training.{clip,momentum,nesterov,unsampled}` have no effect with it.

    The paper uses strictly fair paths (`sampling.law=fair`). We do not know its other settings; these defaults are
    those of ShunLu91/PA-DA, which trains SUMNAS on NAS-Bench-201. That code differs in four points: it clips the
    gradients of copies to a norm of 5; their rate is always 0.05, without weight decay; their momentum is carried over
    from copy to copy; and `rate` falls from 1 to 0 as a cosine, with a weight decay of 4e-5 in this outer step. Here
    nothing is clipped, copies follow the recipe's schedule and weight decay and begin without momentum, and `rate` is
    constant, without a further weight decay.
    """

    ignores = frozenset(
        {"sampling.reduce", "training.clip", "training.momentum", "training.nesterov", "training.unsampled"}
    )

    rate: float = 1.0
    """Share of the way to the mean of the copies."""
    steps: int = 2
    """Number of SGD steps of each copy."""
    momentum: float = 0.9
    """Momentum of the SGD steps of a copy."""

    def __post_init__(self) -> None:
        if not (0 < self.rate <= 1 and 1 <= self.steps <= 100 and 0 <= self.momentum < 1):
            raise ValueError("rate must lie in (0, 1], steps in 1 to 100, and momentum in [0, 1)")

    def take_step(self, ctx: Context, plan: Sequence[Path], step: Step) -> StepResult:
        weights = [w for w in ctx.network.parameters() if w.requires_grad]
        start = [w.detach().clone() for w in weights]
        moved = [torch.zeros_like(w) for w in weights]
        batches = step.batches(ctx, len(plan))
        total = correct = torch.zeros((), device=ctx.images.device)
        for path, batch in zip(plan, batches, strict=True):
            inner = self._inner(ctx.optimiser)
            for _ in range(self.steps):
                inner.zero_grad()
                one = step.path(ctx, path, batch, path.weight)
                inner.step()
                total, correct = total + one.loss / (len(plan) * self.steps), correct + one.correct
            with torch.no_grad():
                for total_move, w, origin in zip(moved, weights, start, strict=True):
                    total_move.add_(origin - w, alpha=1 / len(plan))
                    w.copy_(origin)
        for w, move in zip(weights, moved, strict=True):
            w.grad = move
        step.before_update(ctx)
        with torch.no_grad():
            for w in weights:
                if w.grad is not None:
                    w.sub_(w.grad, alpha=self.rate)
        step.after_update(ctx)
        return StepResult(total, correct, self.steps * sum(len(batch.labels) for batch in batches))

    def _inner(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Return the optimiser of a copy: each group of weights keeps its learning rate and weight decay."""
        groups = [{key: group[key] for key in ("params", "lr", "weight_decay")} for group in optimiser.param_groups]
        return torch.optim.SGD(groups, momentum=self.momentum, foreach=True)
