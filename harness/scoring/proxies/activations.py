"""Which ReLU units an untrained network activates for each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.proxy import Look


def each_relu(look: Look, see: Callable[[Tensor], None]) -> None:
    """One forward pass, in which `see` gets the active units of each ReLU in turn: booleans (n, units)."""

    def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
        see((output > 0).flatten(1))

    handles = [part.register_forward_hook(hook) for part in look.network.modules() if isinstance(part, nn.ReLU)]
    try:
        with torch.no_grad():
            look.network(look.images)
    finally:
        for handle in handles:
            handle.remove()
