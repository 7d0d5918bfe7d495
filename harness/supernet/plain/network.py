"""What stand-alone networks of all spaces have in common: a chain of blocks, pooling, and a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from supernet.benchmarks.spaces import Archs
from supernet.harness.supernet.ops import average_pool, halve
from supernet.harness.supernet.plain.pool import Pool


class PlainNetwork(nn.Module):
    """A chain of blocks, what follows the last one, and a linear classifier of the averaged pixels.

    All operations with weights, and all activations, are torch's modules, so that hooks see them. Batch norm uses the
    statistics of the batch.

    Args:
        blocks: the stem, cells and what stands between them, each a module of one tensor, unless `step` says otherwise.
        last: what follows the last block.
        classifier: from the averaged features to logits.
    """

    def __init__(self, blocks: Sequence[nn.Module], last: nn.Module, classifier: nn.Linear) -> None:
        super().__init__()
        self.blocks, self.last, self.classifier = nn.ModuleList(blocks), last, classifier

    def step(self, number: int, before: Sequence[Tensor]) -> Tensor:
        """The output of a block.

        Args:
            number: number of the block.
            before: the images and the outputs of the blocks before it, of which only the last two need be there.
        """
        out: Tensor = self.blocks[number](before[-1])
        return out

    def features(self, x: Tensor) -> list[Tensor]:
        """The output of every block for images (n, 3, size, size)."""
        found = [x]
        for number in range(len(self.blocks)):
            found.append(self.step(number, found))
        return found[1:]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size)."""
        logits: Tensor = self.classifier(self.pre_classifier(x).mean((2, 3)))
        return logits

    def pre_classifier(self, x: Tensor) -> Tensor:
        """The features (n, channels, size, size) before the average over pixels."""
        before = [x]
        for number in range(len(self.blocks)):
            before = [*before[-1:], self.step(number, before)]
        out: Tensor = self.last(before[-1])
        return out


Build = Callable[[Pool, Archs, int, int, int], PlainNetwork]
"""Makes a network from a pool, one architecture (1, decisions), channels, cells per stage, and classes."""


class AveragePool(nn.Module):
    """3x3 average pooling with stride 1 that does not count the padding."""

    def forward(self, x: Tensor) -> Tensor:
        return average_pool(x)


class Halve(nn.Module):
    """2x2 average pooling with stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        return halve(x)


def norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm without running statistics."""
    return nn.BatchNorm2d(channels, track_running_stats=False)


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """ReLU, convolution, batch norm: the order within the cells of NAS-Bench-201."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, norm(outputs))


def conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU: the order within the cells of NAS-Bench-101."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, 1, kernel // 2, bias=False), norm(outputs), nn.ReLU())
