"""Landmarks: architectures with known accuracies, which the shared weights learn to rank as the ground truth does."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Foreseen, Method, Output, Path
from supernet.heuristics.registry import method

TRIED = 10
"""Number of random architectures that the super-net scores for each landmark that a refresh adds: our choice."""


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

    The paper also adds architectures that the super-net ranks best to the landmarks, and trains again. Here, each
    refresh adds the best of some random architectures, by their loss on one batch, and the training goes on: the
    number of refreshes and of architectures are our choice, and by default there is none.
    """

    count: int = 50
    """Number of landmarks."""
    coefficient: float = 10.0
    """Largest factor of the loss; with 0 the method does nothing, and asks for no ground truth."""
    schedule: Literal["cosine", "constant", "cosine-down", "steps-up", "steps-down", "inverse-rate"] = "cosine"
    """How the factor grows from 0: as a cosine, or at once. cosine-down: it falls to 0 as a cosine. steps-up: it is 0,
    0.01, 0.1 and 1 times the coefficient in the four quarters; steps-down: 1, 0.1, 0.01 and 0.001 times. inverse-rate:
    it grows as the learning rate falls."""
    begin: float = 0.375
    """Share of the epochs after which the loss begins (150 of 400)."""
    images: Literal["valid", "train"] = "valid"
    """The split whose images landmarks are compared on."""
    refreshes: int = 0
    """Number of times that landmarks are added, at equal distances between the beginning of the loss and the end."""
    added: int = 5
    """Number of landmarks that a refresh adds."""
    _indices: list[int] = field(default_factory=list, init=False)
    _true: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (2 <= self.count <= 10_000 and self.coefficient >= 0 and 0 <= self.begin < 1):
            raise ValueError("count lies in 2 to 10000, coefficient is at least 0, and begin lies in [0, 1)")
        if not (0 <= self.refreshes <= 1000 and 1 <= self.added <= 1000):
            raise ValueError("refreshes lies in 0 to 1000, and added in 1 to 1000")

    def foreseen(self, ctx: Context) -> Foreseen:
        """All landmarks, and two passes per step from the beginning of the loss, at most."""
        if self.coefficient == 0:
            return Foreseen()
        tried = self.refreshes * TRIED * self.added / 3  # a forward pass alone costs a third
        per_step = 2 * (1 - self.begin) if self.begin else 0.0  # from the first epoch on, steps show it
        return Foreseen(self.count + self.refreshes * self.added, tried, per_step)

    def start_epoch(self, ctx: Context) -> None:
        first = self.begin * ctx.recipe.training.epochs
        if self.coefficient == 0 or ctx.epoch < first:
            return
        if self._indices:
            gap = (ctx.recipe.training.epochs - first) / (self.refreshes + 1)
            due = [math.ceil(first + number * gap) for number in range(1, self.refreshes + 1)]
            for _ in range(due.count(ctx.epoch)):
                self._ask(ctx, best_of(ctx, self, self._indices, self.added))
            return
        known = ctx.truth.known
        if len(known) < self.count:
            raise UserError(
                f"methods.landmarks.count is {self.count:,}, but only {len(known):,} architectures have ground truth."
            )
        self._ask(ctx, ctx.random(self).choice(known, self.count, replace=False))

    def _ask(self, ctx: Context, drawn: NDArray[np.int64]) -> None:
        """Add landmarks, and keep all in ascending order of their accuracies."""
        indices, true = [*self._indices, *drawn.tolist()], np.append(self._true, ctx.truth.ask(drawn))
        order = np.argsort(true, kind="stable").tolist()
        self._indices, self._true = [indices[k] for k in order], true[order].tolist()

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
        first, t = self.begin * ctx.steps, ctx.recipe.training
        share = (ctx.step - first) / max(1.0, ctx.steps - first)
        if self.schedule == "inverse-rate":
            rate = ctx.optimiser.param_groups[0]["lr"]
            return self.coefficient * (t.learning_rate - rate + t.final_learning_rate) / max(t.learning_rate, 1e-12)
        return self.coefficient * SCHEDULES[self.schedule](share)

    def state_dict(self) -> dict[str, Any]:
        return {"indices": self._indices, "true": self._true}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._indices, self._true = list(state["indices"]), list(state["true"])


SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: (1 - math.cos(math.pi * share)) / 2,
    "cosine-down": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "steps-up": lambda share: (0.0, 0.01, 0.1, 1.0)[min(3, max(0, int(4 * share)))],
    "steps-down": lambda share: (1.0, 0.1, 0.01, 0.001)[min(3, max(0, int(4 * share)))],
}
"""Name of a schedule -> function from the share of the loss's time that is over, in [0, 1), to the share of the
coefficient. The authors' code has them all, with other names."""


def best_of(ctx: Context, asker: Method, without: Sequence[int], count: int) -> NDArray[np.int64]:
    """Return the architectures with the lowest loss on one validation batch among TRIED times as many: up to (count,).

    They are drawn at random from those that have ground truth, which is not asked for here.

    Args:
        asker: the method, whose random numbers and images are used.
        without: indices of architectures that are not drawn.
        count: number of architectures.
    """
    pool = np.setdiff1d(ctx.truth.known, without)
    drawn: NDArray[np.int64] = ctx.random(asker).choice(pool, min(TRIED * count, len(pool)), replace=False)
    batch = ctx.stream("valid", asker)
    ctx.network.eval()
    with torch.no_grad():
        outs = [ctx.forward(Path(ctx.space.arch(index)), batch) for index in drawn.tolist()]
        losses = [float(F.cross_entropy(out.logits, out.labels)) for out in outs]
    ctx.network.train()
    return drawn[np.argsort(losses, kind="stable")[:count]]
