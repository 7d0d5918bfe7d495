"""How many weights architectures have, and which is the largest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.spaces.live import live_quantity
from supernet.heuristics.hooks import Context

SAMPLE = 1000
"""Number of random architectures, besides the extremes of the space, among which the smallest and largest are found."""


def sizes(ctx: Context, archs: ArrayLike, live: bool) -> NDArray[Any]:
    """Return the number of weights of architectures (n, decisions): (n,).

    Args:
        live: whether only the weights count that the output depends on.
    """
    n = ctx.recipe.network
    if live:
        return live_quantity(ctx.space, "live-params", archs, n.channels, n.cells)
    return ctx.space.params(archs, n.channels, n.cells)


def size_range(ctx: Context, live: bool) -> tuple[float, float]:
    """Return the smallest size above 0 and the largest, among random architectures and the extremes of the space."""
    found = sizes(ctx, _sample(ctx), live)
    return float(found[found > 0].min()), float(found.max())


def largest(ctx: Context) -> Arch:
    """Return the largest architecture of the space, or of a sample of it where the space does not define one."""
    extremes = ctx.space.extremes()
    if extremes is not None:
        return extremes[0]
    sample = _sample(ctx)
    return tuple(sample[int(sizes(ctx, sample, live=True).argmax())].tolist())


def _sample(ctx: Context) -> NDArray[Any]:
    """Return random architectures and the extremes of the space: (n, decisions)."""
    within = ctx.space
    drawn = within.sample(np.random.default_rng(0), min(SAMPLE, len(within)))
    return np.vstack([within.archs(drawn), *(within.extremes() or ())])
