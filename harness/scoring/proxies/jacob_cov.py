"""jacob_cov: how differently an untrained network reacts to changes of different images."""

from __future__ import annotations

import torch
from torch import Tensor

from supernet.harness.scoring.proxies.proxy import Look, Proxy

EPSILON = 1e-5
"""Added to eigenvalues (`jacob_cov.py` of SamsungLabs/zero-cost-nas)."""


def jacob_cov(look: Look) -> float:
    """The score of the correlations between the images' input gradients of the summed logits.

    Correlations and eigenvalues are computed in float64: the term 1/v makes the score depend on the smallest one.
    """
    return score_of(input_gradients(look))


def input_gradients(look: Look) -> Tensor:
    """Gradient of the sum of all logits by each image: (n, 3 size size). Batch norm couples the images."""
    images = look.images.clone().requires_grad_()
    (gradients,) = torch.autograd.grad(look.network(images).sum(), images)
    return gradients.flatten(1)


def score_of(gradients: Tensor) -> float:
    """The score of gradients (n, k): the sum over eigenvalues v of the correlations between rows; NaN if undefined."""
    correlations = torch.corrcoef(gradients.double())
    if not torch.isfinite(correlations).all():
        return float("nan")
    v = torch.linalg.eigvalsh(correlations) + EPSILON
    return -float((v.log() + 1 / v).sum())


PROXY = Proxy(
    name="jacob-cov",
    what="how little the input gradients of different images are correlated",
    formula="-sum_i [log(v_i + 1e-5) + 1 / (v_i + 1e-5)], v: eigenvalues of the correlations between the images' "
    "gradients of the summed logits",
    source="Mellor et al., ICML 2021 (first version, 2020); as in Abdelfattah et al., ICLR 2021",
    measure=jacob_cov,
)
