"""A teacher: a network of one architecture, trained by itself, whose answers other paths learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from supernet.benchmarks.spaces import Arch


@dataclass(frozen=True)
class Teacher:
    """A trained network of one architecture, which does not change any more.

    Its batch norms use the statistics of each batch, as those of the paths that learn from it do.
    """

    network: nn.Module
    """It is called as a `hooks.Supernet`."""
    arch: Arch
    images: float
    """Number of images that passed forward and backward in its training; 0 if its cost is charged elsewhere."""
    seconds: float
    """Seconds of its training, whenever that was; 0 if its cost is charged elsewhere."""


Teach = Callable[[Arch, int], Teacher]
"""Maps an architecture and a number of epochs to a teacher."""
