"""How architectures of a super-net disturb each other: two measurements that leave training as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context, Path
from supernet.heuristics.measuring import Measure, pairs_of
from supernet.heuristics.registry import method

Place = tuple[int, int]
"""The number of a cell and that of a decision."""


@dataclass(frozen=True, eq=False)
class Look:
    """What an architecture does to an operation of one cell on one batch."""

    gradient: Tensor
    """Gradient of the loss for all weights of the operation: (weights,)."""
    inputs: Tensor
    """Input of the operation: (n, channels, height, width)."""
    output_gradients: Tensor
    """Gradient of the loss for its output: (n, channels, height, width)."""


@method("interference")
class Interference(Measure):
    """Measures how similar the gradients are that two architectures give a shared operation (Xu et al., ICML 2022).

    Pairs of architectures have an operation in common and differ in 1, 2, ... other decisions (`measuring.pairs_of`).
    Both are passed forward and backward on the same training images, with cross-entropy as the loss. There is one row
    for each pair, each cell, and each operation with weights that both have at the same place and use. Its columns are
    the pair, first, second and distance, the cell (from 1, in the order of the network), the decision and the
    operation, and three cosines, each between -1 and 1, of all values at once: `cosine` of the gradients of the
    weights, `inputs` of the inputs of the operation, and `output_gradients` of the gradients of its output. A cosine is
    empty where it is not defined: for a gradient of zero, or tensors of different widths.

    From the paper: the cosine of the gradients, and the question whether it falls with the number of differing
    operations and rises with the similarity of inputs and outputs. Our choice: the pairs, and everything about images.
    """

    splits = ("train",)

    def start_epoch(self, ctx: Context) -> None:
        super().start_epoch(ctx)
        options = (
            (decision, option) for decision in ctx.space.operations for option in range(ctx.space.options[decision])
        )
        if not any(ctx.network.operations_of(*one) for one in options):
            raise UserError(
                "methods.interference finds no operation to compare: the super-net of this recipe does not name the "
                "modules of its operations (Supernet.operations_of). Leave out this method, or the one that changes "
                "the network."
            )

    def measure(self, ctx: Context) -> list[dict[str, Any]]:
        rows = []
        for pair in pairs_of(ctx, self.pairs):
            shared = {d: a for d, (a, b) in enumerate(zip(pair.first, pair.second, strict=True)) if a == b}
            first, second = (looks(ctx, arch, shared, self.batch("train")) for arch in (pair.first, pair.second))
            for cell, decision in sorted(first.keys() & second.keys()):
                about = ctx.space.decisions[decision]
                place = {"cell": cell + 1, "decision": about.name, "operation": about.options[shared[decision]]}
                rows.append(
                    {**pair.columns(ctx.space), **place, **_cosines(first[cell, decision], second[cell, decision])}
                )
        return rows


@method("disturbance")
class Disturbance(Measure):
    """Measures how a training step of one architecture changes the validation loss of another (Niu et al., 2020).

    For the pairs of the method interference, there is one row with the pair, first, second and distance, the `loss` of
    the first architecture, and its `change`: L_valid(first; w - rate * g) - L_valid(first; w), where g is the gradient
    of the training loss of the second architecture, clipped as in the recipe. A positive change is a disturbance.

    From the paper: the notion that training later architectures changes the performance of earlier ones. Our choice:
    a single step of gradient descent without momentum and weight decay, the loss in place of the accuracy, the pairs
    and the images.
    """

    rate: float | None = None
    """Learning rate of the step; by default that of the last step of training, which schedules lower."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate is not None and not 0 < self.rate <= 100:
            raise ValueError("rate must lie in (0, 100]")

    def measure(self, ctx: Context) -> list[dict[str, Any]]:
        rate = ctx.optimiser.param_groups[0]["lr"] if self.rate is None else self.rate
        weights: list[Tensor] = list(ctx.network.parameters())
        kept = [w.detach().clone() for w in weights]
        rows = []
        for pair in pairs_of(ctx, self.pairs):
            before = self._loss(ctx, pair.first)
            self._descend(ctx, pair.second, rate)
            change = self._loss(ctx, pair.first) - before
            with torch.no_grad():
                torch._foreach_copy_(weights, kept)
            rows.append({**pair.columns(ctx.space), "rate": rate, "loss": before, "change": change})
        return rows

    @torch.no_grad()
    def _loss(self, ctx: Context, arch: Arch) -> float:
        batch = self.batch("valid")
        return float(F.cross_entropy(ctx.forward(Path(arch), batch).logits, batch.labels))

    def _descend(self, ctx: Context, arch: Arch, rate: float) -> None:
        """Take a step of gradient descent on the training loss of an architecture."""
        batch, training = self.batch("train"), ctx.recipe.training
        ctx.network.zero_grad()
        logits = ctx.forward(Path(arch), batch).logits
        F.cross_entropy(logits, batch.labels, label_smoothing=training.label_smoothing).backward()
        if training.clip is not None:
            torch.nn.utils.clip_grad_norm_(ctx.network.parameters(), training.clip)
        with torch.no_grad():
            for w in ctx.network.parameters():
                if w.grad is not None:
                    w.sub_(w.grad, alpha=rate)


def looks(ctx: Context, arch: Arch, shared: Mapping[int, int], batch: Batch) -> dict[Place, Look]:
    """Pass an architecture forward and backward, and look at the operations that it shares with another one.

    Args:
        shared: decision -> option that both architectures have.

    Returns:
        Place -> look, for each operation with weights that the architecture uses. Where a cell shares the weights of
        an operation among several places, only the first of these is listed.
    """
    seen: dict[Place, tuple[Tensor, Tensor]] = {}
    modules = _modules(ctx, shared)

    def keep(place: Place, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.setdefault(place, (inputs[0].detach(), output))
        return output.clone()  # the network may go on in place

    handles = [m.register_forward_hook(partial(keep, place)) for place, found in modules.items() for m in found]
    try:
        logits = ctx.forward(Path(arch), batch).logits
    finally:
        for handle in handles:
            handle.remove()
    places = list(seen)
    if not places:
        return {}
    weights: list[list[Tensor]] = [[p for m in modules[place] for p in m.parameters()] for place in places]
    flat = [p for found in weights for p in found]
    loss = F.cross_entropy(logits, batch.labels)
    found = iter(torch.autograd.grad(loss, [seen[p][1] for p in places] + flat, allow_unused=True))
    outputs = [_filled(next(found), seen[place][1]) for place in places]
    gradients = [torch.cat([_filled(next(found), w).flatten() for w in own]) for own in weights]
    return {
        place: Look(gradient, seen[place][0], output)
        for place, gradient, output in zip(places, gradients, outputs, strict=True)
    }


def _modules(ctx: Context, shared: Mapping[int, int]) -> dict[Place, list[nn.Module]]:
    """Return place -> the modules that may compute the shared operation there, each module once."""
    found: dict[Place, list[nn.Module]] = {}
    claimed: set[int] = set()
    for decision, option in shared.items():
        for cell, modules in enumerate(ctx.network.operations_of(decision, option)):
            with_weights = [m for m in modules if id(m) not in claimed and any(True for _ in m.parameters())]
            claimed |= {id(m) for m in with_weights}
            if with_weights:
                found[cell, decision] = with_weights
    return found


def _filled(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient


def _cosines(one: Look, other: Look) -> dict[str, float | None]:
    """Return the columns `cosine`, `inputs` and `output_gradients` of a row."""
    return {
        "cosine": cosine(one.gradient, other.gradient),
        "inputs": cosine(one.inputs, other.inputs),
        "output_gradients": cosine(one.output_gradients, other.output_gradients),
    }


def cosine(a: Tensor, b: Tensor) -> float | None:
    """Return the cosine of two tensors as vectors; None where there is none: for a length of 0, or for two shapes."""
    if a.shape != b.shape:
        return None
    a, b = a.double().flatten(), b.double().flatten()
    lengths = float(a.norm() * b.norm())
    return float(a @ b) / lengths if lengths > 0 else None
