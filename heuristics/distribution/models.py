"""Distributions over architectures, which differentiable, Bayesian and reinforcement methods learn.

Their parameters are on the CPU: they are small, and the CPU needs the sampled architectures to launch the next step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.spaces import Arch

INITIAL_SPREAD = 1e-3
"""Standard deviation of the initial logits (quark0/darts, cnn/model_search.py)."""


class Factorised(nn.Module):
    """Independent distributions over the options of every decision, in one padded table.

    Args:
        cardinalities: number of options of each decision.
        first: number of the first option that can be chosen: 1 excludes `none` of NAS-Bench-201.
        groups: groups of decisions that are weighted against each other, such as the edges into a node (PC-DARTS);
            default: none.
    """

    def __init__(self, cardinalities: Sequence[int], first: int = 0, groups: Sequence[Sequence[int]] = ()) -> None:
        super().__init__()
        self._cardinalities = list(cardinalities)
        options = torch.arange(max(cardinalities))
        self.allowed: Tensor
        self.register_buffer(
            "allowed", (options < torch.tensor(self._cardinalities)[:, None]) & (options >= first), persistent=False
        )
        self._groups = [list(group) for group in groups]
        self.table = nn.Parameter(self._initial(self.allowed))
        self.shares = nn.Parameter(self._initial_shares()) if groups else None
        """Parameters of the weights of decisions within their groups: (decisions,)."""

    def _initial(self, allowed: Tensor) -> Tensor:
        return INITIAL_SPREAD * torch.randn(allowed.shape)

    def _initial_shares(self) -> Tensor:
        return INITIAL_SPREAD * torch.randn(len(self._cardinalities))

    def probabilities(self) -> Tensor:
        """Probability of every option, with gradients, zero for padding and excluded options: (decisions, options)."""
        raise NotImplementedError

    def _edge_weights(self) -> Tensor | None:
        """Weights of decisions within their groups, with gradients: (decisions,); None without groups."""
        raise NotImplementedError

    def weights(self) -> list[Tensor]:
        """Weights of a mixture, with gradients: (options,) for each decision."""
        return self.rows(self._weighed(self.mixture()))

    def mixture(self) -> Tensor:
        """Weights of one step's mixture, without the weights of edges: (decisions, options)."""
        return self.probabilities()

    def mean(self) -> list[Tensor]:
        """Weights of the mean mixture, for evaluation; equal at every call: (options,) for each decision."""
        with torch.no_grad():
            return self.rows(self._weighed(self.probabilities()))

    def _weighed(self, table: Tensor) -> Tensor:
        edges = self._edge_weights()
        return table if edges is None else table * edges[:, None]

    def rows(self, table: Tensor) -> list[Tensor]:
        """The padded table as one tensor for each decision."""
        return [row[:k] for row, k in zip(table.unbind(), self._cardinalities, strict=True)]

    def sample(self) -> Arch:
        with torch.no_grad():
            return tuple(torch.multinomial(self.probabilities(), 1)[:, 0].tolist())

    def log_prob(self, arch: Arch) -> Tensor:
        return self.probabilities()[torch.arange(len(arch)), torch.tensor(arch)].log().sum()

    def best(self) -> Arch:
        """The most probable option of every decision; the first one of ties."""
        return tuple(self.probabilities().argmax(1).tolist())

    def entropy(self) -> float:
        """Mean entropy of the decisions, divided by its maximum: from 0 (decided) to 1 (undecided)."""
        with torch.no_grad():
            p = self.probabilities()
            most = self.allowed.sum(1).double().log()
            return float((-torch.xlogy(p, p).sum(1)[most > 0] / most[most > 0]).mean())


class Softmax(Factorised):
    """A softmax of logits for each decision (DARTS, Liu et al., ICLR 2019)."""

    def probabilities(self) -> Tensor:
        return self.log_probabilities().exp()

    def log_probabilities(self) -> Tensor:
        """Minus infinity where there is no option: (decisions, options)."""
        return self.table.masked_fill(~self.allowed, -math.inf).log_softmax(1)

    def _edge_weights(self) -> Tensor | None:
        if self.shares is None:
            return None
        within = torch.ones_like(self.shares)
        for group in self._groups:
            within = within.index_put((torch.tensor(group),), self.shares[group].softmax(0))
        return within


class Simplex(Factorised):
    """A point on the simplex for each decision, which is the parameter itself (GAEA, Li et al., ICLR 2021)."""

    def _initial(self, allowed: Tensor) -> Tensor:
        return allowed / allowed.sum(1, keepdim=True)

    def _initial_shares(self) -> Tensor:
        shares = torch.ones(len(self._cardinalities))
        for group in self._groups:
            shares[group] = 1 / len(group)
        return shares

    def probabilities(self) -> Tensor:
        return self.table * self.allowed

    def log_probabilities(self) -> Tensor:
        """Minus infinity where there is no option: (decisions, options)."""
        # The logarithm of a masked zero would turn gradients into NaN.
        return self.table.masked_fill(~self.allowed, 1.0).log().masked_fill(~self.allowed, -math.inf)

    def _edge_weights(self) -> Tensor | None:
        return self.shares

    @torch.no_grad()
    def exponentiate(self, gradients: Sequence[Tensor], rate: float, floor: float) -> None:
        """One exponentiated-gradient step: multiply by exp(-rate g), normalise, raise to `floor`, normalise.

        The published code (liamcli/gaea_release) raises to the floor once, before normalising for mixtures and after
        it for gates. Doing both keeps sums at one and, after a step of any size, weights at or above the floor, which
        matters because the gradients of gates divide by the weights.
        """
        self.table.copy_(self._exponentiated(self.table, gradients[0], rate, floor, self.allowed))
        if self.shares is not None:
            for group in self._groups:
                shares, slopes = self.shares[group], gradients[1][group]
                self.shares[group] = self._exponentiated(shares, slopes, rate, floor, torch.ones_like(shares).bool())

    @staticmethod
    def _exponentiated(point: Tensor, gradient: Tensor, rate: float, floor: float, allowed: Tensor) -> Tensor:
        moved = point.double().log() - rate * gradient.double()  # in logarithms, because large gradients would overflow
        raised = moved.masked_fill(~allowed, -math.inf).softmax(-1).clamp(min=floor) * allowed
        return (raised / raised.sum(-1, keepdim=True)).float()


class Dirichlet(Factorised):
    """A Dirichlet distribution of mixtures for each decision, concentrations elu(a) + 1 (DrNAS, Chen et al., 2021)."""

    LEAST = 1e-3
    """Smallest concentration, our choice: draws with smaller ones can underflow."""

    def concentrations(self) -> Tensor:
        """Concentrations of all options, with gradients: (decisions, options)."""
        return (F.elu(self.table) + 1).clamp(min=self.LEAST)

    def mixture(self) -> Tensor:
        # A Dirichlet draw is gamma variates divided by their sum, which draws decisions of all sizes at once.
        gammas = torch.distributions.Gamma(self.concentrations(), torch.ones(())).rsample() * self.allowed
        return gammas / gammas.sum(1, keepdim=True)

    def probabilities(self) -> Tensor:
        """Weights of the mean mixture: (decisions, options)."""
        chosen = self.concentrations() * self.allowed
        return chosen / chosen.sum(1, keepdim=True)

    def _edge_weights(self) -> Tensor | None:
        return None


class Controller(nn.Module):
    """An LSTM that makes the decisions in order, each one given those before (ENAS, Pham et al., ICML 2018).

    Sizes, tanh constant and temperature are those of NAS-Bench-201's experiments (ENAS.py of D-X-Y/AutoDL-Projects).
    """

    HIDDEN, LAYERS, TANH, TEMPERATURE = 32, 2, 2.5, 5.0

    def __init__(self, cardinalities: Sequence[int], first: int = 0) -> None:
        super().__init__()
        self._cardinalities, self._first = list(cardinalities), first
        self.start = nn.Parameter(torch.empty(1, self.HIDDEN))
        self.lstm = nn.LSTM(self.HIDDEN, self.HIDDEN, self.LAYERS)
        self.embeddings = nn.ModuleList(nn.Embedding(k, self.HIDDEN) for k in cardinalities[:-1])
        self.heads = nn.ModuleList(nn.Linear(self.HIDDEN, k) for k in cardinalities)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def decide(self, choose: Callable[[int, Tensor], int]) -> tuple[Arch, Tensor, Tensor]:
        """An architecture, its log-probability and the summed entropy of the decisions.

        Args:
            choose: maps the number of a decision and the log-probabilities of its allowed options to one of them.
        """
        x: Tensor = self.start
        state, arch = None, []
        log_prob = entropy = torch.zeros(())
        for decision, head in enumerate(self.heads):
            h, state = self.lstm(x, state)
            logits = self.TANH * torch.tanh(head(h[-1]) / self.TEMPERATURE)
            allowed = logits[self._first :]
            log_p = allowed.log_softmax(0)
            chosen = choose(decision, log_p)
            arch.append(self._first + chosen)
            log_prob = log_prob + log_p[chosen]
            entropy = entropy - (log_p.exp() * log_p).sum()
            if decision < len(self.embeddings):
                x = self.embeddings[decision](torch.tensor(arch[-1:]))
        return tuple(arch), log_prob, entropy

    def retrace(self, arch: Arch) -> tuple[Tensor, Tensor]:
        """Log-probability of an architecture, and the summed entropy of the decisions on the way, with gradients."""
        _, log_prob, entropy = self.decide(lambda decision, _: arch[decision] - self._first)
        return log_prob, entropy

    def sample(self) -> Arch:
        with torch.no_grad():
            return self.decide(lambda _, log_p: int(torch.multinomial(log_p.exp(), 1)))[0]

    def log_prob(self, arch: Arch) -> Tensor:
        return self.retrace(arch)[0]

    def best(self) -> Arch:
        """The architecture of greedy decisions."""
        with torch.no_grad():
            return self.decide(lambda _, log_p: int(log_p.argmax()))[0]

    def entropy(self) -> float:
        """Mean entropy of the decisions that lead to the greedy architecture, divided by its maximum."""
        with torch.no_grad():
            total = self.retrace(self.best())[1]
            most = sum(math.log(k - self._first) for k in self._cardinalities)
            return float(total) / most
