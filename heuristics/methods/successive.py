"""How each training step disturbs the architecture of the step before: a measurement along the way of training."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context, Output
from supernet.heuristics.measuring import Measure, measuring
from supernet.heuristics.methods.interference import cosine
from supernet.heuristics.methods.looks import looks, loss_of
from supernet.heuristics.registry import method


@method("successive")
class Successive(Measure):
    """Measures how a step of training disturbs the architecture of the step before (Xu et al., ICML 2022).

    The methods interference and disturbance look at the same pairs of architectures whatever is trained. Remedies such
    as magic-t and di-ws act on the architectures that follow each other in training, and on the update that the
    optimiser makes of a gradient. This measure sees both: there is one row for each step of the measured epochs, with
    `first`, the last architecture of the step before, `second`, the first one of this step, their distance, and

    `cosine`: the mean cosine, over operations that both use at the same place, of the gradients that the two give the
    weights of the operation on the same training images; empty where they share none;
    `loss`, `change`: the validation loss of the first before the step, and its change by the step as it was taken, with
    momentum, weight decay, clipping and projections. Both are in nats; a positive change is a disturbance.

    From the paper: the cosine of gradients of architectures that are trained in turn. The change by the step itself,
    and everything about images, is our choice. `pairs` has no effect.
    """

    _last: Arch | None = field(default=None, init=False)
    _now: list[Arch] = field(default_factory=list, init=False)
    _row: dict[str, Any] | None = field(default=None, init=False)
    _found: list[dict[str, Any]] = field(default_factory=list, init=False)

    def start_epoch(self, ctx: Context) -> None:
        super().start_epoch(ctx)
        self._last, self._found = None, []

    def after_path(self, ctx: Context, out: Output) -> None:
        arch = tuple(choice for choice in out.path.routing if isinstance(choice, int))
        if len(arch) < len(out.path.routing):
            raise UserError(
                "The method successive compares single architectures: choose a sampling.law that draws them, such as "
                "uniform, and leave sampling.per_cell at false."
            )
        self._now.append(arch)

    def before_update(self, ctx: Context) -> None:
        if self._last is not None and self.due(ctx):
            with measuring(ctx):
                self._row = self._compared(ctx, self._last, self._now[0])

    def after_update(self, ctx: Context) -> None:
        if self._row is not None:
            assert self._last is not None
            with measuring(ctx):
                self._found.append(
                    {**self._row, "change": loss_of(ctx, self._last, self.batch("valid")) - self._row["loss"]}
                )
        self._last, self._now, self._row = self._now[-1], [], None

    def measure(self, ctx: Context) -> list[dict[str, Any]]:
        return self._found

    def _compared(self, ctx: Context, first: Arch, second: Arch) -> dict[str, Any]:
        """The columns of a row, but for the change."""
        shared = {d: a for d, (a, b) in enumerate(zip(first, second, strict=True)) if a == b}
        one, other = (looks(ctx, arch, shared, self.batch("train")) for arch in (first, second))
        cosines = [cosine(one[place].gradient, other[place].gradient) for place in one.keys() & other.keys()]
        known = [value for value in cosines if value is not None]
        differing = [d for d in range(len(first)) if d not in shared]
        return {
            "first": ctx.space.string(first),
            "second": ctx.space.string(second),
            "distance": len(differing),
            "parents": len(set(differing) - set(ctx.space.operations)),
            "cosine": float(np.mean(known)) if known else None,
            "loss": loss_of(ctx, first, self.batch("valid")),
        }
