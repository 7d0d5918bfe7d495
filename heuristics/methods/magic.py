"""MAGIC: architectures interfere less if consecutive ones are similar, or if shared operations see similar features.

MAGIC-T makes consecutive architectures similar, MAGIC-A makes features similar (Xu et al., ICML 2022). MAGIC-AT is a
recipe with both methods: `methods: [magic-t, magic-a]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Output
from supernet.heuristics.methods.buffers import scoring
from supernet.heuristics.methods.features import beside, is_discrete
from supernet.heuristics.options import trained_options
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("magic-t")
class MagicT(Method):
    """Trains a chain of architectures, each of which differs from the one before in `changes` decisions (MAGIC-T).

    The decisions and their new options are drawn uniformly, so that in the long run every architecture is equally
    likely. The paper changes one decision per step.
    """

    reads = frozenset({"with_none"})

    changes: int = 1
    """Number of decisions that change from step to step."""
    _last: list[int] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.changes < 1:
            raise ValueError("changes must be at least 1")

    def plan(self, ctx: Context) -> list[Path]:
        options = trained_options(ctx)
        if self.changes > len(options):
            raise UserError(
                f"methods.magic-t.changes is {self.changes:,}, but an architecture of {ctx.space.name} has only "
                f"{len(options)} decisions."
            )
        rng, last = ctx.random(self), self._last
        if last is None:
            self._last = [int(rng.choice(choices)) for choices in options]
        else:
            for number in rng.choice(len(options), size=self.changes, replace=False).tolist():
                last[number] = int(rng.choice([o for o in options[number] if o != last[number]]))
        assert self._last is not None
        return [Path(tuple(self._last))]

    def state_dict(self) -> dict[str, Any]:
        return {"last": self._last}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._last = None if state["last"] is None else list(state["last"])


@method("magic-a")
class MagicA(Method):
    """Aligns the features of every architecture with those of a good one, the anchor (MAGIC-A, Xu et al., ICML 2022).

    The loss of a path grows by weight * mean over cells of |h - h*|^2, where h and h* are the outputs of a cell under
    the path and under the anchor, on the same images. Each channel is normalised over the batch, and the square is
    averaged over all values. The anchor gets no gradient.

    The paper makes inputs and outputs of shared operations similar to those of a well-performing anchor. We know
    neither its weight nor its exact loss, and found no released code. Aligning the outputs of cells, which are the
    inputs of the next ones, and the defaults are our choice. So is the choice of anchor: the first anchor is the first
    architecture that is trained. At the end of an epoch, the latest architectures that were trained are compared with
    it on one batch of validation images, and the one with the lowest loss becomes the anchor.
    """

    captures = True

    weight: float = 0.5
    """Factor of the alignment in the loss of a path."""
    candidates: int = 10
    """Number of the latest architectures that are compared with the anchor after each epoch."""
    _anchor: Any = field(default=None, init=False)
    _recent: list[Any] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (self.weight > 0 and 1 <= self.candidates <= 1000):
            raise ValueError("weight must be above 0, and candidates must lie in 1 to 1000")

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        routing = out.path.routing
        if is_discrete(routing):
            self._recent = [*(r for r in self._recent if r != routing), routing][-self.candidates :]
            if self._anchor in (None, routing):
                self._anchor = routing
                return None
        if self._anchor is None:
            return None
        pairs = beside(ctx, out, self._anchor)
        return self.weight * torch.stack([F.mse_loss(_normalised(a), _normalised(b)) for a, b in pairs]).mean()

    def end_epoch(self, ctx: Context) -> None:
        if self._anchor is None:
            return
        rivals = [self._anchor, *(r for r in self._recent if r != self._anchor)]
        batch = ctx.stream("valid", self)
        with torch.no_grad(), scoring(ctx.network):
            losses = [F.cross_entropy(ctx.forward(Path(r), batch).logits, batch.labels) for r in rivals]
        self._anchor, self._recent = rivals[int(torch.stack(losses).argmin())], []

    def state_dict(self) -> dict[str, Any]:
        return {"anchor": self._anchor}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._anchor = state["anchor"]


def _normalised(features: Tensor) -> Tensor:
    """Return features (n, channels, height, width) with mean 0 and variance 1 in each channel."""
    return F.batch_norm(features.float(), None, None, training=True)
