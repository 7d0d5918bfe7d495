"""The reference of each fused operation, in PyTorch's own operations; see `operations` for what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def batch_norm_add(
    parts: Sequence[Tensor],
    weight: Sequence[Tensor] | None,
    bias: Sequence[Tensor] | None,
    eps: float,
    skips: Sequence[Tensor],
    path: Tensor | None,
    paths: int,
) -> Tensor:
    """See `operations.batch_norm_add`."""
    none: list[Tensor | None] = [None] * len(parts)
    terms = [
        F.batch_norm(x, None, None, w, b, training=True, eps=eps)
        for x, w, b in zip(parts, weight or none, bias or none, strict=True)
    ]
    terms += skips
    if path is not None:
        return routed(terms, path, paths)
    total, *others = terms  # a batch norm's output, which nothing else needs
    for term in others:
        total.add_(term)
    return total


def routed(terms: Sequence[Tensor], path: Tensor, paths: int) -> Tensor:
    """The sum of the terms of each path: (paths, n, channels, height, width), each channels-last."""
    n, channels, height, width = terms[0].shape
    total = terms[0].new_zeros(paths + 1, n, height, width, channels).permute(0, 1, 4, 2, 3)
    path = path.remainder(paths + 1)  # what is dropped is summed behind the others
    for number, term in enumerate(terms):
        total.index_add_(0, path[number : number + 1], term[None])
    return total[:paths]


def avg_pool3x3(x: Tensor) -> Tensor:
    """See `operations.avg_pool3x3`."""
    pooled: Tensor = _AveragePool.apply(x)
    return pooled


class _AveragePool(torch.autograd.Function):
    """3x3 average pooling, stride 1, that does not count the padding, by sums over windows.

    The sum over a window is its own adjoint, so that the backward pass computes such sums, too. PyTorch's own backward
    pass of `avg_pool2d` is not used: for padded channels-last tensors on a GPU it shifted the gradient by the padding
    in every release up to its repair in July 2026 (https://github.com/pytorch/pytorch/issues/188344), 2.11 among them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        if x.is_cuda:
            return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        return _window_sum(x).mul_(_inverse_counts(x.shape[2], x.shape[3], x.device, x.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _window_sum(grad * _inverse_counts(grad.shape[2], grad.shape[3], grad.device, grad.dtype))


def _window_sum(x: Tensor) -> Tensor:
    """Sums over 3x3 windows. On CPUs a depthwise convolution is several times faster than `avg_pool2d`."""
    if x.is_cuda:
        return F.avg_pool2d(x, 3, 1, 1, divisor_override=1)
    return F.conv2d(x, _ones(x.shape[1], x.device, x.dtype), padding=1, groups=x.shape[1])


@cache
def _ones(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    with torch.inference_mode(False):  # whoever asks first, gradients of gradients can pass through it
        return torch.ones(channels, 1, 3, 3, device=device, dtype=dtype)


@cache
def _inverse_counts(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """One over the pixels in each window: (height, width)."""
    with torch.inference_mode(False):
        counts = F.conv2d(torch.ones(1, 1, height, width), torch.ones(1, 1, 3, 3), padding=1)[0, 0]
        return (1 / counts).to(device, dtype)
