"""GM-NAS: a super-net is split where its options pull the shared weights in different directions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context, Foreseen, Method, Path, Supernet
from supernet.heuristics.methods.apart import (
    Limits,
    Partition,
    checked_limits,
    require_single_architectures,
    trained_options,
)
from supernet.heuristics.registry import method

MOST_SPLITS = 4
"""Largest number of splits, our choice: there are two to this power parts, each with all weights."""


@method("gm-split")
class GradientMatching(Method):
    """Splits the super-net several times in two, by the cosine of gradients (GM-NAS, Hu et al., ICLR 2022).

    From the paper: each part is split in two, by the options of one of its decisions that are whole. For a decision,
    the gradients of the shared weights are compared between its options, in random architectures that are equal
    otherwise; the distance of two options is one minus the cosine. Options with similar gradients stay together: of the
    ways to halve the options, that with the largest mean distance between the halves is taken, and of the decisions,
    the one where this is largest. From the released code (skhu101/GM-NAS): the gradients are those of the operations of
    other decisions, halves of five options have two and three, a distance is the mean of 100 batches, and the schedule
    restarts at the last split. Our choice: the means, which compare decisions with different numbers of options, the
    times of the splits, and that a batch where one of two gradients is zero does not count for this pair. Parts are
    trained as those of few-shot are.
    """

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
        if any(chosen.name == "few-shot" for chosen in ctx.recipe.methods):
            raise UserError("The methods few-shot and gm-split both split the super-net: leave one of them out.")
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
        share = ctx.epoch / ctx.recipe.training.epochs
        while self._made < self.splits and share >= self.until * (self._made + 1) / self.splits:
            self._divide(ctx)

    def _divide(self, ctx: Context) -> None:
        """Split every part in two."""
        partition = ctx.network if isinstance(ctx.network, Partition) else Partition([ctx.network], [{}])
        chosen = [self._choice(ctx, partition, part) for part in range(len(partition.limits))]
        for part in reversed(range(len(chosen))):
            partition = partition.split(part, *chosen[part])
        ctx.network, self._limits = partition, partition.limits
        self._made += 1
        ctx.rebuild(self.restart == "all" or (self.restart == "final" and self._made == self.splits))

    def _choice(self, ctx: Context, partition: Partition, part: int) -> tuple[int, list[list[int]]]:
        """Return the decision by which to split a part, and the two groups of its options."""
        limits, trained = partition.limits[part], trained_options(ctx)
        whole = [number for number in range(len(ctx.space.decisions)) if number not in limits]
        best: tuple[float, int, list[list[int]]] = (-1.0, 0, [])
        for decision in whole:
            distances = mean_distances(ctx, self, partition.network(part), limits, decision, self.repeats)
            score, groups = halves(distances, trained[decision])
            if score > best[0]:
                best = score, decision, groups
        return best[1:]

    def state_dict(self) -> dict[str, Any]:
        return {"made": self._made, "limits": self._limits}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._made = int(state["made"])
        if self._made:
            self._limits = checked_limits(state["limits"], ctx.space, 2**self.splits)
            ctx.network = Partition.of_copies(ctx.network, self._limits)
            ctx.rebuild(restart=False)


def mean_distances(
    ctx: Context, asker: Method, network: Supernet, limits: Limits, decision: int, repeats: int
) -> NDArray[np.float64]:
    """Return the mean distance of the gradients under two options of a decision: (options, options).

    Pairs that never have a distance, because a gradient is always zero, get zero.

    Args:
        asker: the method whose stream of training images and random numbers are used.
        network: the part whose gradients are compared.
        limits: the options of this part, from which architectures are drawn.
        repeats: number of batches and architectures.
    """
    drawn = [[o for o in trained if o in limits.get(d, trained)] for d, trained in enumerate(trained_options(ctx))]
    weights = weights_beside(network, ctx, decision)
    options, rng = len(ctx.space.decisions[decision]), ctx.random(asker)
    total, count = torch.zeros(2, options, options, dtype=torch.float64)
    buffers = [(b, b.clone()) for b in network.buffers()]
    for _ in range(repeats):
        batch = ctx.stream("train", asker)
        arch = [int(rng.choice(kept)) for kept in drawn]
        archs = [(*arch[:decision], option, *arch[decision + 1 :]) for option in range(options)]
        distance, known = cosine_distances(torch.stack([gradient(ctx, a, batch, weights) for a in archs]))
        total, count = total + distance, count + known
    for buffer, before in buffers:  # passes that only compare leave no trace in running statistics
        buffer.copy_(before)
    return np.asarray((total / count.clamp(min=1)).numpy())


def weights_beside(network: Supernet, ctx: Context, decision: int) -> list[torch.nn.Parameter]:
    """Return the weights of the operations of all other decisions that are not also weights of this one."""
    found: dict[int, torch.nn.Parameter] = {}
    own: set[int] = set()
    for number, about in enumerate(ctx.space.decisions):
        for option in range(len(about)):
            parameters = network.parameters_of(number, option)
            if number == decision:
                own.update(map(id, parameters))
            else:
                found.update({id(p): p for p in parameters})
    return [p for key, p in found.items() if key not in own]


def gradient(ctx: Context, arch: tuple[int, ...], batch: Batch, weights: Sequence[torch.nn.Parameter]) -> Tensor:
    """Return the gradient of an architecture's cross-entropy on a batch, zero for weights it lacks: (numbers,)."""
    loss = F.cross_entropy(ctx.forward(Path(arch), batch).logits, batch.labels)
    slopes = torch.autograd.grad(loss, weights, allow_unused=True)
    parts = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, slopes, strict=True)]
    return torch.cat([part.flatten() for part in parts])


def cosine_distances(gradients: Tensor) -> tuple[Tensor, Tensor]:
    """Return one minus the cosine of every two gradients, and whether it is defined: (options, options) each, float64.

    Where one of the gradients is zero, the distance is not defined, and is 0 here.

    Args:
        gradients: (options, numbers).
    """
    vectors = gradients.double()
    norms = vectors.norm(dim=1)
    known = (norms[:, None] > 0) & (norms > 0)
    unit = vectors / norms.clamp(min=torch.finfo(torch.float64).tiny)[:, None]
    return ((1 - unit @ unit.T) * known).cpu(), known.double().cpu()


def halves(distances: NDArray[np.float64], trained: Sequence[int]) -> tuple[float, list[list[int]]]:
    """Return the largest mean distance between two groups of options, and the groups, the first with option 0.

    The groups have equal numbers of trained options, or numbers that differ by one. All such groups are tried.

    Args:
        distances: (options, options), symmetric.
        trained: the options that are trained.
    """
    options = range(len(distances))
    best: tuple[float, list[list[int]]] = (-1.0, [])
    for size in range(1, len(distances)):
        for others in itertools.combinations(options[1:], size - 1):
            groups = [[0, *others], [o for o in options[1:] if o not in others]]
            counts = [len({*group} & {*trained}) for group in groups]
            score = float(distances[np.ix_(*groups)].mean())
            if abs(counts[0] - counts[1]) <= 1 and min(counts) and score > best[0]:
                best = score, groups
    return best
