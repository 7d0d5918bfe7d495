"""Importance sampling of paths and images: what has large gradients is trained more often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.heuristics.hooks import Context, Method, Output, Path
from supernet.heuristics.methods.samplers import Uniform
from supernet.heuristics.registry import method


@method("pa-da")
class PathsAndData(Method):
    """Draws operations and images in proportion to their gradient norms (PA&DA, Lu et al., CVPR 2023).

    After epoch e of E, the probability of an operation is share / options + (1 - share) times its mean gradient norm
    over that of all, with 1 - share = strength * e / E; images are drawn alike, with the norm of softmax(logits) -
    onehot(label) in place of that of the gradient. Until then both are uniform, and training is that of the recipe
    without the method. One distribution serves all decisions about operations; decisions about parents stay uniform.

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
    _operations: dict[str, float] = field(default_factory=dict, init=False)
    _images: list[Tensor] = field(default_factory=list, init=False)
    _sums: dict[str, list[Tensor]] = field(default_factory=dict, init=False)
    _visits: list[Tensor] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError("strength lies in [0, 1]")

    def image_weights(self, ctx: Context) -> Tensor | None:
        share = self._share(ctx)
        if not self._images:
            self._images = [torch.ones(ctx.train_images, dtype=torch.float64, device=ctx.labels.device)]
        self._visits = [torch.zeros(2, ctx.train_images, dtype=torch.float64, device=self._images[0].device)]
        return mixed(self._images[0], share) if self.images and share else None

    def plan(self, ctx: Context) -> list[Path]:
        share, within, with_none = self._share(ctx), ctx.space, ctx.recipe.sampling.with_none
        (path,) = Uniform(within, 1, 1, with_none).plan(ctx)
        if not (self.paths and share):
            return [path]
        routing, weight = list(path.routing), 1.0
        for number in within.operations:
            options = within.decisions[number].options[0 if with_none else within.first_working :]
            law = mixed(torch.tensor([self._operations.get(o, 0.0) for o in options], dtype=torch.float64), share)
            drawn = int(ctx.random(self).choice(len(options), p=_exact(law)))
            routing[number] = len(within.decisions[number]) - len(options) + drawn
            weight /= len(options) * float(law[drawn])
        return [Path(tuple(routing), weight if self.correct else 1.0)]

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        share = self._share(ctx)
        if not (self.correct and self.images and share):
            return None
        factor = 1 / (ctx.train_images * mixed(self._images[0], share)[out.rows])
        smoothing = ctx.recipe.training.label_smoothing
        each = F.cross_entropy(out.logits, out.labels, label_smoothing=smoothing, reduction="none")
        return ((factor.float() - 1) * each).mean()  # the recipe's own cross-entropy has the factor 1

    def after_path(self, ctx: Context, out: Output) -> None:
        norms = (out.logits.detach().softmax(1) - F.one_hot(out.labels, out.logits.shape[1])).norm(dim=1).double()
        self._visits[0][0].index_add_(0, out.rows, norms)
        self._visits[0][1].index_add_(0, out.rows, torch.ones_like(norms))
        for number in ctx.space.operations:
            option = out.path.routing[number]
            found = [p.grad for p in ctx.network.parameters_of(number, option) if p.grad is not None]  # type: ignore[arg-type]
            norm = torch.stack(torch._foreach_norm(found)).sum() if found else torch.zeros(())
            self._sums.setdefault(ctx.space.decisions[number].options[option], []).append(norm)  # type: ignore[index]

    def end_epoch(self, ctx: Context) -> None:
        self._operations |= {name: float(torch.stack(norms).mean()) for name, norms in self._sums.items()}
        self._sums = {}
        total, count = self._visits[0]
        self._images = [torch.where(count > 0, total / count.clamp(min=1), self._images[0])]

    def _share(self, ctx: Context) -> float:
        """Return the weight of gradient norms in this epoch's probabilities."""
        return self.strength * max(0, ctx.epoch - 1) / ctx.recipe.training.epochs

    def state_dict(self) -> dict[str, Any]:
        return {"operations": self._operations, "images": self._images}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._operations = dict(state["operations"])
        self._images = [norms.to(next(ctx.network.parameters()).device) for norms in state["images"]]


def mixed(norms: Tensor, share: float) -> Tensor:
    """Return probabilities: share * norms / sum(norms) + (1 - share) / n, uniform if all norms are 0: float64, (n,).

    Args:
        norms: from 0 on: (n,).
        share: from 0 to 1.
    """
    total = norms.sum()
    uniform = torch.full_like(norms, 1 / len(norms))
    return torch.where(total > 0, share * norms / total.clamp(min=1e-300) + (1 - share) * uniform, uniform)


def _exact(law: Tensor) -> NDArray[np.float64]:
    """Return probabilities whose sum NumPy accepts as 1."""
    found = law.cpu().numpy()
    return np.asarray(found / found.sum())
