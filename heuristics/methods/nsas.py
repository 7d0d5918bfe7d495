"""NSAS: every step also trains an archive of architectures that are as different from each other as possible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from supernet.heuristics.hooks import Context, Foreseen, Method
from supernet.heuristics.methods.archives import novelty, random_arch, shared_loss
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path

DRAWS = 10
"""Architectures from which each of the first members is chosen, as in the authors' code."""
MEASURED = (2, 3, 4)
"""Numbers of the steps, from 1, by whose cost a search plans on a CPU (`harness.training.trial`). Step k trains k
members as long as the archive is not full. On a GPU the steps are later ones, which show more."""


@method("nsas")
class NSAS(Method):
    """Trains a random architecture and all members of an archive in every step (NSAS, Zhang et al., CVPR 2020).

    With a the random architecture and a_1 ... a_M the archive, the loss is (1 - weight) CE(a) + weight/M sum_i CE(a_i).
    The novelty of an architecture is its mean distance to the nearest members, where the distance is the number of
    differing decisions. Until the archive is full, each step adds the most novel of ten random architectures. Later,
    the member nearest to a is replaced by the most novel of the latest random architectures, if that one is more novel
    with respect to the other members.

    From the paper: the loss and the greedy search for novelty. From the authors' code for DARTS cells
    (MiaoZhang0525/NSAS_FOR_CVPR): all defaults and the ten first draws. In that code, the losses of the archive carry
    no gradient; here they do, as in the paper. Its distance ignores the order of a node's two inputs, which these
    spaces do not have. The method `replay` is cheaper: three paths per step, whatever the size of its archive.
    """

    reads = frozenset({"with_none"})

    weight: float = 0.5
    """Share of the archive in the loss."""
    archive: int = 8
    """Number M of architectures in the archive, each of which costs a path per step."""
    recent: int = 50
    """Number of the latest random architectures that may enter the archive."""
    neighbours: int = 10
    """Number of nearest members whose distances are averaged."""
    _members: list[list[int]] = field(default_factory=list, init=False)
    _recent: list[list[int]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (0 < self.weight < 1 and all(1 <= n <= 1000 for n in (self.archive, self.recent, self.neighbours))):
            raise ValueError("weight must lie in (0, 1), and archive, recent and neighbours in 1 to 1000")

    def foreseen(self, ctx: Context) -> Foreseen:
        """The members that the steps which a search measures lack, at most: their archive is not full."""
        shown = [min(step, self.archive) for step in MEASURED]
        return Foreseen(per_step=self.archive - sum(shown) / len(shown))

    def plan(self, ctx: Context) -> list[Path]:
        new = random_arch(ctx, self)
        self._recent = [*self._recent, new][-self.recent :]
        if len(self._members) < self.archive:
            drawn = [random_arch(ctx, self) for _ in range(DRAWS)]
            self._members.append(drawn[int(novelty(ctx.space, drawn, self._members, self.neighbours).argmax())])
        else:
            nearest = int(ctx.space.distance(self._members, new).argmin())
            others = self._members[:nearest] + self._members[nearest + 1 :]
            rivals = [self._members[nearest], *self._recent]
            self._members[nearest] = rivals[int(novelty(ctx.space, rivals, others, self.neighbours).argmax())]
        count = len(self._members)
        return shared_loss(ctx, [new, *self._members], [1 - self.weight, *[self.weight / count] * count])

    def state_dict(self) -> dict[str, Any]:
        return {"members": [list(arch) for arch in self._members], "recent": [list(arch) for arch in self._recent]}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._members, self._recent = ([list(arch) for arch in state[key]] for key in ("members", "recent"))
