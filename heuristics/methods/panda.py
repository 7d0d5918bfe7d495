"""PA&DA: paths and images that have large gradients are trained more often.

The paper derives that probabilities in proportion to gradient norms have the least variance. The other points are those
of the released code (ShunLu91/PA-DA): it gives operations without weights the norm 0, and it does not correct the loss
for the probabilities, which changes what is minimised. `correct` is our addition: it multiplies losses by uniform over
actual probability, so that the expected gradient is that of uniform sampling. Elsewhere we differ: means are over
all visits of an epoch, where the code gives later ones more weight; images that an epoch did not visit keep their norm,
where the code sets it to 0; norms are those of all weights of an operation, also of batch norm, before clipping, where
the code reads the weight and bias of the convolution alone, after all gradients were clipped to a norm of 5; and
images are drawn with replacement from the third epoch on, where the code does so, uniformly, in the second one already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Output, Supernet
from supernet.heuristics.methods.gradient_norms import ImageNorms, OperationNorms, correction
from supernet.heuristics.methods.samplers import Uniform
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("pa-da")
class PathsAndData(Method):
    """Draws operations and images in proportion to their gradient norms (PA&DA, Lu et al., CVPR 2023).

    In epoch e of E, counted from 0, the probability of an operation is t * norm / (sum of norms) + (1 - t) / options,
    where the norm is the mean over the epoch before and t = strength * (e - 1) / E. Images are drawn alike. In the
    first two epochs t is 0, and training is that of the recipe without the method. Parents stay uniform.
    """

    reads = frozenset({"with_none"})

    paths: bool = True
    """Whether operations are drawn by their gradient norms."""
    images: bool = True
    """Whether images are drawn by theirs."""
    correct: bool = False
    """Whether losses are weighted so that the expected gradient stays that of uniform sampling."""
    strength: float = 1.0
    """Weight of the gradient norms in the probabilities at the end of training; the rest is uniform."""
    _operations: OperationNorms = field(default_factory=OperationNorms, init=False)
    _images: ImageNorms = field(default_factory=ImageNorms, init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError("strength lies in [0, 1]")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        if ctx.recipe.network.ofa_kernel != "own":
            raise UserError(
                "The method pa-da compares the gradients of operations with weights of their own: leave "
                "network.ofa_kernel at own."
            )
        return network

    def start_epoch(self, ctx: Context) -> None:
        self._images.begin(ctx.train_images, next(ctx.network.parameters()).device)

    def image_weights(self, ctx: Context) -> Tensor | None:
        share = self._t(ctx)
        return self._images.law(share) if self.images and share else None

    def plan(self, ctx: Context) -> list[Path]:
        planned, share = Uniform(ctx.space, 1, 1, ctx.recipe.sampling.with_none).plan(ctx), self._t(ctx)
        if not (self.paths and share):
            return planned
        routing, ratio = self._operations.drawn(ctx, self, planned[0].routing, share)
        return [Path(routing, ratio if self.correct else 1.0)]

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        share = self._t(ctx)
        return correction(ctx, out, self._images.law(share)) if self.correct and self.images and share else None

    def after_path(self, ctx: Context, out: Output) -> None:
        self._images.see(out)
        self._operations.see(ctx, out)

    def end_epoch(self, ctx: Context) -> None:
        self._operations.end()
        self._images.end()

    def _t(self, ctx: Context) -> float:
        return self.strength * max(0, ctx.epoch - 1) / ctx.recipe.training.epochs

    def state_dict(self) -> dict[str, Any]:
        return {"norms": self._operations.means, "images": self._images.means}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._operations = OperationNorms({str(option): float(norm) for option, norm in state["norms"].items()})
        self._images = ImageNorms.of(state["images"], next(ctx.network.parameters()).device)
