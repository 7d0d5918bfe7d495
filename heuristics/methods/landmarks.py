"""Landmarks: architectures with known accuracies, which the shared weights learn to rank as the ground truth does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Output, Path
from supernet.heuristics.registry import method


@method("landmarks")
class Landmarks(Method):
    """Adds a loss where shared weights rank two landmarks in the wrong order (Yu, Ranftl and Salzmann, CVPR 2021).

    Landmarks are drawn at random when the loss begins. The method asks for their ground truth, which is charged, and
    rankings of the run leave them out. Every step draws one pair and adds coefficient * relu(L(better) - L(worse)),
    where L is the cross-entropy on one batch that the method draws for itself. The batch has validation images by
    default, as in the authors' code (kcyu2014/nas-landmarkreg). The other defaults are also those of that code where
    they do not depend on the length of training. The coefficient grows as a cosine from the beginning of the loss to
    the end of training. In two points the method differs from the code: there, the schedule ends at 0.69 of the
    coefficient, and good landmarks are drawn more often.
    """

    count: int = 50
    """Number of landmarks."""
    coefficient: float = 10.0
    """Factor of the loss at the end of training."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """How the factor grows from 0: as a cosine, or at once."""
    begin: float = 0.375
    """Share of the epochs after which the loss begins (150 of 400)."""
    images: Literal["valid", "train"] = "valid"
    """The split whose images landmarks are compared on."""
    _indices: list[int] = field(default_factory=list, init=False)
    _true: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (2 <= self.count <= 10_000 and self.coefficient > 0 and 0 <= self.begin < 1):
            raise ValueError("count lies in 2 to 10000, coefficient is above 0, and begin lies in [0, 1)")

    def start_epoch(self, ctx: Context) -> None:
        if self._indices or ctx.epoch < self.begin * ctx.recipe.training.epochs:
            return
        known = ctx.truth.known
        if len(known) < self.count:
            raise UserError(
                f"methods.landmarks.count is {self.count:,}, but only {len(known):,} architectures have ground truth."
            )
        drawn = ctx.random(self).choice(known, self.count, replace=False)
        true = ctx.truth.ask(drawn)
        order = np.argsort(true, kind="stable")
        self._indices, self._true = drawn[order].tolist(), true[order].tolist()

    def step_loss(self, ctx: Context, outs: Sequence[Output]) -> Tensor | None:
        if not self._indices:
            return None
        worse, better = sorted(ctx.random(self).choice(len(self._indices), 2, replace=False).tolist())
        if self._true[worse] == self._true[better]:
            return None
        batch = ctx.stream(self.images, self)
        losses = [
            F.cross_entropy(ctx.forward(Path(ctx.space.arch(self._indices[k])), batch).logits, batch.labels)
            for k in (worse, better)
        ]
        return self._factor(ctx) * torch.relu(losses[1] - losses[0])

    def _factor(self, ctx: Context) -> float:
        """Return the factor of the loss at the present step."""
        if self.schedule == "constant":
            return self.coefficient
        first = self.begin * ctx.steps
        share = (ctx.step - first) / max(1.0, ctx.steps - first)
        return self.coefficient * (1 - math.cos(math.pi * share)) / 2

    def state_dict(self) -> dict[str, Any]:
        return {"indices": self._indices, "true": self._true}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._indices, self._true = list(state["indices"]), list(state["true"])
