"""NASWOT: how differently an untrained network's ReLU units react to different images."""

from __future__ import annotations

import torch
from torch import Tensor

from supernet.harness.scoring.proxies.activations import each_relu
from supernet.harness.scoring.proxies.proxy import Look, Proxy


def naswot(look: Look) -> float:
    """The log-determinant of the agreements between the binary codes of the images (Mellor et al., 2021).

    The released code uses 128 images, and weights as torch draws them.
    """
    count = len(look.images)
    total = torch.zeros(count, count, dtype=torch.float64, device=look.images.device)

    def see(active: Tensor) -> None:
        total.add_(agreements(active))

    each_relu(look, see)
    return log_determinant(total)


def agreements(active: Tensor) -> Tensor:
    """Number of units that are in the same state for two images, from booleans (n, units): (n, n), float64.

    The product of signs is the number of units that agree, less the number of those that do not. Float32 holds it
    exactly up to 2^24 units.
    """
    signs = active.float().mul_(2).sub_(1)
    return ((signs @ signs.T).double() + active.shape[1]) / 2


def log_determinant(kernel: Tensor) -> float:
    """Log-determinant of a positive semi-definite kernel (n, n); NaN if it is singular up to rounding."""
    v = torch.linalg.eigvalsh(kernel)
    rounding = len(kernel) * torch.finfo(v.dtype).eps * float(v[-1])
    return float(v.log().sum()) if float(v[0]) > rounding else float("nan")


PROXY = Proxy(
    name="naswot",
    what="how much the binary ReLU codes of different images differ",
    formula="log det K, K_ij: number of ReLU units, of all layers, that are active for both images i and j or for "
    "neither",
    source="Mellor et al., ICML 2021; as in their released code, with all ReLU modules of the network",
    measure=naswot,
    passes="1 forward",
)
