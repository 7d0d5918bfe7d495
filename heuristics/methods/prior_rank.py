"""A ranking loss that teaches the super-net the order of a score that needs no training.

Ranking by FLOPs, the weight of 2 reached after 20 of 70 epochs, and the detached loss of the earlier path are those of
PGONAS' code; it draws two random pairs per step besides a sandwich, where we use all pairs of the paths that the recipe
plans. The distance is that of RD-NAS' code (Dong et al., ICASSP 2023; pprp/PicoNAS): two operations differ by 2 if one
alone has weights, and by 0.5 otherwise. That code draws again where a pair is nearer than 6.7, its mean; `nearest`
leaves such pairs out. A distance as the margin of the loss is what its abstract describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.spaces.live import live_quantity
from supernet.heuristics.hooks import Context, Method, Output, Supernet
from supernet.heuristics.methods.paths import arch_of, planner_of
from supernet.heuristics.methods.schedules import ramped
from supernet.heuristics.registry import method

Floats = NDArray[np.float64]


@method("prior-rank")
class PriorRank(Method):
    """Adds a loss where the paths of a step have another order than a free score of theirs (PGONAS, Dong et al., 2022).

    For every pair of the step's paths, where b has the larger prior, the loss is c * relu(L(b) - L(a) + margin *
    distance(a, b)), averaged over pairs; L is the cross-entropy on the same images. c grows linearly to `weight`. The
    prior is a count of weights or multiplications, never a model that has seen accuracies.
    """

    keeps_graph = True

    prior: Literal["live-params", "live-flops", "params", "flops"] = "live-params"
    """The score of an architecture: the number of trainable parameters, or of multiply-accumulates, of its stand-alone
    network. With live-, only operations count on which the output depends."""
    weight: float = 2.0
    """Factor of the loss after its growth; 0 turns the loss off."""
    ramp: float = 0.29
    """Share of the training in which the factor grows from 0."""
    margin: float = 0.0
    """By how much the losses of a pair must differ, for a distance of 1."""
    nearest: float = 0.0
    """Least distance of the pairs that are compared."""
    detach: bool = True
    """Whether only the later path of a pair gets gradients."""

    def __post_init__(self) -> None:
        if not (0 <= self.weight <= 1e6 and 0 <= self.ramp <= 1 and 0 <= self.margin <= 1e6 and self.nearest >= 0):
            raise ValueError("weight and margin lie in 0 to 1000000, ramp in [0, 1], and nearest from 0 on")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        if ctx.recipe.sampling.batch == "split":
            raise UserError("The method prior-rank compares paths on the same images: set sampling.batch=whole.")
        return network

    def step_loss(self, ctx: Context, outs: Sequence[Output]) -> Tensor | None:
        if self.weight == 0:
            return None
        if len(outs) < 2:
            needs, planner = "The method prior-rank needs two or more paths per step to compare", planner_of(ctx)
            if planner is not None:
                raise UserError(f"{needs}, but {planner} plans {len(outs)}: leave one of these methods out.")
            raise UserError(f"{needs}: set sampling.paths=2, or sampling.law=fair or sandwich.")
        archs = np.array([arch_of(out.path, "prior-rank") for out in outs])
        losses = torch.stack([F.cross_entropy(out.logits, out.labels) for out in outs])
        far = group_distances(ctx.space, archs)
        prior = prior_of(ctx, self.prior, archs)
        mean = ranking_loss(losses, prior, self.margin * far, far >= self.nearest, self.detach)
        return None if mean is None else self.weight * ramped(ctx, self.ramp) * mean


def prior_of(ctx: Context, prior: str, archs: ArrayLike) -> Floats:
    """Return a free score of architectures (n, decisions): (n,).

    Args:
        prior: params, flops, live-params or live-flops.
    """
    n, size = ctx.recipe.network, int(ctx.images.shape[-1])
    if prior.startswith("live-"):
        return live_quantity(ctx.space, prior, archs, n.channels, n.cells, size)
    costs = ctx.space.costs(archs, n.channels, n.cells, size)
    return costs[("params", "flops").index(prior)].astype(np.float64)


def ranking_loss(losses: Tensor, prior: Floats, margins: Floats, compared: ArrayLike, detach: bool) -> Tensor | None:
    """Return the mean over pairs of relu(loss of the better - loss of the worse + margin); None if no pair compares.

    Args:
        losses: one per path: (n,).
        prior: larger is better; pairs with equal values are left out: (n,).
        margins: by how much the losses of a pair must differ: (n, n).
        compared: whether a pair is compared: (n, n).
        detach: whether the loss of the earlier path of each pair has no gradient.
    """
    earlier, later = np.nonzero(np.triu(np.asarray(compared) & (prior[:, None] != prior), 1))
    if not len(earlier):
        return None
    sign = torch.as_tensor(np.sign(prior[later] - prior[earlier]), dtype=losses.dtype, device=losses.device)
    margin = torch.as_tensor(margins[earlier, later], dtype=losses.dtype, device=losses.device)
    first = losses[torch.as_tensor(earlier, device=losses.device)]
    second = losses[torch.as_tensor(later, device=losses.device)]
    return torch.relu(sign * (second - (first.detach() if detach else first)) + margin).mean()


def group_distances(within: SearchSpace, archs: NDArray[np.int64]) -> Floats:
    """Return the distances of RD-NAS between architectures: (n, n).

    A decision on an operation in which two architectures differ counts 2 if one of the operations has weights and the
    other has none, and 0.5 otherwise. Decisions on parents do not count.

    Args:
        archs: (n, decisions).
    """
    total = np.zeros((len(archs), len(archs)))
    for number in within.operations:
        options, chosen = within.decisions[number].options, archs[:, number]
        light = np.array([o in within.weightless or k == within.idle_option for k, o in enumerate(options)])[chosen]
        differ = chosen[:, None] != chosen
        total += differ * np.where(light[:, None] != light, 2.0, 0.5)
    return total
