"""Landmarks: architectures with known accuracies, which the shared weights learn to rank as the ground truth does.

The batch on which two landmarks are compared has validation images by default, as in the authors' code
(kcyu2014/nas-landmarkreg). The other defaults are also those of that code where they do not depend on the length of
training. In two points the method differs from the code: there, the schedule ends at 0.69 of the coefficient, and good
landmarks are drawn more often. The paper also adds architectures that the super-net ranks best to the landmarks, and
trains again. Here, each refresh adds the best of some random architectures, by their loss on one batch, and the
training goes on: the number of refreshes and of architectures are our choice, and by default there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context, Foreseen, Method, Output, Truth
from supernet.heuristics.methods.buffers import scoring
from supernet.heuristics.methods.schedules import first_epoch, scheduled
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path

TRIED = 10
"""Number of random architectures that the super-net scores for each landmark that a refresh adds: our choice."""


@dataclass
class Ranked:
    """Architectures with known accuracies, in ascending order of these."""

    indices: list[int] = field(default_factory=list)
    """Their indices in the space."""
    true: list[float] = field(default_factory=list)
    """Their accuracies in percent."""

    def ask(self, truth: Truth, drawn: NDArray[np.int64]) -> None:
        """Add architectures, given by their indices (n,), with their ground truth, which is charged."""
        indices, true = [*self.indices, *drawn.tolist()], np.append(self.true, truth.ask(drawn))
        order = np.argsort(true, kind="stable").tolist()
        self.indices, self.true = [indices[k] for k in order], true[order].tolist()

    def pair(self, rng: np.random.Generator) -> tuple[int, int] | None:
        """Draw two architectures: the indices of the worse and the better one; None if they are equally good."""
        worse, better = sorted(rng.choice(len(self.indices), 2, replace=False).tolist())
        return (self.indices[worse], self.indices[better]) if self.true[worse] != self.true[better] else None


@method("landmarks")
class Landmarks(Method):
    """Adds a loss where shared weights rank two landmarks in the wrong order (Yu, Ranftl and Salzmann, CVPR 2021).

    Landmarks are drawn at random when the loss begins; their ground truth is charged, and rankings leave them out.
    Every step draws one pair and adds coefficient * relu(L(better) - L(worse)), where L is the cross-entropy on one
    batch. The coefficient grows as a cosine from the beginning of the loss to the end of training.
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
    _known: Ranked = field(default_factory=Ranked, init=False)

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
        epochs = ctx.recipe.training.epochs
        first = first_epoch(self.begin, epochs)
        if self.coefficient == 0 or ctx.epoch < first:
            return
        if not self._known.indices:
            self._known.ask(ctx.truth, drawn_from(ctx, self, self.count))
        due = [first + number * (epochs - first) // (self.refreshes + 1) for number in range(1, self.refreshes + 1)]
        for _ in range(due.count(ctx.epoch)):
            self._known.ask(ctx.truth, best_of(ctx, self, self._known.indices, self.added))

    def step_loss(self, ctx: Context, outs: Sequence[Output]) -> Tensor | None:
        pair = self._known.pair(ctx.random(self)) if self._known.indices else None
        if pair is None:
            return None
        batch = ctx.stream(self.images, self)
        worse, better = (loss_of(ctx, index, batch) for index in pair)
        return scheduled(ctx, self.coefficient, self.schedule, self.begin) * torch.relu(better - worse)

    def state_dict(self) -> dict[str, Any]:
        return {"indices": self._known.indices, "true": self._known.true}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._known = Ranked(list(state["indices"]), list(state["true"]))


def loss_of(ctx: Context, index: int, batch: Batch) -> Tensor:
    """Return the cross-entropy of an architecture, given by its index, on a batch: a scalar."""
    return F.cross_entropy(ctx.forward(Path(ctx.space.arch(index)), batch).logits, batch.labels)


def drawn_from(ctx: Context, asker: Method, count: int) -> NDArray[np.int64]:
    """Draw architectures that have ground truth: (count,).

    Raises:
        UserError: there are fewer of them.
    """
    known = ctx.truth.known
    if len(known) < count:
        raise UserError(
            f"methods.landmarks.count is {count:,}, but only {len(known):,} architectures have ground truth that can "
            "be asked for. Set fewer. In a search under a budget in seconds, those without a training time do not "
            "count; under one in path passes (p), they do."
        )
    return ctx.random(asker).choice(known, count, replace=False)


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
    with torch.no_grad(), scoring(ctx.network):
        losses = [float(loss_of(ctx, index, batch)) for index in drawn.tolist()]
    return drawn[np.argsort(losses, kind="stable")[:count]]
