"""DYNAS: training depends on the size of the architecture that a step trains.

The paper's abstract describes a decay by complexity and a momentum for each group of similar architectures. The
formula, the exponents and the grouping by one randomly drawn operation are those of the released code
(cvlab-yonsei/DYNAS) for a single uniform path; its variant for several paths per step is not part of this method. We
count weights as for ten classes, and estimate the range of C from a sample; `live` is our addition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

import torch
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context, Method, Output, Supernet
from supernet.heuristics.methods.paths import arch_of, planner_of
from supernet.heuristics.methods.sizes import size_range, sizes
from supernet.heuristics.registry import entry, method


@method("dynas")
class Dynas(Method):
    """Slows the decay of the learning rate for large architectures, and separates momentum (Jeon et al., CVPR 2025).

    An architecture of C weights is trained at the rate r (1 - t/T)^g at step t of T, where r is the recipe's rate and
    g falls linearly in log C from `exponent` for the smallest architecture to 1 / `exponent` for the largest. The
    optimiser keeps one momentum buffer per option of one operation, and a step uses that of its architecture.
    """

    exponent: float = 4.0
    """Exponent of the decay for the smallest architecture, at least 1; that of the largest is its inverse."""
    separate: bool = True
    """Whether every group of architectures has momentum of its own."""
    live: bool = False
    """Whether only the weights count that the output depends on."""
    _decision: int | None = field(default=None, init=False)
    _buffers: dict[int, list[Tensor]] = field(default_factory=dict, init=False)
    _range: tuple[float, float] | None = field(default=None, init=False)
    _archs: list[Arch] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.exponent <= 100:
            raise ValueError("exponent lies in 1 to 100")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        check_steps(ctx)
        return network

    def after_path(self, ctx: Context, out: Output) -> None:
        self._archs.append(arch_of(out.path, "dynas"))

    def before_update(self, ctx: Context) -> None:
        arch, self._archs = the_only(ctx, self._archs), []
        self._range = self._range or size_range(ctx, self.live)
        exponent = exponent_of(float(sizes(ctx, [arch], self.live)[0]), *self._range, self.exponent)
        for group in ctx.optimiser.param_groups:
            group["lr"] *= (1 - ctx.step / ctx.steps) ** exponent
        if self.separate and ctx.recipe.training.momentum:
            if self._decision is None:
                self._decision = int(ctx.random(self).choice(ctx.space.operations))
            use_momentum(ctx, self._buffers, arch[self._decision])

    def state_dict(self) -> dict[str, Any]:
        return {"decision": self._decision, "buffers": self._buffers}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._decision = state["decision"]
        device = next(ctx.network.parameters()).device
        # A method that splits the network may do so after this; `use_momentum` starts buffers that do not fit at 0.
        self._buffers = {int(group): [b.to(device) for b in buffers] for group, buffers in state["buffers"].items()}


def check_steps(ctx: Context) -> None:
    """Refuse recipes whose learning rate changes by itself, or that turn paths into an update in another way.

    Raises:
        UserError: the recipe is one of these.
    """
    if ctx.recipe.training.schedule != "constant":
        raise UserError(
            "The method dynas has a schedule of the learning rate of its own: set training.schedule=constant."
        )
    for chosen in ctx.recipe.methods:
        if entry(chosen.name).has("take_step"):
            raise UserError(
                f"The method dynas cannot be combined with {chosen.name}, which takes several steps for one update: "
                "leave one of them out."
            )


def the_only(ctx: Context, archs: Sequence[Arch]) -> Arch:
    """Return the one architecture of a step.

    Raises:
        UserError: there are several.
    """
    if len(archs) > 1:
        needs, planner = f"The method dynas needs one path per step, not {len(archs)}", planner_of(ctx)
        if planner is not None:
            raise UserError(f"{needs} as {planner} plans: leave one of these methods out.")
        raise UserError(f"{needs}: set sampling.law=uniform and sampling.paths=1.")
    return archs[0]


def use_momentum(ctx: Context, buffers: dict[int, list[Tensor]], group: int) -> None:
    """Give the optimiser the momentum of a group of architectures, which is 0 at first.

    Args:
        buffers: group -> a buffer for each weight of the network.
    """
    weights = list(ctx.network.parameters())
    if [b.shape for b in buffers.get(group, [])] != [w.shape for w in weights]:  # none yet, or another network
        buffers[group] = [torch.zeros_like(w) for w in weights]
    for weight, buffer in zip(weights, buffers[group], strict=True):
        ctx.optimiser.state[weight]["momentum_buffer"] = buffer


def exponent_of(size: float, smallest: float, largest: float, most: float) -> float:
    """Return the exponent of the decay: `most` for the smallest size, 1 / most for the largest, linear in log(size)."""
    if largest <= smallest:
        return 1.0
    place = (math.log(max(size, smallest)) - math.log(smallest)) / (math.log(largest) - math.log(smallest))
    return most + (1 / most - most) * min(1.0, place)
