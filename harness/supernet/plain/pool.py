"""Modules by name, each with weights drawn from a seed and its own name."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import nn

Init = Literal["kaiming", "torch", "gaussian"]
"""How weights are drawn: convolutions from Kaiming's normal distribution with fan-in (He et al., 2015); by torch's own
rules; or convolutions and linear layers from N(0, 1), as Zen-NAS has it. Batch norm starts at 1 and 0."""
M = TypeVar("M", bound=nn.Module)


class Pool:
    """Makes each module the first time that it is asked for, and gives the same one from then on.

    Networks that take their modules from one pool share weights: together they are a super-net. The weights of a module
    depend on the seed and its name alone, not on the order in which modules are asked for.

    Args:
        seed: seed of all weights.
        init: how they are drawn.
        device: where modules live.
    """

    def __init__(self, seed: int, init: Init = "kaiming", device: torch.device | str = "cpu") -> None:
        self._seed, self._init, self._device = seed, init, device
        self._made: dict[str, nn.Module] = {}

    def get(self, name: str, make: Callable[[], M]) -> M:
        """The module of this name, made by `make` if there is none yet."""
        found = self._made.get(name)
        if found is None:
            with torch.random.fork_rng(devices=[]):
                numbers = np.random.SeedSequence([self._seed, zlib.crc32(name.encode())])
                torch.default_generator.manual_seed(int(numbers.generate_state(1, np.uint64)[0] >> 1))
                found = make()
                initialise(found, self._init)
            found = found.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            self._made[name] = found
        return found  # type: ignore[return-value]  # a name stands for one kind of module


def initialise(module: nn.Module, init: Init) -> None:
    """Draw the weights of a module and its parts from torch's global generator."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and init == "kaiming":
            nn.init.kaiming_normal_(part.weight, mode="fan_in")
        elif isinstance(part, nn.Conv2d | nn.Linear) and init == "gaussian":
            nn.init.normal_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
