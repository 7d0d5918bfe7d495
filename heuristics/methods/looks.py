"""What an architecture does to the operations of a super-net: their inputs, and the gradients of a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context
from supernet.heuristics.routes import Path

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


@torch.no_grad()
def loss_of(ctx: Context, arch: Arch, batch: Batch) -> float:
    """Return the cross-entropy of an architecture on a batch, in nats."""
    return float(F.cross_entropy(ctx.forward(Path(arch), batch).logits, batch.labels))


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
