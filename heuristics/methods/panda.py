"""Importance sampling of paths and images: what has large gradients is trained more often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.heuristics.hooks import Context, Method, Output, Path
from supernet.heuristics.methods.samplers import Uniform
from supernet.heuristics.registry import method


@method("pa-da")
class PathsAndData(Method):
    """Draws operations and images in proportion to their gradient norms (PA&DA, Lu et al., CVPR 2023).

    In epoch e of E, counted from 0, the probability of an operation is t * norm / (sum of norms) + (1 - t) / options,
    where the norm is the mean over the epoch before and t = strength * (e - 1) / E. Images are drawn alike, with the
    norm of softmax(logits) - onehot(label). In the first two epochs t is 0, and training is that of the recipe without
    the method. One distribution serves all decisions about operations; decisions about parents stay uniform.

    The paper derives that probabilities in proportion to gradient norms have the least variance. The other points are
    those of the released code (ShunLu91/PA-DA): it gives operations without weights the norm 0, and it does not correct
    the loss for the probabilities, which changes what is minimised. `correct` is our addition: it multiplies losses by
    uniform over actual probability, so that the expected gradient is that of uniform sampling. In two points we differ:
    means are over all visits of an epoch, where the code gives later ones more weight, and images that an epoch did not
    visit keep their norm, where the code sets it to 0.
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
    _norms: dict[str, float] = field(default_factory=dict, init=False)
    _images: Tensor | None = field(default=None, init=False)
    _sums: dict[str, list[Tensor]] = field(default_factory=dict, init=False)
    _visits: Tensor = field(default_factory=lambda: torch.zeros(2, 0), init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError("strength lies in [0, 1]")

    def start_epoch(self, ctx: Context) -> None:
        device = next(ctx.network.parameters()).device
        self._sums, self._visits = {}, torch.zeros(2, ctx.train_images, dtype=torch.float64, device=device)
        if self._images is None:
            self._images = torch.ones_like(self._visits[0])

    def image_weights(self, ctx: Context) -> Tensor | None:
        return mixed(self._seen, self._share(ctx)) if self.images and self._share(ctx) else None

    def plan(self, ctx: Context) -> list[Path]:
        share, with_none = self._share(ctx), ctx.recipe.sampling.with_none
        (path,) = Uniform(ctx.space, 1, 1, with_none).plan(ctx)
        if not (self.paths and share):
            return [path]
        routing, weight = list(path.routing), 1.0
        for number in ctx.space.operations:
            first = 0 if with_none else ctx.space.first_working
            norms = [self._norms.get(option, 0.0) for option in ctx.space.decisions[number].options[first:]]
            law = mixed(torch.tensor(norms, dtype=torch.float64), share).numpy()
            drawn = int(ctx.random(self).choice(len(law), p=law / law.sum()))
            routing[number] = first + drawn
            weight /= len(law) * float(law[drawn])
        return [Path(tuple(routing), weight if self.correct else 1.0)]  # type: ignore[arg-type]

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        if not (self.correct and self.images and self._share(ctx)):
            return None
        factor = 1 / (ctx.train_images * mixed(self._seen, self._share(ctx))[out.rows])
        smoothing = ctx.recipe.training.label_smoothing
        each = F.cross_entropy(out.logits, out.labels, label_smoothing=smoothing, reduction="none")
        return ((factor.float() - 1) * each).mean()  # the recipe's own cross-entropy has the factor 1

    def after_path(self, ctx: Context, out: Output) -> None:
        norms = (out.logits.detach().softmax(1) - F.one_hot(out.labels, out.logits.shape[1])).norm(dim=1).double()
        self._visits.index_add_(1, out.rows, torch.stack([norms, torch.ones_like(norms)]))
        for number in ctx.space.operations:
            option: Any = out.path.routing[number]
            found = [p.grad for p in ctx.network.parameters_of(number, option) if p.grad is not None]
            norm = (
                torch.stack([grad.norm() for grad in found]).sum()
                if found
                else norms.new_zeros((), dtype=torch.float32)
            )
            self._sums.setdefault(ctx.space.decisions[number].options[option], []).append(norm)

    def end_epoch(self, ctx: Context) -> None:
        self._norms |= {option: float(torch.stack(norms).mean()) for option, norms in self._sums.items()}
        total, count = self._visits
        self._images = torch.where(count > 0, total / count.clamp(min=1), self._seen)

    @property
    def _seen(self) -> Tensor:
        """The norm of each image, float64: (images,)."""
        assert self._images is not None
        return self._images

    def _share(self, ctx: Context) -> float:
        """Return the weight t of gradient norms in this epoch's probabilities."""
        return self.strength * max(0, ctx.epoch - 1) / ctx.recipe.training.epochs

    def state_dict(self) -> dict[str, Any]:
        return {"norms": self._norms, "images": self._images}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._norms = {str(option): float(norm) for option, norm in state["norms"].items()}
        device = next(ctx.network.parameters()).device
        self._images = None if state["images"] is None else state["images"].to(device)


def mixed(norms: Tensor, share: float) -> Tensor:
    """Return probabilities: share * norms / sum(norms) + (1 - share) / n, uniform if all norms are 0: float64, (n,).

    Args:
        norms: from 0 on: (n,).
        share: from 0 to 1.
    """
    uniform = torch.full_like(norms, 1 / len(norms))
    total = norms.sum()
    return torch.where(total > 0, share * norms / total.clamp(min=1e-300) + (1 - share) * uniform, uniform)
