"""The extension points of the one training loop. A method is a small class with one of these shapes.

The loop asks a Sampler which paths a step trains, a StepRule to turn them into an update, LossTerms for what is
minimised, UpdateTransforms to look at or change gradients and updates, and an ArchUpdater where a distribution over
architectures, an ArchModel, is learned. None of them knows the loop; all they need is in the Context.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.heuristics.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Gate:
    """A decision that executes one option, whose output is multiplied by a weight of value one (GDAS).

    The weights carry gradients: the output is w_i o_i(x) plus all other w_j, which are zero in value, as scalars
    (Dong and Yang, CVPR 2019).
    """

    option: int
    weights: torch.Tensor
    """One at the option, zero elsewhere: (options,)."""

    @property
    def rest(self) -> torch.Tensor:
        """The sum of the other options' weights, a scalar zero."""
        return self.weights.sum() - self.weights[self.option]


Choice = int | torch.Tensor | Gate
"""A decision: the number of an option, weights over all options (a relaxation), or a gate."""
Routing = tuple[Choice, ...]
"""One choice per decision."""


@dataclass(frozen=True)
class Path:
    """One forward pass of a step."""

    routing: Routing | tuple[Routing, ...]
    """One routing for all cells, or one for each."""
    weight: float = 1.0
    """Factor of its loss."""
    role: str = "main"
    """What losses tell paths apart by. A path with the role student learns from the path with the role teacher that
    stands before it in the same step and saw the same images, under any law; paths of other roles from the labels."""


@dataclass
class Context:
    """What a hook may look at and draw from."""

    recipe: Recipe
    space: SearchSpace
    network: torch.nn.Module
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator
    """Seeded anew for every epoch, so that a resumed run draws the same."""
    epoch: int = 0
    step: int = 0
    """Steps taken since the start of training."""
    steps: int = 0
    """Steps of the whole training."""
    images: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    labels: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    other: Iterator[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=lambda: iter(()))
    """Endless batches that a distribution over architectures learns from: images and labels."""

    def logits(self, images: torch.Tensor, routing: Routing | tuple[Routing, ...]) -> torch.Tensor:
        """The network's outputs, (n, classes), in float32 whatever the recipe computes in."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.recipe.training.amp):
            logits: torch.Tensor = self.network(images, routing)
        return logits.float()


class Sampler(Protocol):
    """Which paths train in this step."""

    def plan(self, ctx: Context) -> list[Path]:
        """One path (SPOS), one per operation (FairNAS), a mixture (DARTS), the last path with one change (MAGIC-T)."""
        ...


class LossTerm(Protocol):
    """What a path's outputs are asked for, beside or instead of the labels."""

    def __call__(self, ctx: Context, path: Path, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor | None:
        """The term, a scalar, or None where it does not apply to the path."""
        ...


class NotFinite(ArithmeticError):
    """What a run goes on with is infinite or no number; the text begins a sentence."""


class StepRule(Protocol):
    """How the paths of a step become one update of the weights."""

    def run(self, ctx: Context, plan: Sequence[Path], losses: Sequence[LossTerm]) -> StepResult:
        """Forward, backward and optimiser step."""
        ...


class UpdateTransform(Protocol):
    """Sees, and may change, what happens to the weights. A transform needs to have only one of these methods."""

    def after_path(self, ctx: Context, path: Path) -> None:
        """After one path's backward pass; gradients of the step so far are in place."""

    def before_update(self, ctx: Context) -> None:
        """All gradients are in, before clipping: project, weigh, record."""

    def after_update(self, ctx: Context) -> None:
        """The optimiser has stepped."""


UPDATE_HOOKS = ("after_path", "before_update", "after_update")
"""The methods of an UpdateTransform."""


class ArchModel(Protocol):
    """A distribution over architectures."""

    def sample(self) -> Arch:
        """One architecture, drawn with torch's global generator."""
        ...

    def log_prob(self, arch: Arch) -> torch.Tensor:
        """Log-probability of an architecture, with gradients, a scalar."""
        ...

    def best(self) -> Arch:
        """The architecture that the distribution stands for."""
        ...


class ArchUpdater(Protocol):
    """Learns an ArchModel, in turn with the weights."""

    def step(self, ctx: Context) -> None:
        """Once in every step of the weights."""
        ...

    def end_epoch(self, ctx: Context) -> None:
        """After the last step of an epoch."""
        ...


class Partition(Protocol):
    """Which of several sub-super-nets an architecture belongs to (few-shot NAS)."""

    def part(self, arch: Arch) -> int: ...


@dataclass(frozen=True)
class StepResult:
    """What a step did, kept as tensors so that nothing waits for the device."""

    loss: torch.Tensor
    correct: torch.Tensor
    """Images classified correctly, over all paths."""
    seen: int
    """Images passed forward, over all paths."""
