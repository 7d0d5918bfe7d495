"""Archives of architectures that are trained again: random members, their novelty, and the paths of a step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.heuristics.hooks import Context, Method
from supernet.heuristics.options import divides_by_paths, trained_options
from supernet.heuristics.routes import Path


def random_arch(ctx: Context, asker: Method) -> list[int]:
    """Draw an architecture whose decisions are independent and uniform over the options that the recipe trains."""
    rng = ctx.random(asker)
    return [int(rng.choice(options)) for options in trained_options(ctx)]


def novelty(
    within: SearchSpace, archs: Sequence[Sequence[int]], members: Sequence[Sequence[int]], neighbours: int
) -> NDArray[np.float64]:
    """Return the mean distance of each architecture to its nearest members, 0 without members: (architectures,).

    The distance of two architectures is the number of decisions in which they differ.

    Args:
        neighbours: number of nearest members whose distances are averaged, at most.
    """
    if not members:
        return np.zeros(len(archs))
    distances = within.distance(np.array(archs)[:, None], np.array(members)[None])
    return np.asarray(np.sort(distances, axis=1)[:, :neighbours].mean(axis=1))


def shared_loss(ctx: Context, archs: Sequence[Sequence[int]], shares: Sequence[float]) -> list[Path]:
    """Return paths whose losses have these shares in that of the step, however the recipe reduces them."""
    # An update that divides by the number of paths would shrink the shares.
    scale = len(archs) if divides_by_paths(ctx) else 1
    return [Path(tuple(arch), scale * share) for arch, share in zip(archs, shares, strict=True)]
