"""GraSP: how removing its weights changes an untrained network's gradient flow."""

from __future__ import annotations

import torch

from supernet.harness.scoring.proxies.cross_entropy import gradients, loss, weights
from supernet.harness.scoring.proxies.proxy import Look, Proxy


def grasp(look: Look) -> float:
    """The sum of -w (H g) over weights, for gradient g and Hessian H of the loss (Wang et al., 2020).

    There is no temperature, as in Abdelfattah et al. Batch norm makes the loss indifferent to the scale of a
    convolution before it, for which w (H g) is then the negative squared norm of its own gradient: all
    terms but those of layers without batch norm are positive.
    """
    parameters = weights(look.network)
    first = gradients(loss(look), parameters, differentiable=True)
    flow = torch.stack([(g * g.detach()).sum() for g in first]).sum()
    second = gradients(flow, parameters)
    return -float(torch.stack([(w.detach() * h).sum() for w, h in zip(parameters, second, strict=True)]).sum())


PROXY = Proxy(
    name="grasp",
    what="first-order effect on the gradient's squared norm of removing all weights",
    formula="-sum_w w (H g)_w, g and H: gradient and Hessian of the mean cross-entropy by the weights w of "
    "convolutions and the classifier",
    source="Wang et al., ICLR 2020; sign and sum as in Abdelfattah et al., ICLR 2021",
    measure=grasp,
    labels=True,
    passes="1 forward and 3 backward",
    backward=3,
)
