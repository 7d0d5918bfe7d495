"""Which ReLU units an untrained network activates for each image."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.hooks import hooked
from supernet.harness.scoring.proxies.proxy import Look


def each_relu(look: Look, see: Callable[[Tensor], None]) -> None:
    """One forward pass, in which `see` gets the active units of each ReLU in turn: booleans (n, units)."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        see((output > 0).flatten(1))

    with hooked(look.network, nn.ReLU, hook), torch.no_grad():
        look.network(look.images)
