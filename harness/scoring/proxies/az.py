"""The three parts of AZ-NAS that need a network: expressivity, progressivity and trainability.

AZ-NAS ranks architectures by the sum of log(rank / n) of these three scores and of the multiply-accumulates, the count
`flops`. Constants are those of the released code (`compute_az_nas_score.py` of cvlab-yonsei/AZ-NAS).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.harness.scoring.proxies.proxy import Look, Proxy
from supernet.harness.supernet.plain.network import PlainNetwork

IN_LOGARITHM = 1e-8
"""Added to the shares of eigenvalues."""
IN_RATIO = 1e-6
"""Added to the largest singular value where it is divided by."""


def expressivity(look: Look) -> float:
    """The sum over the features after the stem and each block of the entropy of their principal components."""
    return float(entropies(look).sum())


def progressivity(look: Look) -> float:
    """The least increase of the entropy of the principal components from one block to the next."""
    return float(entropies(look).diff().min())


def trainability(look: Look) -> float:
    """The mean over blocks of how close the block comes to keeping the size of a random gradient.

    It is minus infinity if a block hands gradients on unchanged, and NaN if a block does not depend on its input.
    """
    generator, found = look.generator(), []
    for number, (x, y) in enumerate(steps(look)):
        if number:  # after the stem
            if not y.requires_grad:
                return math.nan
            signs = torch.randint(2, y.shape, generator=generator).mul(2).sub(1).to(y)
            (back,) = torch.autograd.grad(y, x, signs)
            found.append(kept(back, signs))
    return sum(found) / len(found)


def steps(look: Look) -> Iterator[tuple[Tensor, Tensor]]:
    """The input and the output of the stem and of each block, for a random input: features (n, c, h, w).

    The graph of an output ends at the input of its block. Of the two inputs of a DARTS cell, this is the output of the
    block before; the other one is constant.
    """
    before = [look.noise(*look.images.shape)]
    for numbers in blocks(look.network):
        x = before[-1].detach().requires_grad_()
        seen = [*(y.detach() for y in before[:-1]), x]
        for number in numbers:
            seen.append(look.network.step(number, seen))
        yield x, seen[-1]
        before = [before[-1], seen[-1]]


def blocks(network: PlainNetwork) -> list[list[int]]:
    """The numbers of the modules of the stem, each cell and each reduction.

    Max-pooling between two stages belongs to the cell that follows.
    """
    found: list[list[int]] = [[]]
    for number, block in enumerate(network.blocks):
        found[-1].append(number)
        if not isinstance(block, nn.MaxPool2d):
            found.append([])
    return found[:-1]


@torch.no_grad()
def entropies(look: Look) -> Tensor:
    """The entropy of the features after the stem and each block: (1 + blocks,), float64."""
    return torch.stack([entropy(y) for _, y in steps(look)])


def entropy(features: Tensor) -> Tensor:
    """The entropy of the shares of the principal components in the variance of features (n, c, h, w).

    It is at most log c. Eigenvalues are computed in float64, and those below 0 by rounding count as 0.
    """
    rows = features.permute(0, 2, 3, 1).flatten(0, 2).double()
    rows = rows - rows.mean(0)
    eigenvalues = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).clamp_min(0)
    shares = eigenvalues / eigenvalues.sum()
    return -(shares * (shares + IN_LOGARITHM).log()).sum()


def kept(back: Tensor, signs: Tensor) -> float:
    """How close the transpose of a block's Jacobian is to keeping sizes: 0 at best.

    Args:
        back: gradients (n, c, s h, s w) by the input of the block.
        signs: the random gradients (n, d, h, w) by its output, each 1 or -1.
    """
    if back.shape == signs.shape and torch.equal(back, signs):
        return -math.inf
    stride = back.shape[2] // signs.shape[2]
    if stride > 1:
        back = F.pixel_unshuffle(back, stride)
    rows, columns = (t.permute(0, 2, 3, 1).flatten(0, 2) for t in (back, signs))
    largest = float(torch.linalg.matrix_norm(rows.T @ columns / len(rows), 2))
    return 2 - largest - 1 / (largest + IN_RATIO)


SOURCE = "Lee and Ham, CVPR 2024; details from cvlab-yonsei/AZ-NAS"
PROXIES = (
    Proxy(
        name="az-expressivity",
        what="how evenly features spread over their principal components",
        formula="sum_l H_l, H_l = -sum_i p_i log(p_i + 1e-8): entropy of the shares p_i of the eigenvalues of the "
        "channels' covariance after the stem or block l, for an input from N(0, 1)",
        source=SOURCE,
        measure=expressivity,
        passes="1 forward",
    ),
    Proxy(
        name="az-progressivity",
        what="least increase from block to block of how evenly features spread over their principal components",
        formula="min_l (H_l - H_(l-1)), H_l: the entropies of az-expressivity",
        source=SOURCE,
        measure=progressivity,
        passes="1 forward",
    ),
    Proxy(
        name="az-trainability",
        what="how close blocks come to keeping the size of a random gradient",
        formula="mean_l [2 - s_l - 1 / (s_l + 1e-6)], s_l: largest singular value of the mean over pixels of the outer "
        "products of the gradient by the input of block l and the random signs by its output",
        source=SOURCE,
        measure=trainability,
        backward=1,
    ),
)
