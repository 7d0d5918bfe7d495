"""Operations with shared weights, laid out for speed: channels-last, one ReLU per node, no work for none."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BatchNorm(nn.Module):
    """Batch norm whose use of running statistics is the super-net's business, not the module's mode.

    Args:
        affine: learn a scale and a shift.
        track: keep running statistics while training.
    """

    momentum: float | None = 0.1
    """Of running statistics; None averages all batches since `reset`, for recalibration."""

    def __init__(self, channels: int, affine: bool, track: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None
        self.track, self.use_running = track, False
        self.mean: Tensor
        self.var: Tensor
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))
        self.batches = 0

    def reset(self) -> None:
        """Forget the running statistics."""
        self.mean.zero_()
        self.var.fill_(1)
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.use_running:
            return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, training=False)
        if not self.track:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True)
        self.batches += 1
        factor = 1 / self.batches if self.momentum is None else self.momentum
        return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, training=True, momentum=factor)


class ConvBN(nn.Module):
    """Convolution without bias, then batch norm. The ReLU before it is its node's, shared by all that read it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, affine: bool, track: bool, stride: int = 1) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, kernel, bias=False)  # for its initialisation
        self.weight = conv.weight
        self.stride, self.padding = stride, kernel // 2
        self.bn = BatchNorm(outputs, affine, track)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(F.conv2d(x, self.weight, stride=self.stride, padding=self.padding))
        return out


class CentreConvBN(nn.Module):
    """The centre of a 3x3 convolution used as a 1x1 one (once-for-all, Cai et al., ICLR 2020).

    Args:
        transform: also scale the centre by a learned factor, 1 at first; for a 1x1 kernel this is what
            once-for-all's transformation matrix amounts to.
    """

    def __init__(self, parent: ConvBN, transform: bool, affine: bool, track: bool) -> None:
        super().__init__()
        self._parent = [parent]  # in a list, so that its weights stay its own
        self.factor = nn.Parameter(torch.ones(())) if transform else None
        self.bn = BatchNorm(parent.weight.shape[0], affine, track)

    def forward(self, x: Tensor) -> Tensor:
        centre = self._parent[0].weight[:, :, 1:2, 1:2]
        out: Tensor = self.bn(F.conv2d(x, centre if self.factor is None else centre * self.factor))
        return out


class _AveragePool(torch.autograd.Function):
    """3x3 average pooling, stride 1, that does not count the padding, as a depthwise convolution with ones.

    On CPUs a depthwise convolution in channels-last layout is several times faster than `avg_pool2d`. The sum
    over a window is its own adjoint, so that the backward pass is the same convolution.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _window_sum(x).mul_(_inverse_counts(x.shape[2], x.shape[3], x.device, x.dtype))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _window_sum(grad * _inverse_counts(grad.shape[2], grad.shape[3], grad.device, grad.dtype))


def _window_sum(x: Tensor) -> Tensor:
    return F.conv2d(x, _ones(x.shape[1], x.device, x.dtype), padding=1, groups=x.shape[1])


@cache
def _ones(channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.ones(channels, 1, 3, 3, device=device, dtype=dtype)


@cache
def _inverse_counts(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """One over the pixels in each window: (height, width)."""
    with torch.inference_mode(False):
        counts = F.conv2d(torch.ones(1, 1, height, width), torch.ones(1, 1, 3, 3), padding=1)[0, 0]
        return (1 / counts).to(device, dtype)


def average_pool(x: Tensor) -> Tensor:
    """`avg_pool2d(x, 3, 1, 1, count_include_pad=False)`, faster where that is slow."""
    if x.is_cuda:
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    pooled: Tensor = _AveragePool.apply(x)
    return pooled
