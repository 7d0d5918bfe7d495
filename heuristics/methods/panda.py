"""PA&DA: paths and images that have large gradients are trained more often.

The paper derives that probabilities in proportion to gradient norms have the least variance. The other points are those
of the released code (ShunLu91/PA-DA): it gives operations without weights the norm 0, and it does not correct the loss
for the probabilities, which changes what is minimised. `correct` is our addition: it multiplies losses by uniform over
actual probability, so that the expected gradient is that of uniform sampling. In two points we differ: means are over
all visits of an epoch, where the code gives later ones more weight, and images that an epoch did not visit keep their
norm, where the code sets it to 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from torch import Tensor

from supernet.heuristics.hooks import Context, Method, Output
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

    def start_epoch(self, ctx: Context) -> None:
        self._operations.begin()
        self._images.begin(ctx.train_images, next(ctx.network.parameters()).device)

    def image_weights(self, ctx: Context) -> Tensor | None:
        share = self._share(ctx)
        return self._images.law(share) if self.images and share else None

    def plan(self, ctx: Context) -> list[Path]:
        (path,) = Uniform(ctx.space, 1, 1, ctx.recipe.sampling.with_none).plan(ctx)
        share = self._share(ctx)
        if not (self.paths and share):
            return [path]
        routing, ratio = self._operations.drawn(ctx, self, path.routing, share)
        return [Path(routing, ratio if self.correct else 1.0)]

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        share = self._share(ctx)
        return correction(ctx, out, self._images.law(share)) if self.correct and self.images and share else None

    def after_path(self, ctx: Context, out: Output) -> None:
        self._images.see(out)
        self._operations.see(ctx, out)

    def end_epoch(self, ctx: Context) -> None:
        self._operations.end()
        self._images.end()

    def _share(self, ctx: Context) -> float:
        """Return the weight t of gradient norms in this epoch's probabilities."""
        return self.strength * max(0, ctx.epoch - 1) / ctx.recipe.training.epochs

    def state_dict(self) -> dict[str, Any]:
        return {"norms": self._operations.means, "images": self._images.means}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        device, images = next(ctx.network.parameters()).device, state["images"]
        self._operations = OperationNorms({str(option): float(norm) for option, norm in state["norms"].items()})
        self._images = ImageNorms(None if images is None else images.to(device))
