"""zico: how large the gradients of the weights are, compared with how much they differ between batches."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.harness.scoring.proxies.proxy import Look, Proxy

LEAST = 4
"""Fewest images: batch norm needs two in each batch."""


def zico(look: Look) -> float:
    """The ZiCo of the gradients of two batches, which are the halves of the images; NaN with fewer than 4 images."""
    if len(look.images) < LEAST:
        return math.nan
    weights = [part.weight for part in look.network.modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    batches = [
        torch.autograd.grad(F.cross_entropy(look.network(images), labels), weights, allow_unused=True)
        for images, labels in zip(look.images.chunk(2), look.labels.chunk(2), strict=True)
    ]
    return score_of(zip(*batches, strict=True))


def score_of(layers: Iterable[Sequence[Tensor | None]]) -> float:
    """The score of the gradients of each layer's weights: for each layer one tensor for each batch, of equal shapes.

    Weights whose gradients are equal in all batches are left out, and layers that have no others, as in the released
    code. A layer that the loss does not depend on has None.
    """
    logarithms = []
    for layer in layers:
        there = [gradient for gradient in layer if gradient is not None]
        if there:
            gradients = torch.stack(there).double()
            deviations = gradients.std(0, unbiased=False)
            varies = deviations > 0
            total = float((gradients.abs().mean(0)[varies] / deviations[varies]).sum())
            if total > 0:
                logarithms.append(math.log(total))
    return sum(logarithms) if logarithms else math.nan


PROXY = Proxy(
    name="zico",
    what="size of the gradients of the weights, divided by their standard deviation between batches",
    formula="sum_l log sum_w [mean_b |g_bw| / std_b g_bw], g_bw: gradient of the cross-entropy of batch b by weight w "
    "of the convolution or linear layer l; two batches, the halves of the images",
    source="Li et al., ICLR 2023; details from SLDGroup/ZiCo",
    measure=zico,
    labels=True,
    init="torch",
)
