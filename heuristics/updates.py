"""Step rules: how the paths of a step become one update of the shared weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from benchmarks.errors import UserError
from heuristics.hooks import Context, LossTerm, Path, StepResult, UpdateTransform


class Accumulate:
    """Every path goes forward and backward in turn; one optimiser step with the mean or sum of their gradients.

    Each path sees the whole batch, or its own part of it. Only one path's graph is in memory at a time.
    """

    def __init__(self, transforms: Sequence[UpdateTransform] = ()) -> None:
        self._transforms = transforms

    def run(self, ctx: Context, plan: Sequence[Path], losses: Sequence[LossTerm]) -> StepResult:
        training, sampling = ctx.recipe.training, ctx.recipe.sampling
        split = sampling.batch == "split" and len(plan) > 1
        if split and len(ctx.labels) < len(plan):
            raise UserError(
                f"A batch of {len(ctx.labels)} images cannot be split among {len(plan)} paths: raise "
                "training.batch_size, or set sampling.batch=whole."
            )
        images = ctx.images.tensor_split(len(plan)) if split else [ctx.images] * len(plan)
        labels = ctx.labels.tensor_split(len(plan)) if split else [ctx.labels] * len(plan)
        share = 1 / len(plan) if sampling.reduce == "mean" else 1.0
        ctx.optimiser.zero_grad(set_to_none=training.unsampled == "keep")
        total = correct = torch.zeros((), device=ctx.images.device)
        for path, x, y in zip(plan, images, labels, strict=True):
            logits = ctx.logits(x, path.routing)
            terms = [term for loss in losses if (term := loss(ctx, path, logits, y)) is not None]
            loss = torch.stack(terms).sum()
            (loss * (path.weight * share)).backward()
            total = total + loss.detach() / len(plan)
            correct = correct + (logits.detach().argmax(1) == y).sum()
            for transform in self._transforms:
                transform.after_path(ctx, path)
        for transform in self._transforms:
            transform.before_update(ctx)
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(ctx.network.parameters(), training.clip)
        ctx.optimiser.step()
        for transform in self._transforms:
            transform.after_update(ctx)
        return StepResult(total, correct, sum(map(len, labels)))
