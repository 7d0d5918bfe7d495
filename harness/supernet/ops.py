"""Operations with shared weights, arranged for speed: channels-last, one ReLU per node, no computation for `none`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.harness.supernet import kernels


class BatchNorm(nn.Module):
    """Batch norm for which `use_running`, rather than the module's mode, decides whether running statistics are used.

    Args:
        affine: whether to learn a scale and a shift.
        track: whether to keep running statistics while training.
    """

    momentum: float | None = 0.1
    """Momentum of running statistics; None averages all batches since `reset`, for recalibration."""

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
            return kernels.batch_norm_add([x], *_affine([self]))
        self.batches += 1
        factor = 1 / self.batches if self.momentum is None else self.momentum
        return F.batch_norm(x, self.mean, self.var, self.weight, self.bias, training=True, momentum=factor)


def _affine(norms: Sequence[BatchNorm]) -> tuple[list[Tensor] | None, list[Tensor] | None]:
    """Scales and shifts of batch norms, which all have them or none."""
    weights: list[Tensor] = [norm.weight for norm in norms if norm.weight is not None]
    biases: list[Tensor] = [norm.bias for norm in norms if norm.bias is not None]
    return weights or None, biases or None


class ConvBN(nn.Module):
    """Convolution without bias, then batch norm. The node that it reads applies the ReLU, once for all its readers."""

    def __init__(self, inputs: int, outputs: int, kernel: int, affine: bool, track: bool, stride: int = 1) -> None:
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, kernel, bias=False)  # for its initialisation
        self.weight = conv.weight
        self.stride, self.padding = stride, kernel // 2
        self.bn = BatchNorm(outputs, affine, track)

    def convolved(self, x: Tensor) -> Tensor:
        """The convolution alone."""
        return F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.convolved(x))
        return out


class CentreConvBN(nn.Module):
    """The centre of a 3x3 convolution used as a 1x1 one (once-for-all, Cai et al., ICLR 2020).

    Args:
        transform: whether the centre is also scaled by a learned factor, which is 1 at first. For a 1x1 kernel,
            once-for-all's transformation matrix is such a factor.
    """

    def __init__(self, parent: ConvBN, transform: bool, affine: bool, track: bool) -> None:
        super().__init__()
        self._parent = [parent]  # in a list, so that its weights stay its own
        self.factor = nn.Parameter(torch.ones(())) if transform else None
        self.bn = BatchNorm(parent.weight.shape[0], affine, track)

    def convolved(self, x: Tensor) -> Tensor:
        """The convolution alone."""
        centre = self._parent[0].weight[:, :, 1:2, 1:2]
        return F.conv2d(x, centre if self.factor is None else centre * self.factor)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.convolved(x))
        return out


def joined(convs: Sequence[nn.Module], inputs: Sequence[Tensor], skips: Sequence[Tensor]) -> Tensor:
    """The sum of convolutions with their batch norms, and of other terms.

    Batch norms use the statistics of the batch and keep none.

    Args:
        convs: convolutions that are `joinable`.
    """
    known = [conv for conv in convs if isinstance(conv, ConvBN | CentreConvBN)]
    parts = [conv.convolved(x) for conv, x in zip(known, inputs, strict=True)]
    return kernels.batch_norm_add(parts, *_affine([conv.bn for conv in known]), skips=skips)


def joinable(convs: Sequence[nn.Module]) -> bool:
    """Whether `joined` computes what the modules would: convolutions of this module that keep and use no statistics of
    other batches, with nothing hooked on."""
    for conv in convs:
        if not isinstance(conv, ConvBN | CentreConvBN) or conv.bn.track or conv.bn.use_running:
            return False
        if any(m._forward_hooks or m._forward_pre_hooks for m in (conv, conv.bn)):
            return False
    return True


average_pool = kernels.avg_pool3x3
"""`avg_pool2d(x, 3, 1, 1, count_include_pad=False)`, with a faster implementation on CPUs."""


class _Halve(torch.autograd.Function):
    """2x2 average pooling that adds whole rows and then whole pixels, which is fast on CPUs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = x[:, :, ::2] + x[:, :, 1::2]
        return (rows[:, :, :, ::2] + rows[:, :, :, 1::2]).mul_(0.25)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        n, channels, height, width = grad.shape
        share = (grad * 0.25).permute(0, 2, 3, 1)
        rows = torch.cat([share, share], 3).reshape(n, height, 1, 2 * width * channels)
        return torch.cat([rows, rows], 2).reshape(n, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)


def halve(x: Tensor) -> Tensor:
    """`avg_pool2d(x, 2)` of an even size, with a faster implementation on CPUs."""
    if x.is_cuda:
        return F.avg_pool2d(x, 2)
    halved: Tensor = _Halve.apply(x)
    return halved


@dataclass(frozen=True, eq=False)
class Part:
    """The part of the channels of shared tensors that an architecture uses.

    It is `count` channels from `start` on; or the channels of a `selection`, in its order; or `count` averages of
    neighbouring channels, as adaptive average pooling forms them.
    """

    count: int
    start: int = 0
    selection: Tensor | None = None
    averages: bool = False

    def of(self, x: Tensor, dim: int) -> Tensor:
        """`x` with `count` entries along `dim`; a view where the channels are consecutive."""
        if self.averages:
            last = x.movedim(dim, -1)
            pooled = F.adaptive_avg_pool1d(last.reshape(1, -1, last.shape[-1]), self.count)
            return pooled.reshape(*last.shape[:-1], self.count).movedim(-1, dim)
        if self.selection is not None:
            return x.index_select(dim, self.selection)
        return x.narrow(dim, self.start, self.count)


class PartNorm(BatchNorm):
    """Batch norm of a part of its channels.

    Args:
        averages: number of averages of channels that may replace the channels; they have their own running statistics.
    """

    def __init__(self, channels: int, affine: bool, track: bool, averages: int | None = None) -> None:
        super().__init__(channels, affine, track)
        self.of_averages = None if averages is None else BatchNorm(averages, False, track)

    def forward(self, x: Tensor, part: Part | None = None) -> Tensor:
        if part is None:
            return super().forward(x)
        weight, bias = (None if p is None else part.of(p, 0) for p in (self.weight, self.bias))
        if not (self.track or self.use_running):
            return F.batch_norm(x, None, None, weight, bias, training=True)
        keeper = self.of_averages if part.averages and self.of_averages is not None else self
        mean, var = (s if keeper is not self else part.of(s, 0) for s in (keeper.mean, keeper.var))
        if self.use_running:
            return F.batch_norm(x, mean, var, weight, bias, training=False)
        keeper.batches += 1
        factor = 1 / keeper.batches if keeper.momentum is None else keeper.momentum
        out = F.batch_norm(x, mean, var, weight, bias, training=True, momentum=factor)
        if part.selection is not None:  # `mean` and `var` are copies of the selected statistics
            self.mean.index_copy_(0, part.selection, mean)
            self.var.index_copy_(0, part.selection, var)
        return out


class PartConv(nn.Module):
    """Convolution without bias from a part of its input channels to a part of its output channels."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Conv2d(inputs, outputs, kernel, bias=False).weight
        self.padding = kernel // 2

    def forward(self, x: Tensor, inputs: Part | None = None, outputs: Part | None = None) -> Tensor:
        return F.conv2d(x, _parts(self.weight, inputs, outputs), padding=self.padding)


class CentrePartConv(nn.Module):
    """The centre of a 3x3 `PartConv` used as a 1x1 one; see `CentreConvBN` for `transform`."""

    def __init__(self, parent: PartConv, transform: bool) -> None:
        super().__init__()
        self._parent = [parent]  # in a list, so that its weights stay its own
        self.factor = nn.Parameter(torch.ones(())) if transform else None

    def forward(self, x: Tensor, inputs: Part | None = None, outputs: Part | None = None) -> Tensor:
        centre = _parts(self._parent[0].weight[:, :, 1:2, 1:2], inputs, outputs)
        return F.conv2d(x, centre if self.factor is None else centre * self.factor)


def _parts(kernel: Tensor, inputs: Part | None, outputs: Part | None) -> Tensor:
    if inputs is not None:
        kernel = inputs.of(kernel, 1)
    return kernel if outputs is None else outputs.of(kernel, 0)


class Projection(nn.Module):
    """1x1 convolution to a part of its output channels, then batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, affine: bool, track: bool, averages: int | None = None) -> None:
        super().__init__()
        self.conv, self.norm = PartConv(inputs, outputs, 1), PartNorm(outputs, affine, track, averages)

    def forward(self, x: Tensor, part: Part | None = None) -> Tensor:
        return F.relu(self.norm(self.conv(x, None, part), part), inplace=True)


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Set x (n, …) to 0 for a random part of the images, and scale up the rest; a rate of 0 changes nothing."""
    if not rate:
        return x
    keep = 1 - rate
    return x * ((torch.rand(len(x), 1, 1, 1, device=x.device) < keep) / keep)


def max_pool(x: Tensor) -> Tensor:
    """`max_pool2d(x, 3, 1, 1)`; on CPUs several times faster where no gradient is needed.

    The faster way takes the maximum over rows and then over columns, which vectorises. It is not used with gradients,
    because these would be shared between equal entries, which are common after a ReLU, and not go to the first.
    """
    if x.is_cuda or (torch.is_grad_enabled() and x.requires_grad):
        return F.max_pool2d(x, 3, 1, 1)
    for dim in (2, 3):
        out = x.clone()
        last = x.shape[dim] - 1
        for shift in (0, 1):
            to = out.narrow(dim, shift, last)
            torch.maximum(to, x.narrow(dim, 1 - shift, last), out=to)
        x = out
    return x
