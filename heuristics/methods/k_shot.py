"""K-shot NAS: the weights of an architecture are a mixture of several weights, which depends on the architecture."""

from __future__ import annotations

import copy
import operator
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, Archs
from supernet.heuristics.hooks import Context, Method, Supernet
from supernet.heuristics.methods.apart import Several, require_single_architectures
from supernet.heuristics.registry import method


class Dictionary(Several):
    """Networks whose weights are mixed for each architecture: theta(a) = sum_k lambda_k(a) Theta_k.

    Args:
        networks: the K networks, which hold the dictionary's weights Theta_k. All passes run through the first one.
        code: maps one-hot architectures (n, options of all decisions) to logits of lambda, (n, K); None for K = 1.
        options: number of options of each decision.
    """

    def __init__(self, networks: Sequence[Supernet], code: nn.Module | None, options: Sequence[int]) -> None:
        super().__init__(networks)
        self.code, self._starts = code, np.cumsum([0, *options[:-1]]).tolist()
        self._width = sum(options)

    def coefficients(self, arch: Arch) -> Tensor:
        """Return lambda(a), on the simplex: (K,)."""
        like = next(self._networks[0].parameters())
        if self.code is None:
            return torch.ones(1, device=like.device)
        if not all(isinstance(option, int) for option in arch):
            raise UserError("The method k-shot computes single architectures, the same one in all cells.")
        places = [start + option for start, option in zip(self._starts, arch, strict=True)]
        one_hot = torch.zeros(1, self._width, device=like.device)
        one_hot[0, places] = 1
        with torch.autocast(like.device.type, enabled=False):
            mixture: Tensor = self.code(one_hot)[0].softmax(0)
        return mixture

    def mixed(self, arch: Arch) -> dict[str, Tensor]:
        """Return the weights of an architecture: name within a network -> tensor."""
        shares = self.coefficients(arch).unbind()
        named = [dict(network.named_parameters()) for network in self._networks]
        return {
            name: reduce(operator.add, (share * weights[name] for share, weights in zip(shares, named, strict=True)))
            for name in named[0]
        }

    def forward(self, x: Tensor, routing: Any, features: list[Tensor] | None = None) -> Tensor:
        logits: Tensor = functional_call(self._networks[0], self.mixed(routing), (x, routing, features))
        return logits

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """See `Supernet.logits_of`."""
        # Threads score at the same time, and must not replace the weights of the same module.
        network = copy.deepcopy(self._networks[0])
        for arch in archs:
            yield functional_call(network, self.mixed(arch), (x, arch))

    def weight_sets(self, archs: Archs) -> NDArray[np.int64]:
        """Return the architectures themselves, since each has weights of its own; no columns for K = 1."""
        return np.asarray(archs if self.code is not None else np.zeros((len(archs), 0)), dtype=np.int64)


@method("k-shot")
class KShot(Method):
    """Mixes the weights of each architecture from a dictionary of K weights (K-shot NAS, Su et al., ICML 2021).

    From the paper: theta(a) = sum_k lambda_k(a) Theta_k, where lambda(a) is a point on the simplex that a small network
    computes from the architecture, and the dictionary and this network are both trained by gradients. Our choice, since
    there is no released code: the network has one hidden layer and a softmax, both are trained in every step (the paper
    alternates), one lambda is for all layers, and Theta_1 has the weights of the super-net while the others add noise,
    without which all would stay equal. Mixing costs time in proportion to K that the ledger does not count, since the
    images pass only once.
    """

    count: int = 4
    """Number K of weights in the dictionary; 1 is the super-net alone."""
    hidden: int = 16
    """Units of the hidden layer."""
    noise: float = 0.1
    """Standard deviation of the initial noise, in standard deviations of each tensor of weights."""
    rate: float = 1.0
    """Factor of the learning rate of the network that computes the mixture."""

    def __post_init__(self) -> None:
        if not (1 <= self.count <= 16 and 1 <= self.hidden <= 1000 and 0 < self.noise <= 10 and self.rate > 0):
            raise ValueError("count must lie in 1 to 16, hidden in 1 to 1000, noise in (0, 10], and rate be above 0")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        require_single_architectures("k-shot", ctx)
        options = ctx.space.cardinalities.tolist()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(ctx.recipe.seed)
            networks = [network, *(self._copy(network) for _ in range(self.count - 1))]
            layers = (nn.Linear(sum(options), self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.count))
        device = next(network.parameters()).device
        return Dictionary(networks, nn.Sequential(*layers).to(device) if self.count > 1 else None, options)

    @torch.no_grad()
    def _copy(self, network: Supernet) -> Supernet:
        """Return a copy of a network with noise on its weights."""
        copied = copy.deepcopy(network)
        for p in copied.parameters():
            if p.numel() > 1:
                p.add_(self.noise * p.std() * torch.randn(p.shape).to(p))
        return copied

    def parameter_groups(self, ctx: Context) -> list[dict[str, Any]]:
        codes = [m.code for m in ctx.network.modules() if isinstance(m, Dictionary) and m.code is not None]
        parameters = [p for code in codes for p in code.parameters()]
        return [{"params": parameters, "scale": self.rate, "weight_decay": 0.0}] if parameters else []
