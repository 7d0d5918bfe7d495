"""zen: how much the features of a network with Gaussian weights change when its random input is perturbed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.hooks import hooked
from supernet.harness.scoring.proxies.proxy import Look, Proxy

GAMMA = 0.01
"""Size of the perturbation (`compute_zen_score.py` of idstcv/ZenNAS)."""


def zen(look: Look) -> float:
    """The Zen-score (algorithm 1 of the paper) of one draw of weights and of as many random inputs as there are images.

    The features are those before the average over pixels. The released code takes the mean over 32 draws of weights,
    each with 16 inputs: these are draws of the score. Its running averages of the variances have their initial
    value 1 mixed in, which fades with the draws; here the variances are those of the batch, as in the paper. A batch
    norm whose input is constant, as that of a dead operation can be, has no logarithm and is left out. As in the
    released code for NAS-Bench-201, residual links stay.
    """
    variances: list[Tensor] = []

    def note(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        variances.append(inputs[0].var((0, 2, 3)).mean())

    first, second = look.noise(2, *look.images.shape)
    with torch.no_grad():
        with hooked(look.network, nn.BatchNorm2d, note):
            features = look.network.pre_classifier(first)
        change = look.network.pre_classifier(first + GAMMA * second) - features
    return score_of(change, torch.stack(variances))


def score_of(change: Tensor, variances: Tensor) -> float:
    """The score of the change of the features (n, c, h, w) and of the mean variance of each batch norm's input (k,)."""
    scales = variances.double().sqrt()
    return float(change.double().abs().sum((1, 2, 3)).mean().log() + scales[scales > 0].log().sum())


PROXY = Proxy(
    name="zen",
    what="how much the features change when a random input is perturbed, corrected for the scaling by batch norm",
    formula="log mean_x ||f(x) - f(x + 0.01 e)||_1 + sum_l log sqrt(mean_c var_lc), f: features before the average "
    "over pixels; x, e and weights from N(0, 1); var_lc: variance of channel c of the input of batch norm l",
    source="Lin et al., ICCV 2021; constants from idstcv/ZenNAS",
    measure=zen,
    init="gaussian",
    passes="2 forward",
)
