"""OGD: shared weights change only orthogonally to gradients of earlier architectures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import torch
from torch import Tensor

from supernet.heuristics.hooks import Context
from supernet.heuristics.methods.projectors import orthonormal
from supernet.heuristics.methods.protection import Protection
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("ogd")
class OrthogonalGradient(Protection):
    """Moves weights orthogonally to gradients of earlier architectures (OGD, Farajtabar et al., AISTATS 2020).

    When an architecture gives way to another, the gradient of its mean logit of the true class, on the present batch,
    enters a memory. The component of every update in the span of the memory is removed, so that to first order the
    mean logit of protected architectures does not change. The paper projects gradients of later tasks in this way,
    with a memory of several images per task; one gradient per architecture, the bounded memory, and the projection of
    the update are our choices.
    """

    memory: int = 8
    """Number of gradients that are kept, the latest ones; each has the size of the network."""
    _gradients: list[Tensor] = field(default_factory=list, init=False)
    _basis: list[Tensor] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.memory <= 100:
            raise ValueError("memory lies in 1 to 100")

    def protect(self, ctx: Context, routing: Any) -> None:
        out = ctx.forward(Path(routing))
        score = out.logits.gather(1, out.labels[:, None]).mean()
        found = torch.autograd.grad(score, list(ctx.network.parameters()), allow_unused=True, materialize_grads=True)
        gradient = torch.cat([g.flatten() for g in found])
        kept = [g for g in self._gradients if g.shape == gradient.shape]  # the network may have been rebuilt
        self._gradients = [*kept, gradient][-self.memory :]
        self._basis = orthonormal(self._gradients)

    def projected(self, moves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        whole = torch.cat([move.flatten() for move in moves.values()])
        basis = [direction for direction in self._basis if direction.shape == whole.shape]
        if not basis:
            return {}
        for direction in basis:
            whole = whole - (whole @ direction) * direction
        parts = whole.split([move.numel() for move in moves.values()])
        return {name: part.view(moves[name].shape) for name, part in zip(moves, parts, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "gradients": self._gradients}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        super().load_state_dict(state, ctx)
        device = next(ctx.network.parameters()).device
        self._gradients = [gradient.to(device) for gradient in state["gradients"]]
        self._basis = orthonormal(self._gradients)
