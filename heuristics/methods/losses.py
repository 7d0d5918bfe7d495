"""Losses that every recipe has: cross-entropy with the labels, and distillation from a teacher if the plan has one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.heuristics.hooks import Context, Method, Output
from supernet.heuristics.recipe import Recipe


class CrossEntropy(Method):
    """Cross-entropy with the labels, for every path except students, which learn from their teacher."""

    def __init__(self, label_smoothing: float) -> None:
        self._smoothing = label_smoothing

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        if out.path.role == "student":
            return None
        return F.cross_entropy(out.logits, out.labels, label_smoothing=self._smoothing)


class InPlaceDistillation(Method):
    """Students match the softened outputs of the step's teacher on the same images (Yu et al., BigNAS, ECCV 2020).

    Paths of other roles have no such term.
    """

    def __init__(self) -> None:
        self._teacher: Tensor | None = None
        self._labels: Tensor | None = None

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        if out.path.role == "teacher":
            self._teacher, self._labels = out.logits.detach().softmax(1), out.labels
        # The same tensor of labels means the same images: every batch, and every part of a split one, has its own.
        if out.path.role != "student" or self._teacher is None or self._labels is not out.labels:
            return None
        return torch.sum(-self._teacher * out.logits.log_softmax(1), dim=1).mean()


def losses_for(recipe: Recipe) -> list[Method]:
    """Return the losses of a recipe; the role of a path decides which of them applies to it."""
    return [CrossEntropy(recipe.training.label_smoothing), InPlaceDistillation()]
