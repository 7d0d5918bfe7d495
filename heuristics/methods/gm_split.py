"""GM-NAS: a super-net is split where its options pull the shared weights in different directions.

From the paper: options with similar gradients stay together. From the released code (skhu101/GM-NAS): the gradients are
those of the operations of other decisions, halves of five options have two and three, a distance is the mean of 100
batches, and the schedule restarts at the last split. Our choice: the means, which compare decisions with different
numbers of options, the times of the splits, and that a batch where one of two gradients is zero does not count for this
pair. Parts are trained as those of few-shot are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar, Literal

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Foreseen, Method, Supernet
from supernet.heuristics.methods.apart import require_single_architectures
from supernet.heuristics.methods.gradient_distances import halves, mean_distances
from supernet.heuristics.methods.partition import Partition, checked_limits, copies
from supernet.heuristics.methods.schedules import first_epoch
from supernet.heuristics.options import trained_options
from supernet.heuristics.registry import method

MOST_SPLITS = 4
"""Largest number of splits, our choice: there are two to this power parts, each with all weights."""


@method("gm-split")
class GradientMatching(Method):
    """Splits the super-net several times in two, by the cosine of gradients (GM-NAS, Hu et al., ICLR 2022).

    Each part is split in two, by the options of one of its decisions that are whole. For a decision, the gradients of
    the shared weights are compared between its options, in random architectures that are equal otherwise; the distance
    of two options is one minus the cosine. Of the ways to halve the options, that with the largest mean distance
    between the halves is taken, and of the decisions, the one where this is largest.
    """

    excludes: ClassVar = {"few-shot": "both split the super-net"}

    splits: int = 2
    """Number of times that all parts are split in two."""
    until: float = 0.5
    """Share of the epochs after which the last split takes place; the splits are evenly spaced."""
    repeats: int = 100
    """Number of batches and architectures whose gradients are compared for a decision."""
    restart: Literal["final", "all", "none"] = "final"
    """The splits at which the learning-rate schedule starts again, over the remaining steps."""
    _made: int = field(default=0, init=False)
    _limits: list[dict[int, list[int]]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (1 <= self.splits <= MOST_SPLITS and 0 <= self.until <= 1 and 1 <= self.repeats <= 10_000):
            raise ValueError(f"splits must lie in 1 to {MOST_SPLITS}, until in [0, 1], and repeats in 1 to 10000")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        require_single_architectures("gm-split", ctx)
        if self.splits > len(ctx.space.decisions):
            raise UserError(
                f"methods.gm-split.splits is {self.splits}, but {ctx.space.name} has {len(ctx.space.decisions)} "
                "decisions, each of which is split once."
            )
        return network

    def foreseen(self, ctx: Context) -> Foreseen:
        """The passes that compare gradients: of all parts, by every decision that is still whole, at most."""
        options = sorted((len(decision) for decision in ctx.space.decisions), reverse=True)
        each = [2**made * sum(options[: len(options) - made]) for made in range(self.splits)]
        return Foreseen(once=float(self.repeats * sum(each)))

    def start_epoch(self, ctx: Context) -> None:
        epochs = ctx.recipe.training.epochs
        due = [first_epoch(self.until * number / self.splits, epochs) for number in range(1, self.splits + 1)]
        while self._made < self.splits and ctx.epoch >= due[self._made]:
            self._divide(ctx)

    def _divide(self, ctx: Context) -> None:
        """Split every part in two."""
        partition = ctx.network if isinstance(ctx.network, Partition) else Partition([ctx.network], [{}])
        chosen = [best_split(ctx, self, partition, part, self.repeats) for part in range(len(partition.limits))]
        for part in reversed(range(len(chosen))):
            partition = partition.split(part, *chosen[part])
        ctx.network, self._limits = partition, partition.limits
        self._made += 1
        ctx.rebuild(self.restart == "all" or (self.restart == "final" and self._made == self.splits))

    def state_dict(self) -> dict[str, Any]:
        return {"made": self._made, "limits": self._limits}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._made = int(state["made"])
        if self._made:
            self._limits = checked_limits(state["limits"], ctx.space, 2**self.splits)
            ctx.network = Partition(copies(ctx.network, len(self._limits)), self._limits)
            ctx.rebuild(restart=False)


def best_split(
    ctx: Context, asker: Method, partition: Partition, part: int, repeats: int
) -> tuple[int, list[list[int]]]:
    """Return the decision by which to split a part, and the two groups of its options.

    Args:
        asker: the method whose stream of training images and random numbers are used.
        repeats: number of batches and architectures whose gradients are compared for a decision.
    """
    limits, trained = partition.limits[part], trained_options(ctx)
    best: tuple[float, int, list[list[int]]] = (-1.0, 0, [])
    for decision in (number for number in range(len(ctx.space.decisions)) if number not in limits):
        distances = mean_distances(ctx, asker, partition.network(part), limits, decision, repeats)
        score, groups = halves(distances, trained[decision])
        if score > best[0]:
            best = score, decision, groups
    return best[1:]
