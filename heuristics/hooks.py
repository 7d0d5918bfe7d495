"""The extension points of the one training loop. A method is a small class with one of these shapes.

The loop asks a Sampler which paths a step trains, a StepRule to turn them into an update, LossTerms for what is
minimised, UpdateTransforms to look at or change gradients and updates, and ArchUpdaters where a distribution over
architectures is learned. None of them knows the loop; all they need is in the Context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from benchmarks.spaces import Arch, SearchSpace
from heuristics.recipe import Recipe

Choice = int | torch.Tensor
"""A decision: the number of an option, or weights over all options (a relaxation)."""
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
    """What losses tell paths apart by: main, teacher, student, …"""


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


class StepRule(Protocol):
    """How the paths of a step become one update of the weights."""

    def run(self, ctx: Context, plan: Sequence[Path], losses: Sequence[LossTerm]) -> StepResult:
        """Forward, backward and optimiser step."""
        ...


class UpdateTransform(Protocol):
    """Sees, and may change, what happens to the weights; any of the three may do nothing."""

    def after_path(self, ctx: Context, path: Path) -> None:
        """After one path's backward pass; gradients of the step so far are in place."""

    def before_update(self, ctx: Context) -> None:
        """All gradients are in, before clipping: project, weigh, record."""

    def after_update(self, ctx: Context) -> None:
        """The optimiser has stepped."""


class ArchModel(Protocol):
    """A distribution over architectures, or the weights of a mixture."""

    def parameters(self) -> list[torch.Tensor]: ...

    def sample(self, ctx: Context) -> Routing: ...

    def best(self) -> Arch: ...


class ArchUpdater(Protocol):
    """Learns an ArchModel, in turn with the weights."""

    def step(self, ctx: Context) -> None: ...


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
