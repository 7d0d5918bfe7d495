"""The two quantities by which TE-NAS prunes, of any network: super-nets with mixtures included."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.hooks import hooked
from supernet.harness.scoring.proxies.ntk import condition, kernel
from supernet.harness.scoring.proxies.regions import distinct


def condition_number(network: nn.Module, images: Tensor) -> float:
    """The condition number of the empirical neural tangent kernel: largest by smallest eigenvalue.

    See `ntk.kernel`. Batch norm couples the images, so that every image takes a backward pass of the whole batch.

    Args:
        network: maps images to logits (n, classes); it is in training mode.
        images: (n, channels, height, width).

    Returns:
        The number, from 1 to infinity; infinity where the kernel is not finite or not positive definite.
    """
    found = condition(kernel(network, images))
    return math.inf if math.isnan(found) else found


def linear_regions(network: nn.Module, batches: Iterable[Tensor]) -> int:
    """The number of linear regions that images fall into: of different patterns of active ReLUs.

    Args:
        network: has its ReLUs as modules, and is in training mode.
        batches: images, (n, channels, height, width) each.
    """
    active: list[Tensor] = []

    def note(relu: nn.ReLU, _: tuple[Tensor, ...], output: Tensor) -> None:
        active.append((output > 0).flatten(1))

    with hooked(network, nn.ReLU, note), torch.no_grad():
        return distinct(torch.cat([_patterns(network, images, active) for images in batches]))


def _patterns(network: nn.Module, images: Tensor, active: list[Tensor]) -> Tensor:
    """Which units are active for each image, (n, units), bool; one that never is, if the network has no ReLU."""
    active.clear()
    network(images)
    return torch.cat(active, 1) if active else torch.zeros(len(images), 1, dtype=torch.bool)
