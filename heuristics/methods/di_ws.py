"""DI-WS: shared weights change only orthogonally to what earlier architectures fed into them.

The paper's abstract says that later architectures train in a space orthogonal to earlier ones. The recursion and the
mean patches are those of OWM (Zeng et al., 2019; beijixiong3510/OWM). The parameters, a further forward pass on the
present batch to see the inputs, and the projection of the update are our choices. Biases and batch norm are not
projected, so that they can still change responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

import torch
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Supernet
from supernet.heuristics.methods.projectors import absorb, inputs_of, projected, stacked
from supernet.heuristics.methods.protection import Protection
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("di-ws")
class DisturbanceImmune(Protection):
    """Moves weights orthogonally to what earlier architectures fed into them (DI-WS, Niu et al., Neural Networks 2021).

    Every convolution and linear layer has a projector P, at first I. When an architecture gives way to another, P
    absorbs the mean input patches r of that architecture by recursive least squares, k = P r and
    P <- P - k k^T / (alpha + r^T k), so that P = (I + sum r r^T / alpha)^-1. A change D of the weights (outputs,
    inputs) becomes D P, so that D P r is almost 0: the layer answers protected inputs as before.
    """

    excludes: ClassVar = {
        "k-shot": "di-ws sees what is fed into the modules of one network, while the weights that k-shot mixes are "
        "those of several"
    }

    alpha: float = 1e-3
    """Regularisation: inputs whose squared norm is far above it are protected fully."""
    vectors: int = 1
    """Mean patches per layer and architecture: the batch is split into this many parts, and each has a mean."""
    window: int = 8
    """Number of latest architectures that are protected; 0: all since the last reset."""
    reset: int = 1
    """Number of epochs after which all protection is lifted; 0: never."""
    _projectors: dict[str, Tensor] = field(default_factory=dict, init=False)
    _kept: list[dict[str, Tensor]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and 1 <= self.vectors <= 1000 and 0 <= self.window <= 1000 and self.reset >= 0):
            raise ValueError("alpha is above 0, vectors lies in 1 to 1000, window in 0 to 1000, and reset from 0 on")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        n = ctx.recipe.network
        if n.ofa_kernel != "own" or n.channel_mode != "fixed":
            raise UserError(
                "The method di-ws needs convolutions that always use all of their weights: set "
                "network.ofa_kernel=own and network.channel_mode=fixed."
            )
        return network

    def start_epoch(self, ctx: Context) -> None:
        if self.reset and ctx.epoch % self.reset == 0:
            self._projectors, self._kept = {}, []

    def protect(self, ctx: Context, routing: Any) -> None:
        with torch.no_grad(), inputs_of(ctx.network, self.vectors) as new:
            ctx.forward(Path(routing))
        if self.window:
            self._kept.append(new)
        if self.window and len(self._kept) > self.window:
            self._kept.pop(0)
            self._projectors, new = {}, stacked(self._kept)
        absorb(self._projectors, new, self.alpha)

    def projected(self, moves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return projected(moves, self._projectors)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "projectors": self._projectors, "kept": self._kept}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        super().load_state_dict(state, ctx)
        device = next(ctx.network.parameters()).device
        self._projectors = {name: p.to(device) for name, p in state["projectors"].items()}
        self._kept = [{name: rows.to(device) for name, rows in one.items()} for one in state["kept"]]
