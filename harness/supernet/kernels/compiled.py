"""Fused operations by `torch.compile`, which compiles each small piece by itself, never a whole cell.

A piece is compiled once for each shape, precision and number of terms, which takes seconds each; `measure.table` says
how many. Statistics are computed in float32 by a two-pass or Welford reduction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.harness.supernet.kernels.eager import routed

BACKEND = "inductor"
"""The compiler that `torch.compile` calls."""
VARIANTS = 128
"""Largest number of variants of one piece: beyond it torch runs a piece as it is. A cell has about ten, times three
widths, two precisions, and training or scoring."""


def batch_norm_add(
    parts: Sequence[Tensor],
    weight: Sequence[Tensor] | None,
    bias: Sequence[Tensor] | None,
    eps: float,
    skips: Sequence[Tensor],
    path: Tensor | None,
    paths: int,
) -> Tensor:
    """See `operations.batch_norm_add`; sums of paths are formed outside of the compiled piece."""
    weights, biases = list(weight or []), list(bias or [])
    compute = _compiled(_batch_norm_add, BACKEND)
    if path is None:
        result: Tensor = compute(list(parts), weights, biases, eps, list(skips))
        return result
    terms = [
        compute([x], weights[number : number + 1], biases[number : number + 1], eps, [])
        for number, x in enumerate(parts)
    ]
    return routed([*terms, *skips], path, paths)


def _batch_norm_add(
    parts: list[Tensor], weights: list[Tensor], biases: list[Tensor], eps: float, skips: list[Tensor]
) -> Tensor:
    total: Any = 0
    for number, part in enumerate(parts):
        x = part.float()
        var, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
        normal = (x - mean) * torch.rsqrt(var + eps)
        if weights:
            normal = normal * weights[number].float()[:, None, None] + biases[number].float()[:, None, None]
        total = total + normal
    for skip in skips:
        total = total + skip
    result: Tensor = total.to(parts[0].dtype)
    return result


def avg_pool3x3(x: Tensor) -> Tensor:
    """See `operations.avg_pool3x3`."""
    pooled: Tensor = _compiled(_avg_pool3x3, BACKEND)(x)
    return pooled


def _avg_pool3x3(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


@cache
def _compiled(piece: Callable[..., Tensor], backend: str) -> Callable[..., Tensor]:
    from torch._dynamo import config

    config.recompile_limit = max(config.recompile_limit, VARIANTS)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, 2 * VARIANTS)
    return torch.compile(piece, dynamic=False, fullgraph=True, backend=backend)
