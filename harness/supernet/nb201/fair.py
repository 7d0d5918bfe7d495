"""Strictly fair steps as one static computation: every operation of every edge runs exactly once, for one path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import NONE, OPS
from supernet.harness.supernet.nb201 import static, together
from supernet.harness.supernet.nb201.flat import stored
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.heuristics.hooks import Context
from supernet.heuristics.recipe import Recipe


def paths(recipe: Recipe) -> int:
    """The paths of a strictly fair plan: one for each operation that is sampled."""
    return len(OPS) - (not recipe.sampling.with_none) * (NONE + 1)


def fits(recipe: Recipe) -> bool:
    """Whether `FairStep` computes what the paths one by one would; parts of a batch have to be of one size."""
    uneven = recipe.sampling.batch == "split" and recipe.training.batch_size % paths(recipe)
    return static.fits(recipe) and recipe.sampling.law == "fair" and not uneven


class FairStep(static.StaticStep):
    """Strictly fair plans on NAS-Bench-201 as one computation; equal to `Accumulate` up to rounding.

    Memory holds the graphs of all paths of a step at once.
    """

    def ordered(self, network: NB201Net) -> list[nn.Parameter]:
        self._parameters = list(network.parameters())
        return self._parameters

    def routes(self, ops: NDArray[np.int64]) -> Sequence[Tensor]:
        return together.tables(ops.swapaxes(0, 1), self._idle(len(ops)))

    @staticmethod
    def _idle(paths: int) -> bool:
        """Whether `none` is sampled: a fair plan has one path for each option."""
        return paths == len(OPS)

    def gradient(
        self, ctx: Context, images: Tensor, labels: Tensor, routes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        assert isinstance(ctx.network, NB201Net)
        take, back, used = routes
        paths = back.shape[-1]
        parts, wanted, share = static.parts_of(ctx, images, labels, paths)
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=ctx.recipe.training.amp):
            logits = together.forward(ctx.network, parts, together.Routes(take, back, used, self._idle(paths)))
        found = [static.cross_entropy(ctx, output, y) for output, y in zip(logits, wanted, strict=True)]
        losses = torch.stack([loss for loss, _ in found])
        gradients = torch.autograd.grad(losses.sum() * share, self._parameters)
        correct = torch.stack([right for _, right in found]).sum()
        return losses.detach().mean(), correct, torch.cat([stored(gradient) for gradient in gradients])
