"""What a training-free score is: a number that an untrained network gives, and where it is from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from supernet.harness.supernet.plain.network import PlainNetwork
from supernet.harness.supernet.plain.pool import Init


@dataclass(frozen=True, eq=False)
class Look:
    """An untrained network, and the images at which it is looked at."""

    network: PlainNetwork
    """In training mode. Its weights are to be left as they are; gradients of its parameters are None."""
    images: Tensor
    """(n, 3, size, size), normalised."""
    labels: Tensor
    """(n,)"""
    classes: int
    seed: int
    """Seed of whatever is drawn besides the weights."""

    def generator(self) -> torch.Generator:
        """Random numbers of the draw, on the CPU; the same for all architectures."""
        return torch.Generator().manual_seed(self.seed)

    def noise(self, *shape: int) -> Tensor:
        """N(0, 1) on the images' device, the same in every call with this shape."""
        drawn = torch.randn(*shape, generator=self.generator()).to(self.images.device)
        return drawn.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else drawn


Measure = Callable[[Look], float]
"""The score of a network: higher is better. It is NaN or infinite where the definition gives nothing."""


@dataclass(frozen=True, eq=False)
class Proxy:
    """A training-free score."""

    name: str
    what: str
    """One line that says what it measures."""
    formula: str
    source: str
    """The paper, and the released code where a detail is from there."""
    measure: Measure
    unit: str = "none"
    direction: Literal["as published", "negated"] = "as published"
    """Whether the published quantity is better where it is higher, or its sign was changed to make it so."""
    labels: bool = False
    """Whether it looks at the labels of the images."""
    init: Init = "kaiming"
    """How weights are drawn, where the definition is not indifferent to it."""
    passes: str = "1 forward and 1 backward"
    """What it costs, in passes of its images through the network."""
    backward: float | None = None
    """Backward passes for each forward pass, where not all of them go back to the first module of the network."""
