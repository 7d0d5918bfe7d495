"""The operations of DARTS cells (`operations.py` of quark0/darts), each with its batch norm.

Operations that begin with a ReLU take their input after it: whatever provides the input applies the ReLU once for all
of its readers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces.darts import DIL3, DIL5, SEP3, SEP5
from supernet.harness.supernet.ops import BatchNorm, average_pool, max_pool
from supernet.heuristics.sections import NetworkSection

KERNELS = {SEP3: 3, SEP5: 5, DIL3: 3, DIL5: 5}
"""Convolution -> size of its depthwise kernels."""
LARGE = {SEP3: SEP5, DIL3: DIL5}
"""Convolution -> that from the centre of whose depthwise kernels its own can be taken."""
SIDE = 3
"""Size of a kernel that is the centre of a larger one."""


def depthwise(channels: int, kernel: int, stride: int, dilation: int) -> nn.Conv2d:
    """A convolution of each channel by itself, without bias, which keeps the size but for the stride."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)


class CentreDepthwise(nn.Module):
    """The 3x3 centre of the kernels of a 5x5 depthwise convolution (once-for-all, Cai et al., ICLR 2020).

    Args:
        parent: the convolution that has the weights.
        transform: whether the nine values of a centre are also multiplied by a learned matrix, one for all channels,
            which is the identity at first.
    """

    def __init__(self, parent: nn.Conv2d, transform: bool) -> None:
        super().__init__()
        self._parent = [parent]  # in a list, so that its weights stay its own
        self.matrix = nn.Parameter(torch.eye(SIDE**2)) if transform else None

    def forward(self, x: Tensor) -> Tensor:
        (parent,) = self._parent
        kernel = parent.weight[:, :, 1:-1, 1:-1]
        if self.matrix is not None:
            kernel = (kernel.flatten(1) @ self.matrix).view(kernel.shape)
        padding = (parent.dilation[0], parent.dilation[1])
        return F.conv2d(x, kernel, None, parent.stride, padding, parent.dilation, parent.groups)


class Separable(nn.Module):
    """Depthwise and 1x1 convolutions, one or several times, each time followed by batch norm, with ReLUs between.

    `sep_conv` of DARTS has two rounds, of which the first has the stride; `dil_conv` has one, with a dilation of 2.

    Args:
        rounds: the depthwise convolutions.
    """

    def __init__(self, rounds: list[nn.Module], channels: int, affine: bool, track: bool) -> None:
        super().__init__()
        self.depthwise = nn.ModuleList(rounds)
        self.pointwise = nn.ModuleList(nn.Conv2d(channels, channels, 1, bias=False) for _ in rounds)
        self.norms = nn.ModuleList(BatchNorm(channels, affine, track) for _ in rounds)

    def forward(self, x: Tensor) -> Tensor:
        for number, (spread, mix, norm) in enumerate(zip(self.depthwise, self.pointwise, self.norms, strict=True)):
            x = norm(mix(spread(F.relu(x) if number else x)))
        return x


def convolution(op: int, channels: int, stride: int, options: NetworkSection, large: Separable | None) -> Separable:
    """The separable or dilated convolution `op`.

    Args:
        large: the convolution that has the depthwise weights, if this one takes them from centres.
    """
    if large is not None:
        transform = options.ofa_kernel == "transform"
        parents = [layer for layer in large.depthwise if isinstance(layer, nn.Conv2d)]
        rounds: list[nn.Module] = [CentreDepthwise(parent, transform) for parent in parents]
    elif op in (DIL3, DIL5):
        rounds = [depthwise(channels, KERNELS[op], stride, 2)]
    else:
        rounds = [depthwise(channels, KERNELS[op], s, 1) for s in (stride, 1)]
    return Separable(rounds, channels, options.bn_affine, options.bn_track)


class FactorisedReduction(nn.Module):
    """Half the size: two 1x1 convolutions with stride 2, the second of which sees the pixels that the first leaves out.

    The input is taken after a ReLU; a batch norm follows. Images of odd size are treated as if they had a further row
    and column of zeros.
    """

    def __init__(self, inputs: int, outputs: int, affine: bool, track: bool) -> None:
        super().__init__()
        first = outputs // 2 or outputs  # a single output has no second half
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs, width, 1, 2, bias=False) for width in (first, outputs - first) if width
        )
        self.bn = BatchNorm(outputs, affine, track)

    def forward(self, x: Tensor) -> Tensor:
        odd = [size % 2 for size in x.shape[2:]]
        shifted = (F.pad(x, (0, odd[1], 0, odd[0])) if any(odd) else x)[:, :, 1:, 1:]
        halves = [conv(part) for conv, part in zip(self.convs, (x, shifted), strict=False)]
        out: Tensor = self.bn(torch.cat(halves, 1))
        return out


class Pool(nn.Module):
    """3x3 pooling, then batch norm without scale and shift, as the search network of DARTS has it."""

    def __init__(self, channels: int, stride: int, track: bool, average: bool) -> None:
        super().__init__()
        self.stride, self.average = stride, average
        self.bn = BatchNorm(channels, False, track)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self._pooled(x))
        return out

    def _pooled(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return average_pool(x) if self.average else max_pool(x)
        if self.average:
            return F.avg_pool2d(x, 3, self.stride, 1, count_include_pad=False)
        return F.max_pool2d(x, 3, self.stride, 1)
