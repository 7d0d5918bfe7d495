"""Step rules: how the paths of a step become one update of the shared weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted
from supernet.heuristics.hooks import UPDATE_HOOKS, Context, LossTerm, Path, StepResult, UpdateTransform

SMALLEST_ALONE = 8
"""Pixels a side from which on a batch may be a single image: after halving twice, several pixels are left."""


class Accumulate:
    """Every path goes forward and backward in turn; one optimiser step with the mean or sum of their gradients.

    Each path sees the whole batch, or its own part of it. Only one path's graph is in memory at a time.
    """

    def __init__(self, transforms: Sequence[UpdateTransform] = ()) -> None:
        self._after_path, self._before_update, self._after_update = (
            [getattr(transform, hook) for transform in transforms if hasattr(transform, hook)] for hook in UPDATE_HOOKS
        )

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
        if len(images[-1]) == 1 and ctx.images.shape[-1] < SMALLEST_ALONE:
            raise UserError(
                f"A path that sees a single image of {ctx.images.shape[-1]} pixels a side leaves batch norm nothing to "
                "normalise over: raise training.batch_size or task.size."
            )
        share = 1 / len(plan) if sampling.reduce == "mean" else 1.0
        ctx.optimiser.zero_grad(set_to_none=training.unsampled == "keep")
        total = correct = torch.zeros((), device=ctx.images.device)
        for path, x, y in zip(plan, images, labels, strict=True):
            logits = ctx.logits(x, path.routing)
            terms = [term for loss in losses if (term := loss(ctx, path, logits, y)) is not None]
            if not terms:
                raise UserError(_nothing_to_learn(ctx, path, split))
            loss = torch.stack(terms).sum()
            (loss * (path.weight * share)).backward()
            total = total + loss.detach() / len(plan)
            correct = correct + (logits.detach().argmax(1) == y).sum()
            for after_path in self._after_path:
                after_path(ctx, path)
        for before_update in self._before_update:
            before_update(ctx)
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(ctx.network.parameters(), training.clip)
        ctx.optimiser.step()
        for after_update in self._after_update:
            after_update(ctx)
        return StepResult(total, correct, sum(map(len, labels)))


def _nothing_to_learn(ctx: Context, path: Path, split: bool) -> str:
    """The message about a path that no loss term applies to."""
    law = ctx.recipe.sampling.law
    if path.role != "student":
        return f"No loss term applies to a path with the role {quoted(path.role)} of the sampling law {law}."
    if split:
        return (
            f"The sampling law {law} plans students, who learn from a teacher on the same images: set "
            "sampling.batch=whole, since sampling.batch=split gives every path images of its own."
        )
    return (
        f"The sampling law {law} plans a path with the role student without one with the role teacher before it in the "
        "same step. Plan the teacher first, or register a loss term that applies to students."
    )
