"""Updates of shared weights that leave the responses of earlier architectures as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Output


@dataclass(eq=False)
class Protection(Method):
    """What di-ws and ogd share: an architecture is protected when another takes its place; updates are projected.

    The change of the weights that the optimiser made is projected, not the gradient, because momentum and weight
    decay would otherwise move the weights in directions that disturb protected architectures. This is our choice.
    """

    _last: list[Any] = field(default_factory=list, init=False)
    _now: dict[Any, None] = field(default_factory=dict, init=False)
    _before: dict[str, Tensor] = field(default_factory=dict, init=False)

    def protect(self, ctx: Context, routing: Any) -> None:
        """Protect an architecture, whose training has just ended, from the updates that follow."""
        raise NotImplementedError

    def projected(self, moves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the allowed part of each change of a weight; weights that may move freely are left out."""
        raise NotImplementedError

    def after_path(self, ctx: Context, out: Output) -> None:
        first = out.path.routing[0]
        if not all(isinstance(choice, int) for choice in (first if isinstance(first, tuple) else out.path.routing)):
            raise UserError(
                "The methods di-ws and ogd protect single architectures, but this recipe trains a mixture of all: "
                "choose a sampling.law that draws architectures, such as uniform."
            )
        self._now[out.path.routing] = None

    def before_update(self, ctx: Context) -> None:
        now = list(self._now)
        self._now.clear()
        if now != self._last:
            for routing in self._last:
                self.protect(ctx, routing)
            self._last = now
        self._before = {name: w.detach().clone() for name, w in ctx.network.named_parameters()}

    def after_update(self, ctx: Context) -> None:
        weights = dict(ctx.network.named_parameters())
        with torch.no_grad():
            moves = self.projected({name: weights[name] - before for name, before in self._before.items()})
            for name, move in moves.items():
                weights[name].copy_(self._before[name] + move)

    def state_dict(self) -> dict[str, Any]:
        return {"last": _lists(self._last)}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._last = [_tuples(routing) for routing in state["last"]]


def _lists(nested: Any) -> Any:
    return [_lists(part) for part in nested] if isinstance(nested, list | tuple) else nested


def _tuples(nested: Any) -> Any:
    return tuple(_tuples(part) for part in nested) if isinstance(nested, list | tuple) else nested
