"""How different the gradients are that the options of a decision give the weights of all others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context, Method, Supernet
from supernet.heuristics.methods.buffers import buffers_kept
from supernet.heuristics.methods.partition import Limits
from supernet.heuristics.options import trained_options
from supernet.heuristics.routes import Path


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
    with buffers_kept(network):
        for _ in range(repeats):
            batch = ctx.stream("train", asker)
            arch = [int(rng.choice(kept)) for kept in drawn]
            archs = [(*arch[:decision], option, *arch[decision + 1 :]) for option in range(options)]
            distance, known = cosine_distances(torch.stack([gradient(ctx, a, batch, weights) for a in archs]))
            total, count = total + distance, count + known
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
