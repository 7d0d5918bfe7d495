"""A teacher: a network of one architecture, trained by itself, whose answers other paths learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from supernet.benchmarks.spaces import Arch


@dataclass(frozen=True)
class Teacher:
    """A trained network of one architecture, in evaluation mode and without gradients."""

    network: nn.Module
    """It is called as a `hooks.Supernet`."""
    arch: Arch
    images: float
    """Number of images that passed forward and backward in its training; 0 if its cost is charged elsewhere."""


Teach = Callable[[Arch, int], Teacher]
"""Maps an architecture and a number of epochs to a teacher."""
