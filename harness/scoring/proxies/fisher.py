"""fisher: how much an untrained network's loss changes if channels are removed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from supernet.harness.scoring.proxies.cross_entropy import LAYERS, gradients, loss
from supernet.harness.scoring.proxies.hooks import hooked
from supernet.harness.scoring.proxies.proxy import Look, Proxy


def fisher(look: Look) -> float:
    """The sum over channels of their saliency (Turner et al., 2020), times the weights that form a channel.

    The channels are those of the outputs of convolutions and the classifier, before batch norm.
    """
    outputs: list[tuple[int, Tensor]] = []

    def record(layer: Any, _: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append((layer.weight[0].numel(), output))

    with hooked(look.network, LAYERS, record):
        value = loss(look)
    found = gradients(value, [output for _, output in outputs])
    terms = [m * saliency(a.detach(), g).sum() for (m, a), g in zip(outputs, found, strict=True)]
    return float(torch.stack(terms).sum())


def saliency(activations: Tensor, gradient: Tensor) -> Tensor:
    """Half the mean over images of (sum over pixels of a dL/da)^2, from (n, channels, ...): (channels,)."""
    return (activations * gradient).reshape(*activations.shape[:2], -1).sum(2).square().mean(0) / 2


PROXY = Proxy(
    name="fisher",
    what="second-order effect on the loss of removing each channel",
    formula="sum_c m_c / (2n) sum_i (sum_p a_icp dL/da_icp)^2, a: output of a convolution or the classifier for "
    "image i at channel c and pixel p, L: mean cross-entropy, m_c: weights per channel",
    source="Turner et al., ICLR 2020; summed over weights as in Abdelfattah et al., ICLR 2021",
    measure=fisher,
    labels=True,
)
