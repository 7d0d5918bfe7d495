"""SWAP: how many different reactions to the images an untrained network's ReLU units have."""

from __future__ import annotations

import torch
from torch import Tensor

from supernet.harness.scoring.proxies.activations import each_relu
from supernet.harness.scoring.proxies.proxy import Look, Proxy

WORD = 64
"""Images whose states are packed into one integer."""


def swap(look: Look) -> float:
    """The number of distinct sample-wise activation patterns (Peng et al., 2024), not regularised by model size.

    The score exceeds neither the number of units nor 2^n for n images: with many images it comes close to a count of
    units, and with few all patterns occur. The released code uses 16 images, and averages over 32 draws of weights.
    """
    words: list[Tensor] = []
    each_relu(look, lambda active: words.append(packed(active)))
    return float(distinct(torch.cat(words, 1))) if words else float("nan")


def packed(active: Tensor) -> Tensor:
    """The states of each unit for all images as bits, from booleans (n, units): integers (words, units)."""
    rows = []
    for images in active.split(WORD):
        word = torch.zeros_like(images[0], dtype=torch.int64)
        for bit, states in enumerate(images):
            word |= states.long() << bit
        rows.append(word)
    return torch.stack(rows)


def distinct(words: Tensor) -> int:
    """Number of distinct columns of integers (words, units)."""
    numbers = torch.zeros_like(words[0])
    count = 1
    for word in words:
        values, place = torch.unique(word, return_inverse=True)
        found, numbers = torch.unique(numbers * len(values) + place, return_inverse=True)
        count = len(found)
    return count


PROXY = Proxy(
    name="swap",
    what="number of different patterns in which ReLU units are active over the images",
    formula="|{(1[x_u(i) > 0])_i : u}|, u: ReLU unit of any layer, i: image",
    source="Peng et al., ICLR 2024; weights from N(0, 1) as in their released code; without the regularisation by "
    "the number of parameters",
    measure=swap,
    unit="patterns",
    init="gaussian",
    passes="1 forward",
)
