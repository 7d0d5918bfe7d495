"""Training steps that are the same computation whatever the paths are, so that a GPU replays them as a CUDA graph.

Everything that changes from step to step is data on the device: images, labels, routes, marks of the parameters to
update, and the learning rate. Forward pass, backward pass, clipping and update are all part of the graph, so that a
step costs the host a few copies and one launch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from supernet.benchmarks.spaces.nb201 import OPS
from supernet.harness.supernet.nb201.flat import FlatSGD
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.uses import Uses, live_ops
from supernet.heuristics.hooks import Context, Method, Step, StepResult
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Path


def fits(recipe: Recipe) -> bool:
    """Whether a static step could compute what a recipe's paths one by one would, up to rounding.

    Dropout would draw other random numbers, and running statistics would take in operations that no path uses.
    Optimisers other than plain SGD and losses other than the cross-entropy come from methods of a recipe, which the
    caller has to rule out.
    """
    network = recipe.network
    dropout = network.path_dropout or network.global_dropout
    plain = not dropout and not network.bn_track and network.partial_channels == 1
    return recipe.space == "nb201" and bool(plain) and recipe.distribution.model == "none"


KEPT = 5
"""Least number of a cell's activations that a backward pass needs, for each image and path: the inputs and outputs of
2.4 convolutions, which is what a path has on average."""


def least_memory(recipe: Recipe, size: int) -> int:
    """Bytes that a training step needs at least, one by one or static; activations alone, and 0 for other spaces.

    Args:
        size: height and width of the images in pixels.
    """
    if recipe.space != "nb201":
        return 0
    network, sampling = recipe.network, recipe.sampling
    channels = network.channels // network.partial_channels
    activations = sum(channels * 2**stage * (size >> stage) ** 2 for stage in range(3))
    per_image = KEPT * network.cells * activations * (2 if recipe.training.amp else 4)
    split = sampling.law == "fair" and sampling.batch == "split"
    return per_image * recipe.training.batch_size // (len(OPS) if split else 1)


class StaticStep(Method):
    """Turns the paths of a plan into an update of the weights by one static computation.

    A subclass says how gradients are computed. Results are those of `Accumulate` up to rounding.

    Args:
        capture: replay the step as a CUDA graph.
    """

    WARM_UP = 3
    """Steps run as they are before the graph is captured, in which libraries choose and allocate."""

    def __init__(self, capture: bool) -> None:
        self._capture = capture
        self._steps = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._flat: FlatSGD | None = None

    def take_step(self, ctx: Context, plan: Sequence[Path], step: Step) -> StepResult:
        assert isinstance(ctx.network, NB201Net)
        seen = sum(len(batch.labels) for batch in step.batches(ctx, len(plan)))  # also checks that batches can be split
        if self._flat is None:
            ordered = self.ordered(ctx.network)
            self._flat, self._uses = FlatSGD(ordered, ctx.optimiser), Uses(ctx.network, ordered)
            self.bind(ctx.network, self._flat)
        self._flat.set_rate()
        ops = live_ops(plan, ctx.network.cell_count)
        data = torch.from_numpy(self._uses.of(ops)), *self.routes(ops)
        given = [ctx.images, ctx.labels, *(x.to(ctx.images.device, non_blocking=True) for x in data)]
        captured = self._capture and self._steps >= self.WARM_UP
        loss, correct = self._replayed(ctx, given) if captured else self._whole(ctx, given)
        self._steps += 1
        ctx.meter.forward += seen
        ctx.meter.backward += seen
        return StepResult(loss, correct, seen)

    @abstractmethod
    def ordered(self, network: NB201Net) -> list[nn.Parameter]:
        """All parameters of the network, in the order in which `gradient` returns their gradients."""

    def bind(self, network: NB201Net, flat: FlatSGD) -> None:
        """Called once, when the parameters have become views into a vector."""

    @abstractmethod
    def routes(self, ops: NDArray[np.int64]) -> Sequence[Tensor]:
        """What `gradient` needs to know of the paths, as tensors of the same shapes in every step.

        Args:
            ops: live operations: (paths, cells, edges).
        """

    @abstractmethod
    def gradient(
        self, ctx: Context, images: Tensor, labels: Tensor, routes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The mean loss over paths, the number of correct images, and the gradient of all parameters: (entries,)."""

    def _whole(self, ctx: Context, given: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """One step with its update; mean loss and correct images."""
        images, labels, used, *routes = given
        training = ctx.recipe.training
        assert self._flat is not None
        loss, correct, gradient = self.gradient(ctx, images, labels, routes)
        self._flat.step(gradient, used, training.clip, training.unsampled == "keep")
        return loss, correct

    def _replayed(self, ctx: Context, given: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        if self._graph is None:
            self._given = [x.clone() for x in given]
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._out = self._whole(ctx, self._given)
        for kept, new in zip(self._given, given, strict=True):
            kept.copy_(new, non_blocking=True)
        self._graph.replay()
        loss, correct = self._out
        return loss.clone(), correct.clone()


def parts_of(ctx: Context, images: Tensor, labels: Tensor, paths: int) -> tuple[list[Tensor], list[Tensor], float]:
    """Images and labels of each path, the images once if all paths see the same, and the factor of a path's loss."""
    sampling = ctx.recipe.sampling
    share = 1 / paths if sampling.reduce == "mean" else 1.0
    if sampling.batch == "split" and paths > 1:
        return list(images.tensor_split(paths)), list(labels.tensor_split(paths)), share
    return [images], [labels] * paths, share


def cross_entropy(ctx: Context, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The loss of a path, and the number of images that it classifies correctly."""
    logits = logits.float() if logits.dtype.itemsize < 4 else logits
    loss = F.cross_entropy(logits, labels, label_smoothing=ctx.recipe.training.label_smoothing)
    return loss, (logits.detach().argmax(1) == labels).sum()
