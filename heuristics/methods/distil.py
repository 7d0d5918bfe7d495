"""Knowledge distillation: every path learns from the answers of a teacher that was trained before."""

from __future__ import annotations

import time
from dataclasses import field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context, Foreseen, Method, Output
from supernet.heuristics.methods.sizes import largest
from supernet.heuristics.registry import method
from supernet.heuristics.teacher import Teacher

LARGEST = "largest"


@method("distil")
class Distillation(Method):
    """Adds the distance of a path's answers from those of a trained teacher (after MF-KD, Trofimov et al., 2020).

    The teacher is an architecture of the space. It is trained by itself, as the recipe says but without its methods,
    before the first step, and does not change afterwards. The cost of its training is charged to the first epoch.
    MF-KD trains candidates for a few epochs with such a loss, so that their early accuracies rank them better. Its
    authors compared several losses, and preferred that of selectivity. Their teacher and factors we do not know: all
    defaults are our choice.
    """

    captures = True

    loss: Literal["logits", "selectivity"] = "logits"
    """logits: T^2 times the Kullback-Leibler divergence of softened predictions (Hinton et al., 2015). selectivity: the
    maximum mean discrepancy between the channels of the last cell's output (Huang and Wang, 2017)."""
    weight: float = 1.0
    """Factor of the loss, which is added to that of the labels; with 0 the method does nothing."""
    temperature: float = 4.0
    """The temperature T of the loss of logits."""
    teacher: str = LARGEST
    """The teacher's architecture, as its official string; largest is the largest one of the space."""
    epochs: int = 10
    """Number of epochs for which the teacher is trained."""
    _teacher: Teacher | None = field(default=None, init=False)
    _last: tuple[Tensor, Tensor, Tensor] | None = field(default=None, init=False)
    """The labels of the images seen last, the teacher's logits for them, and the output of its last cell."""

    def __post_init__(self) -> None:
        if not (0 <= self.weight <= 1e6 and 0 < self.temperature <= 1e3 and 1 <= self.epochs <= 10_000):
            raise ValueError("weight lies in 0 to 1000000, temperature in (0, 1000], and epochs in 1 to 10000")

    def foreseen(self, ctx: Context) -> Foreseen:
        per_epoch = ctx.steps / ctx.recipe.training.epochs
        return Foreseen(once=self.epochs * per_epoch if self.weight else 0.0)

    def start_epoch(self, ctx: Context) -> None:
        if self._teacher is None and self.weight:
            assert ctx.teach is not None
            began = time.perf_counter()
            self._teacher = ctx.teach(self._architecture(ctx), self.epochs)
            ctx.meter.away += time.perf_counter() - began
            if ctx.epoch == 0:
                ctx.meter.forward += self._teacher.images
                ctx.meter.backward += self._teacher.images
                ctx.meter.charged += self._teacher.seconds

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        if not self.weight:
            return None
        logits, features = self._taught(ctx, out)
        if self.loss == "selectivity":
            return self.weight * selectivity(out.features[-1], features)
        return self.weight * softened(out.logits, logits, self.temperature)

    def _architecture(self, ctx: Context) -> Arch:
        if self.teacher == LARGEST:
            return largest(ctx)
        try:
            return ctx.space.parse(self.teacher)
        except UserError as problem:
            raise UserError(f"methods.distil.teacher: {problem}") from None

    def _taught(self, ctx: Context, out: Output) -> tuple[Tensor, Tensor]:
        """Return the teacher's logits (n, classes) and the output of its last cell for the images of a path."""
        # The same tensor of labels means the same images: every batch, and every part of a split one, has its own.
        if self._last is None or self._last[0] is not out.labels:
            assert self._teacher is not None
            features: list[Tensor] = []
            with torch.no_grad(), torch.autocast(out.images.device.type, torch.bfloat16, ctx.recipe.training.amp):
                logits = self._teacher.network(out.images, self._teacher.arch, features)
            ctx.meter.forward += len(out.images)
            self._last = out.labels, logits, features[-1]
        return self._last[1], self._last[2]


def softened(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return T^2 KL(teacher, student) of softened predictions, a scalar (Hinton et al., 2015).

    Args:
        student: logits: (n, classes).
        teacher: logits: (n, classes).
        temperature: T, by which logits are divided.
    """
    student, teacher = ((each.float() / temperature).log_softmax(1) for each in (student, teacher))
    return temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


def selectivity(student: Tensor, teacher: Tensor) -> Tensor:
    """Return the squared maximum mean discrepancy between the channels of two features (Huang and Wang, 2017).

    A channel is a vector over positions, of length 1. With the kernel k(a, b) = (a . b)^2, the discrepancy is the
    squared distance of the two mean outer products of such vectors. It is averaged over images: a scalar.

    Args:
        student: (n, channels, height, width).
        teacher: (n, other channels, height, width).
    """
    own, other = (F.normalize(each.float().flatten(2), dim=2) for each in (student, teacher))
    apart = own.mT @ own / own.shape[1] - other.mT @ other / other.shape[1]
    return apart.square().sum((1, 2)).mean()
