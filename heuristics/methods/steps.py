"""The usual way from the paths of a step to an update of the shared weights, and the `Step` that all such ways get."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.loader import Batch
from supernet.benchmarks.wording import quoted
from supernet.heuristics.hooks import Context, Method, Output, Step, StepResult, overrides
from supernet.heuristics.measuring import Measure
from supernet.heuristics.methods.paths import planner_of
from supernet.heuristics.routes import Path

SMALLEST_ALONE = 8
"""Pixels per side from which on a batch may have a single image. The networks halve images twice, so that batch norm
still sees several pixels per channel."""


class Hooks:
    """A `Step` that calls the hooks of methods in the order of the methods, but those that only measure last."""

    def __init__(self, methods: Sequence[Method]) -> None:
        methods = sorted(methods, key=lambda each: isinstance(each, Measure))
        self._path_losses, self._step_losses, self._after_path, self._before, self._after = (
            [getattr(m, hook) for m in methods if overrides(m, hook)]
            for hook in ("path_loss", "step_loss", "after_path", "before_update", "after_update")
        )
        self._captures = any(m.captures for m in methods)
        self._keeps_graph = bool(self._step_losses) and any(m.keeps_graph for m in methods)
        self._outs: list[Output] = []

    def batches(self, ctx: Context, paths: int) -> list[Batch]:
        split = ctx.recipe.sampling.batch == "split" and paths > 1
        if split and len(ctx.labels) < paths:
            raise UserError(
                f"A batch of {len(ctx.labels)} images cannot be split among {paths} paths: raise "
                "training.batch_size, or set sampling.batch=whole."
            )
        whole = Batch(ctx.images, ctx.labels, ctx.rows)
        found = [Batch(*parts) for parts in zip(*(x.tensor_split(paths) for x in whole), strict=True)] if split else []
        found = found or [whole] * paths
        if len(found[-1].images) == 1 and ctx.images.shape[-1] < SMALLEST_ALONE:
            raise UserError(
                f"A path that sees a single image of {ctx.images.shape[-1]} pixels per side leaves batch norm nothing "
                "to normalise over: raise training.batch_size or task.size."
            )
        return found

    def path(self, ctx: Context, path: Path, batch: Batch, factor: float) -> StepResult:
        out = ctx.forward(path, batch, capture=self._captures)
        terms = [term for loss in self._path_losses if (term := loss(ctx, out)) is not None]
        if not terms and not self._step_losses:
            raise UserError(_nothing_to_learn(ctx, path))
        loss = torch.stack(terms).sum() if terms else torch.zeros((), device=batch.images.device)
        if terms:
            (loss * factor).backward(retain_graph=self._keeps_graph)
        if self._step_losses:
            self._outs.append(out if self._keeps_graph else _detached(out))
        for after_path in self._after_path:
            after_path(ctx, out)
        correct = (out.logits.detach().argmax(1) == batch.labels).sum()
        return StepResult(loss.detach(), correct, len(batch.labels))

    def before_update(self, ctx: Context) -> None:
        terms = [term for loss in self._step_losses if (term := loss(ctx, self._outs)) is not None]
        self._outs = []
        if terms:
            torch.stack(terms).sum().backward()
        for before_update in self._before:
            before_update(ctx)

    def after_update(self, ctx: Context) -> None:
        for after_update in self._after:
            after_update(ctx)


def _detached(out: Output) -> Output:
    """Return the output without gradients, so that the path's graph can be freed."""
    features = tuple(feature.detach() for feature in out.features)
    return dataclasses.replace(out, logits=out.logits.detach(), features=features)


class Accumulate(Method):
    """Passes every path forward and backward in turn, then takes one optimiser step with their mean or summed gradient.

    Each path sees the whole batch, or its own part of it. Only one path's graph is in memory at a time.
    """

    def take_step(self, ctx: Context, plan: Sequence[Path], step: Step) -> StepResult:
        training = ctx.recipe.training
        share = 1 / len(plan) if ctx.recipe.sampling.reduce == "mean" else 1.0
        batches = step.batches(ctx, len(plan))
        ctx.optimiser.zero_grad(set_to_none=training.unsampled == "keep")
        total = correct = torch.zeros((), device=ctx.images.device)
        for path, batch in zip(plan, batches, strict=True):
            one = step.path(ctx, path, batch, path.weight * share)
            total = total + one.loss / len(plan)
            correct = correct + one.correct
        step.before_update(ctx)
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(ctx.network.parameters(), training.clip)
        ctx.optimiser.step()
        step.after_update(ctx)
        return StepResult(total, correct, sum(len(batch.labels) for batch in batches))


def _nothing_to_learn(ctx: Context, path: Path) -> str:
    """Return the message about a path to which no loss applies."""
    named = planner_of(ctx)
    planner = f"method {named}" if named else f"sampling law {ctx.recipe.sampling.law}"
    if path.role != "student":
        return f"No loss applies to a path with the role {quoted(path.role)} of the {planner}."
    if ctx.recipe.sampling.batch == "split":
        return (
            f"The {planner} plans students, which learn from a teacher on the same images: set sampling.batch=whole, "
            "since sampling.batch=split gives every path different images."
        )
    return (
        f"The {planner} plans a path with the role student without one with the role teacher before it in the same "
        "step. Plan the teacher first, or add a method whose path_loss applies to students."
    )
