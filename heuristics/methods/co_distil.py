"""Co-distillation by blocks: the cells of every architecture imitate those of the largest one."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context, Foreseen, Method, Output
from supernet.heuristics.methods.features import beside, is_discrete
from supernet.heuristics.methods.samplers import passes_per_step
from supernet.heuristics.methods.schedules import scheduled
from supernet.heuristics.methods.sizes import largest
from supernet.heuristics.registry import method


@method("co-distil")
class CoDistillation(Method):
    """Adds the distance of every cell's output to that of the largest architecture (after DNA, Li et al., CVPR 2020).

    The loss of a path grows by c * mean over cells of the mean squared difference of h and h*, where h and h* are the
    outputs of a cell under the path and under the largest architecture of the space, on the same images. The largest
    architecture gets no gradient from this term.

    From the paper: each block of a super-net learns the features of a teacher by the mean squared difference. There,
    the teacher is a trained network, and blocks are trained separately, each from the teacher's features. Here, the
    teacher is the largest architecture of the super-net itself, which trains at the same time, as in BigNAS (Yu et al.,
    ECCV 2020), and the network is trained as a whole, with the labels. This and all defaults are our choice.
    """

    captures = True

    weight: float = 0.1
    """Largest factor c of the loss; with 0 the method does nothing."""
    schedule: Literal["constant", "cosine", "cosine-down", "steps-up", "steps-down"] = "constant"
    """How the factor changes after the loss begins; see the method landmarks."""
    begin: float = 0.0
    """Share of the training after which the loss begins."""
    _teacher: Arch | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if not (0 <= self.weight <= 1e6 and 0 <= self.begin < 1):
            raise ValueError("weight must lie in 0 to 1000000, and begin in [0, 1)")

    def foreseen(self, ctx: Context) -> Foreseen:
        """A forward pass of the teacher beside every path from the beginning of the loss, at most.

        For a method that plans, one path per step is assumed.
        """
        if self.weight == 0 or self.begin == 0:  # steps show it from the first one on
            return Foreseen()
        return Foreseen(per_step=(1 - self.begin) * passes_per_step(ctx) / 3)  # a forward pass alone costs a third

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        if self.weight == 0 or ctx.step < self.begin * ctx.steps:
            return None
        self._teacher = self._teacher or largest(ctx)
        if is_discrete(out.path.routing) and out.path.routing == self._teacher:
            return None
        distances = torch.stack([F.mse_loss(own, taught) for own, taught in beside(ctx, out, self._teacher)])
        return scheduled(ctx, self.weight, self.schedule, self.begin) * distances.mean()
