"""Loss terms: what a path is asked for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.heuristics.hooks import Context, LossTerm, Path
from supernet.heuristics.recipe import Recipe


class CrossEntropy:
    """Cross-entropy with the labels, for every path but students, who learn from their teacher."""

    def __init__(self, label_smoothing: float) -> None:
        self._smoothing = label_smoothing

    def __call__(self, ctx: Context, path: Path, logits: Tensor, labels: Tensor) -> Tensor | None:
        if path.role == "student":
            return None
        return F.cross_entropy(logits, labels, label_smoothing=self._smoothing)


class InPlaceDistillation:
    """Students match the softened outputs of the step's teacher on the same images (Yu et al., BigNAS, ECCV 2020).

    Paths of other roles get no term.
    """

    def __init__(self) -> None:
        self._teacher: Tensor | None = None
        self._labels: Tensor | None = None

    def __call__(self, ctx: Context, path: Path, logits: Tensor, labels: Tensor) -> Tensor | None:
        if path.role == "teacher":
            self._teacher, self._labels = logits.detach().softmax(1), labels
        # The same tensor of labels means the same images: every batch, and every part of a split one, has its own.
        if path.role != "student" or self._teacher is None or self._labels is not labels:
            return None
        return torch.sum(-self._teacher * logits.log_softmax(1), dim=1).mean()


def losses_for(recipe: Recipe) -> list[LossTerm]:
    """The loss terms of a recipe; which of them applies to a path is decided by the path's role."""
    return [CrossEntropy(recipe.training.label_smoothing), InPlaceDistillation()]
