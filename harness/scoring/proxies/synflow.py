"""synflow: the synaptic flow through an untrained network of absolute weights, without any image."""

from __future__ import annotations

from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.cross_entropy import gradients, weights
from supernet.harness.scoring.proxies.proxy import Look, Proxy

N = TypeVar("N", bound=nn.Module)


def synflow(look: Look) -> float:
    """The sum over weights of |w dR/dw|, where R is the sum of logits for an image of ones (Tanaka et al., 2020)."""
    network = linearised(look.network)
    ones = torch.ones_like(look.images[:1], dtype=torch.float64)
    return flow(network(ones).sum(), weights(network))


def linearised(network: N) -> N:
    """A copy in float64 with absolute weights and biases, in which batch norm does nothing."""
    copy = deepcopy(network).double()
    for module in list(copy.modules()):
        for name, part in module.named_children():
            if isinstance(part, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.abs_()
    return copy


def flow(total: Tensor, parameters: list[Tensor]) -> float:
    """The sum of |w dR/dw| over all weights."""
    found = gradients(total, parameters)
    return float(torch.stack([(w.detach() * g).abs().sum() for w, g in zip(parameters, found, strict=True)]).sum())


PROXY = Proxy(
    name="synflow",
    what="flow of an image of ones through the network of absolute weights",
    formula="sum_w |w dR/dw|, R: sum of the logits for one image of ones, with |w| in place of w and no batch norm; "
    "weights of convolutions and the classifier, in float64",
    source="Tanaka et al., NeurIPS 2020; as in Abdelfattah et al., ICLR 2021, but without batch norm in the residual "
    "blocks of NAS-Bench-201 as well",
    measure=synflow,
    passes="1 forward and 1 backward of 1 image",
)
