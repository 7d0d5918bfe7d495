"""Replay: earlier architectures are trained again, so that the weights do not forget them while they learn new ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import numpy as np

from supernet.heuristics.hooks import Context, Method
from supernet.heuristics.methods.archives import shared_loss
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path


@method("replay")
class Replay(Method):
    """Trains a random architecture and two of a diverse archive in every step, after NSAS (Zhang et al., CVPR 2020).

    With a the random architecture, r a random member of the archive and f the member farthest from a, the loss is
    (1 - weight) CE(a) + weight (CE(r) + CE(f)) / 2. Then a takes the place of the member nearest to it if the sum of
    all distances in the archive grows. The distance of two architectures is the number of decisions in which they
    differ. The paper trains all members in every step, and replaces a member by the most novel of the latest
    architectures: the method `nsas` does that. The weights are those of the authors' notebooks for NAS-Bench-201
    (MiaoZhang0525/NSAS_FOR_CVPR), which keep no archive: they train a, a second random architecture, and a third one
    that differs from the second in every decision. The size of the archive is our choice.
    """

    weight: float = 0.8
    """Share of the archive in the loss."""
    archive: int = 8
    """Number of architectures in the archive."""
    _members: list[list[int]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (0 < self.weight < 1 and 1 <= self.archive <= 1000):
            raise ValueError("weight must lie in (0, 1), and archive in 1 to 1000")

    def plan(self, ctx: Context) -> list[Path]:
        rng = ctx.random(self)
        new = rng.integers(ctx.space.cardinalities)
        if not self._members:
            self._members.append(new.tolist())
            return [Path(tuple(new.tolist()))]
        members = np.array(self._members)
        far = members[ctx.space.distance(members, new).argmax()]
        drawn = members[rng.integers(len(members))]
        self._learn(ctx, new)
        archs = [arch.tolist() for arch in (new, drawn, far)]
        return shared_loss(ctx, archs, [1 - self.weight, self.weight / 2, self.weight / 2])

    def _learn(self, ctx: Context, new: np.ndarray) -> None:
        """Add an architecture to the archive if this makes the archive more diverse."""
        members = np.array(self._members)
        to_new = ctx.space.distance(members, new)
        if to_new.min() == 0:
            return
        if len(members) < self.archive:
            self._members.append(new.tolist())
            return
        nearest = int(to_new.argmin())
        before = ctx.space.distance(members, members[nearest]).sum()
        if to_new.sum() - to_new[nearest] > before:
            self._members[nearest] = new.tolist()

    def state_dict(self) -> dict[str, Any]:
        return {"members": [list(arch) for arch in self._members]}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._members = [list(arch) for arch in state["members"]]
