"""SNIP: how much an untrained network's loss changes if its weights are removed."""

from __future__ import annotations

import torch

from supernet.harness.scoring.proxies.cross_entropy import gradients, loss, weights
from supernet.harness.scoring.proxies.proxy import Look, Proxy


def snip(look: Look) -> float:
    """The sum of all connection sensitivities |w dL/dw| (Lee et al., 2019), not normalised."""
    parameters = weights(look.network)
    found = gradients(loss(look), parameters)
    return float(torch.stack([(w.detach() * g).abs().sum() for w, g in zip(parameters, found, strict=True)]).sum())


PROXY = Proxy(
    name="snip",
    what="first-order effect on the loss of removing each weight",
    formula="sum_w |w dL/dw|, L: mean cross-entropy, w: weight of a convolution or the classifier",
    source="Lee et al., ICLR 2019; summed as in Abdelfattah et al., ICLR 2021",
    measure=snip,
    labels=True,
)
