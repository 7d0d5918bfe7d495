"""ntk: how evenly the weights' gradients of different images are spread, by the neural tangent kernel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.proxy import Look, Proxy


def ntk(look: Look) -> float:
    """The negative condition number of the empirical neural tangent kernel of the summed logits of all images."""
    return -condition(kernel(look.network, look.images))


def kernel(network: nn.Module, images: Tensor) -> Tensor:
    """Inner products of the gradients of each image's summed logits by all weights: (n, n), float64.

    Biases are left out, and batch norm couples the images, as in the released code (`lib/procedures/ntk.py` of
    VITA-Group/TENAS). Products are summed in float64, because the smallest eigenvalue can be a millionth of the
    largest one.

    Args:
        network: maps images to logits (n, classes); it is in training mode.
        images: (n, channels, height, width).
    """
    weights = [parameter for name, parameter in network.named_parameters() if name.endswith("weight")]
    sums = network(images).sum(1)
    rows = [torch.autograd.grad(total, weights, retain_graph=True, allow_unused=True) for total in sums]
    products = torch.zeros(len(sums), len(sums), dtype=torch.float64, device=sums.device)
    for gradients in zip(*rows, strict=True):
        there = [gradient.flatten() for gradient in gradients if gradient is not None]
        if there:  # all images or none depend on a weight
            stacked = torch.stack(there).double()
            products += stacked @ stacked.T
    return products


def condition(products: Tensor) -> float:
    """The largest eigenvalue of a symmetric matrix divided by the smallest one; NaN if that is not positive."""
    if not torch.isfinite(products).all():
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(products)
    return float(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else math.nan


PROXY = Proxy(
    name="ntk",
    what="how similar the eigenvalues of the neural tangent kernel are",
    formula="-v_max / v_min, v: eigenvalues of the inner products of the gradients of each image's summed logits by "
    "all weights without biases",
    source="Chen et al., TE-NAS, ICLR 2021; details from VITA-Group/TENAS",
    measure=ntk,
    direction="negated",
    passes="1 forward and n backward, n: number of images",
)
