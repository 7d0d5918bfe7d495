"""The cross-entropy of an untrained network's predictions, and its gradients."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from supernet.harness.scoring.proxies.proxy import Look

LAYERS = (nn.Conv2d, nn.Linear)
"""The kinds of layers that training-free scores look at."""


def layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """The convolutions and linear layers."""
    return [part for part in network.modules() if isinstance(part, LAYERS)]


def weights(network: nn.Module) -> list[Tensor]:
    """The weights of convolutions and linear layers, without biases."""
    return [layer.weight for layer in layers(network)]


def loss(look: Look) -> Tensor:
    """The mean cross-entropy of the images' labels."""
    return F.cross_entropy(look.network(look.images), look.labels)


def gradients(value: Tensor, inputs: Sequence[Tensor], *, differentiable: bool = False) -> tuple[Tensor, ...]:
    """The gradient by each input, 0 where the value does not depend on it. No parameter's `grad` is touched.

    Args:
        differentiable: whether gradients of these gradients are wanted.
    """
    return torch.autograd.grad(value, inputs, create_graph=differentiable, allow_unused=True, materialize_grads=True)
