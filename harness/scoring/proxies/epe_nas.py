"""epe-nas: how little the input gradients of images of the same class are correlated."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from supernet.harness.scoring.proxies.jacob_cov import input_gradients
from supernet.harness.scoring.proxies.proxy import Look, Proxy

EPSILON = 1e-5
"""Added to absolute correlations (`search.py` of VascoLopes/EPE-NAS)."""
MANY = 100
"""Most classes for which the classes' values are added; with more, their differences are."""


def epe_nas(look: Look) -> float:
    """The score of the input gradients of the summed logits, class by class."""
    return score_of(input_gradients(look), look.labels, look.classes)


def score_of(gradients: Tensor, labels: Tensor, classes: int) -> float:
    """The score of gradients (n, k) of images with labels (n,); NaN where a correlation is not defined.

    Args:
        classes: number of classes of the task. With more than 100, each class counts by its mean over the rows of its
            correlations, and classes with one image are left out, as in the released code.
    """
    values = []
    for label in labels.unique():
        rows = gradients[labels == label].double()
        if len(rows) > 1:
            value = (torch.corrcoef(rows).abs() + EPSILON).log().sum()
            values.append(value / len(rows) if classes > MANY else value)
        elif classes <= MANY:
            values.append(torch.tensor(math.log1p(EPSILON), dtype=torch.float64, device=gradients.device))
    if not values:
        return math.nan
    found = torch.stack(values)
    return float(found.abs().sum() if classes <= MANY else (found[:, None] - found).abs().sum() / len(found))


PROXY = Proxy(
    name="epe-nas",
    what="how little the input gradients of images of the same class are correlated",
    formula="sum_c |s_c|, s_c: sum of log(|r| + 1e-5) over the correlations r between the gradients of the summed "
    "logits by the images of class c; with more than 100 classes sum_cd |s_c / n_c - s_d / n_d| / number of classes, "
    "n_c: images of class c",
    source="Lopes et al., 2021 (arXiv 2102.08099); details from VascoLopes/EPE-NAS",
    measure=epe_nas,
    labels=True,
)
