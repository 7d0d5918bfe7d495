"""The two quantities by which TE-NAS prunes, of any network: super-nets with mixtures included."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


def condition_number(network: nn.Module, images: Tensor) -> float:
    """The condition number of the empirical neural tangent kernel: largest by smallest eigenvalue.

    The kernel has the inner products of the gradients of each image's summed logits by all weights but biases, as in
    the released code (`lib/procedures/ntk.py` of VITA-Group/TENAS). Batch norm couples the images, so that every
    image takes a backward pass of the whole batch. Products are summed in float64, our choice.

    Args:
        network: maps images to logits (n, classes); it is in training mode.
        images: (n, channels, height, width).

    Returns:
        The number, from 1 to infinity; infinity where the kernel is not finite or not positive definite.
    """
    weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
    sums = network(images).sum(1)
    rows = [torch.autograd.grad(total, weights, retain_graph=True, allow_unused=True) for total in sums]
    kernel = torch.zeros(len(sums), len(sums), dtype=torch.float64, device=sums.device)
    for gradients in zip(*rows, strict=True):
        if gradients[0] is not None:
            flat = torch.stack(gradients).flatten(1).double()
            kernel += flat @ flat.T
    if not torch.isfinite(kernel).all():
        return math.inf
    eigenvalues = torch.linalg.eigvalsh(kernel)
    return float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else math.inf


def linear_regions(network: nn.Module, batches: Iterable[Tensor]) -> int:
    """The number of linear regions that images fall into: of different patterns of active ReLUs.

    Args:
        network: has its ReLUs as modules, and is in training mode.
        batches: images, (n, channels, height, width) each.
    """
    active: list[Tensor] = []
    handles = [
        relu.register_forward_hook(lambda _, __, output: active.append((output > 0).flatten(1)))
        for relu in network.modules()
        if isinstance(relu, nn.ReLU)
    ]
    try:
        with torch.no_grad():
            patterns = [_patterns(network, images, active) for images in batches]
    finally:
        for handle in handles:
            handle.remove()
    return len(torch.unique(torch.cat(patterns), dim=0))


def _patterns(network: nn.Module, images: Tensor, active: list[Tensor]) -> Tensor:
    """Which units are active for each image, (n, units), bool; one that never is, if the network has no ReLU."""
    active.clear()
    network(images)
    return torch.cat(active, 1) if active else torch.zeros(len(images), 1, dtype=torch.bool)
