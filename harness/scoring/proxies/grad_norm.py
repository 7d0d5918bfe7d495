"""grad-norm: the size of the gradient of an untrained network's loss."""

from __future__ import annotations

import torch

from supernet.harness.scoring.proxies.cross_entropy import gradients, loss, weights
from supernet.harness.scoring.proxies.proxy import Look, Proxy


def grad_norm(look: Look) -> float:
    """The sum over layers of the Euclidean norm of the weights' gradient; this is not the norm of them all."""
    found = gradients(loss(look), weights(look.network))
    return float(torch.stack([gradient.norm() for gradient in found]).sum())


PROXY = Proxy(
    name="grad-norm",
    what="size of the loss gradient by the weights",
    formula="sum_l ||dL/dW_l||_2, L: mean cross-entropy, W_l: weights of a convolution or the classifier",
    source="Abdelfattah et al., ICLR 2021",
    measure=grad_norm,
    labels=True,
)
