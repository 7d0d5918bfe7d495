"""The fused operations, which the candidate that is chosen computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from supernet.harness.supernet.kernels import eager
from supernet.harness.supernet.kernels.choice import chosen

EPS = 1e-5
"""What batch norm adds to variances: PyTorch's default."""


def batch_norm_add(
    parts: Sequence[Tensor],
    weight: Sequence[Tensor] | None = None,
    bias: Sequence[Tensor] | None = None,
    eps: float = EPS,
    skips: Sequence[Tensor] = (),
    path: Tensor | None = None,
    paths: int = 1,
) -> Tensor:
    """The sum of batch norms of some tensors, with the statistics of the batch, and of other tensors as they are.

    y = sum_i ((x_i - mean_i) / sqrt(var_i + eps) * weight_i + bias_i) + sum_j skip_j, where variances are divided by
    the number of values.

    Args:
        parts: outputs of convolutions, one or more: (n, channels, height, width) each.
        weight: a scale for each part: (channels,) each; None for no scale.
        bias: a shift for each part: (channels,) each; given if and only if `weight` is.
        skips: terms that are added as they are: (n, channels, height, width) each.
        path: if given, the path that each part and then each skip belongs to, of which the sums are kept apart;
            -1 for terms that are dropped: int64, (parts + skips,).
        paths: the number of paths; used with `path` only.

    Returns:
        (n, channels, height, width), or with `path`: (paths, n, channels, height, width).
    """
    compute = _implementation("batch_norm_add", (*parts, *skips))
    result: Tensor = compute(parts, weight, bias, eps, skips, path, paths)
    return result


def avg_pool3x3(x: Tensor) -> Tensor:
    """`avg_pool2d(x, 3, 1, 1, count_include_pad=False)` of x, (n, channels, height, width)."""
    result: Tensor = _implementation("avg_pool3x3", (x,))(x)
    return result


def cells_fit(device: torch.device, channels: int) -> bool:
    """Whether kernels are chosen that compute the cells of NAS-Bench-201 for several paths at once, and take them.

    They have no eager reference of this kind: without them, paths are computed one by one or by `nb201.together`.

    Args:
        channels: of the widest cell.
    """
    if chosen("cells", device.type) != "triton":
        return False
    from supernet.harness.supernet.kernels import triton

    return triton.cells_fit(device, channels)


def fused(operation: str, x: Tensor) -> bool:
    """Whether a candidate other than the eager reference is chosen for an operation on the device of x."""
    return chosen(operation, x.device.type) != "eager"


def _implementation(operation: str, tensors: Sequence[Tensor]) -> Callable[..., Any]:
    """The candidate that is chosen, or the eager reference where it does not take these tensors."""
    name = chosen(operation, tensors[0].device.type)
    module: Any = eager
    if name == "triton":
        from supernet.harness.supernet.kernels import triton

        module = triton if triton.takes(tensors) else eager
    found: Callable[..., Any] = getattr(module, operation)
    return found
