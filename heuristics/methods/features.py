"""Features of a path beside those of another architecture on the same images."""

from __future__ import annotations

import torch
from torch import Tensor

from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.hooks import Context, Output
from supernet.heuristics.routes import Path, Routing


def beside(ctx: Context, out: Output, routing: Routing | tuple[Routing, ...]) -> list[tuple[Tensor, Tensor]]:
    """Return the output of each cell under a path and under another routing, which gets no gradient.

    Args:
        out: the output of the path, with features: (n, channels, height, width) each.
        routing: the other one; its pass is metered.
    """
    with torch.no_grad():
        other = ctx.forward(Path(routing), Batch(out.images, out.labels, out.rows), capture=True)
    return list(zip(out.features, other.features, strict=True))


def is_discrete(routing: Routing | tuple[Routing, ...]) -> bool:
    """Tell whether a routing names one option for each decision, in all cells."""
    return all(is_discrete(choice) if isinstance(choice, tuple) else isinstance(choice, int) for choice in routing)
