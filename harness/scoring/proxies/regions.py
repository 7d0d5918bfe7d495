"""regions: the number of linear regions of a network that small random patches of the images fall into."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from supernet.harness.scoring.proxies.hooks import hooked
from supernet.harness.scoring.proxies.proxy import Look, Proxy

BATCHES, PATCHES = 3, 1000
"""Number of batches, and of patches in each (`prune_tenas.py` of VITA-Group/TENAS)."""
SIDE = 4
"""Pixels per side of a patch. The released code has 3, of which two halvings leave nothing in NAS-Bench-101."""


def regions(look: Look) -> float:
    """The number of different patterns of active ReLUs over 3,000 patches of one colour.

    With all channels of a network almost every patch has a pattern of its own. The released code therefore looks at
    a network with a single channel in its first stage; here the patterns are those of the first channel of every ReLU.
    """
    inputs = patches(look)
    with torch.no_grad():
        return float(distinct(torch.cat([patterns(look, batch) for batch in inputs.chunk(BATCHES)])))


def patches(look: Look) -> Tensor:
    """Random patches of the images, each one colour of one image, in the first input channel: (3000, 3, 4, 4)."""
    windows = look.images.unfold(2, SIDE, 1).unfold(3, SIDE, 1)  # (n, 3, rows, columns, side, side)
    generator, count = look.generator(), BATCHES * PATCHES
    places = [torch.randint(most, (count,), generator=generator).to(windows.device) for most in windows.shape[:4]]
    found = torch.zeros(count, 3, SIDE, SIDE, device=windows.device)
    found[:, 0] = windows[tuple(places)]
    return found.contiguous(memory_format=torch.channels_last)


def patterns(look: Look, inputs: Tensor) -> Tensor:
    """Which of the pixels of the first channel of every ReLU are positive: (n, units), bool."""
    active: list[Tensor] = []

    def note(relu: nn.ReLU, _: tuple[Tensor, ...], output: Tensor) -> None:
        active.append((output[:, 0] > 0).flatten(1))

    with hooked(look.network, nn.ReLU, note):
        look.network(inputs)
    return torch.cat(active, 1)


def distinct(codes: Tensor) -> int:
    """The number of different rows of (n, k)."""
    return len(torch.unique(codes, dim=0))


PROXY = Proxy(
    name="regions",
    what="number of linear regions that random patches of the images fall into",
    formula="number of different patterns of active ReLUs (first channel of each) over 3,000 patches of 4 x 4 pixels "
    "and one colour, in batches of 1,000",
    source="Chen et al., TE-NAS, ICLR 2021; details from VITA-Group/TENAS",
    measure=regions,
    unit="regions",
    passes="3 forward, of 1,000 patches of 4 x 4 pixels each",
)
