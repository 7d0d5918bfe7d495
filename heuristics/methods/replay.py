"""Replay: earlier architectures are trained along, so that new ones do not make the weights forget them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import numpy as np

from supernet.heuristics.hooks import Context, Method, Path
from supernet.heuristics.registry import method


@method("replay")
class Replay(Method):
    """Every step trains a random architecture and two of an archive of diverse ones (NSAS, Zhang et al., CVPR 2020).

    The loss is (1 - weight) CE(a) + weight (CE(r) + CE(f)) / 2 with a random member r of the archive and the member f
    farthest from a. A new architecture takes the place of the member nearest to it if the sum of all distances in the
    archive grows by that. Distances count decisions that differ. The weights are those of the authors' notebooks for
    NAS-Bench-201 (MiaoZhang0525/NSAS_FOR_CVPR); the size of the archive is our choice.
    """

    weight: float = 0.8
    """Share of the archive in the loss."""
    archive: int = 8
    """Architectures that are kept."""
    _members: list[list[int]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (0 < self.weight < 1 and 1 <= self.archive <= 1000):
            raise ValueError("weight lies in (0, 1), archive in 1 to 1000")

    def plan(self, ctx: Context) -> list[Path]:
        rng = ctx.random(self)
        new = rng.integers(ctx.space.cardinalities)
        if not self._members:
            self._members.append(new.tolist())
            return [Path(tuple(new.tolist()))]
        members = np.array(self._members)
        far = members[ctx.space.distance(members, new).argmax()]
        drawn = members[rng.integers(len(members))]
        weights = (1 - self.weight, self.weight / 2, self.weight / 2)
        # The step rule divides a mean over paths by their number.
        scale = len(weights) if ctx.recipe.sampling.reduce == "mean" else 1
        self._learn(ctx, new)
        archs = (new, drawn, far)
        return [Path(tuple(arch.tolist()), scale * w) for arch, w in zip(archs, weights, strict=True)]

    def _learn(self, ctx: Context, new: np.ndarray) -> None:
        """Take an architecture into the archive if that becomes more diverse by it."""
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
