"""Distributions over architectures: what differentiable, Bayesian and reinforcement methods learn.

All of them lie on the host: they are small, and what is drawn from them decides what runs next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.spaces import Arch

INITIAL_SPREAD = 1e-3
"""Standard deviation of logits at first (quark0/darts, cnn/model_search.py)."""


class Factorised(nn.Module):
    """A distribution of every decision on its own, in one padded table.

    Args:
        cardinalities: options of each decision.
        first: options below are never chosen: 1 excludes `none` of NAS-Bench-201.
        groups: decisions whose weights are themselves weighed against each other, none by default (the edges into a
            node, PC-DARTS).
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
        member = [any(decision in group for group in groups) for decision in range(len(cardinalities))]
        self._grouped = torch.tensor(member)
        self.shares = nn.Parameter(self._initial_shares()) if groups else None
        """Of each decision within its group: (decisions,)."""

    def _initial(self, allowed: Tensor) -> Tensor:
        return INITIAL_SPREAD * torch.randn(allowed.shape)

    def _initial_shares(self) -> Tensor:
        return INITIAL_SPREAD * torch.randn(len(self._cardinalities))

    def probabilities(self) -> Tensor:
        """Of every option, with gradients; zero where there is none: (decisions, options)."""
        raise NotImplementedError

    def _edge_weights(self) -> Tensor | None:
        """Of decisions within their groups, with gradients: (decisions,)."""
        raise NotImplementedError

    def weights(self) -> list[Tensor]:
        """Weights of a mixture, with gradients: (options,) for each decision."""
        return self.rows(self._weighed(self.mixture()))

    def mixture(self) -> Tensor:
        """Weights of one step's mixture before edges are weighed: (decisions, options)."""
        return self.probabilities()

    def mean(self) -> list[Tensor]:
        """Weights of the mixture to be measured, the same at every call: (options,) for each decision."""
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
        """The likeliest option of every decision, the first of equals."""
        return tuple(self.probabilities().argmax(1).tolist())

    def entropy(self) -> float:
        """Mean entropy of the decisions as a share of its largest value: 1 is undecided, 0 decided."""
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
    """A point of the simplex for each decision, itself the parameter (GAEA, Li et al., ICLR 2021)."""

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
        # The logarithm of a masked zero would turn gradients into no numbers.
        return self.table.masked_fill(~self.allowed, 1.0).log().masked_fill(~self.allowed, -math.inf)

    def _edge_weights(self) -> Tensor | None:
        return self.shares

    @torch.no_grad()
    def exponentiate(self, gradients: Sequence[Tensor], rate: float, floor: float) -> None:
        """One exponentiated-gradient step: multiply by exp(-rate g), raise to `floor`, normalise.

        The order is that of the published code (liamcli/gaea_release); least weights are so `floor` over the sum.
        """
        updated = self._exponentiated(self.table, gradients[0], rate, floor, self.allowed)
        self.table.copy_(updated / updated.sum(1, keepdim=True))
        if self.shares is not None:
            updated = self._exponentiated(self.shares, gradients[1], rate, floor, self._grouped)
            for group in self._groups:
                self.shares[group] = (updated[group] / updated[group].sum()).float()

    @staticmethod
    def _exponentiated(point: Tensor, gradient: Tensor, rate: float, floor: float, allowed: Tensor) -> Tensor:
        factor = (-rate * gradient.double()).exp()  # in float32 a gradient of some hundreds would overflow
        return (point * factor).clamp(min=floor) * allowed


class Dirichlet(Factorised):
    """A Dirichlet distribution of mixtures for each decision, concentrations elu(a) + 1 (DrNAS, Chen et al., 2021)."""

    def concentrations(self) -> Tensor:
        """With gradients: (decisions, options)."""
        return F.elu(self.table) + 1

    def mixture(self) -> Tensor:
        # A Dirichlet draw is gammas over their sum: so decisions of all sizes are drawn at once.
        gammas = torch.distributions.Gamma(self.concentrations(), torch.ones(())).rsample() * self.allowed
        return gammas / gammas.sum(1, keepdim=True)

    def probabilities(self) -> Tensor:
        """The mean mixture."""
        chosen = self.concentrations() * self.allowed
        return chosen / chosen.sum(1, keepdim=True)

    def _edge_weights(self) -> Tensor | None:
        return None

    def penalty(self) -> Tensor:
        """Squared distance of the concentrations from one, a scalar."""
        return (F.elu(self.table) * self.allowed).square().sum()


class Controller(nn.Module):
    """An LSTM that decides one thing after the other, each knowing those before (ENAS, Pham et al., ICML 2018).

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

    def decide(self, choose: Arch | None) -> tuple[Arch, Tensor, Tensor]:
        """An architecture (a new one without `choose`), its log-probability and the summed entropy of the decisions."""
        x: Tensor = self.start
        state, arch = None, []
        log_prob = entropy = torch.zeros(())
        for decision, head in enumerate(self.heads):
            h, state = self.lstm(x, state)
            logits = self.TANH * torch.tanh(head(h[-1]) / self.TEMPERATURE)
            allowed = logits[self._first :]
            log_p = allowed.log_softmax(0)
            if choose is None:
                option = self._first + int(torch.multinomial(log_p.detach().exp(), 1))
            else:
                option = choose[decision]
            arch.append(option)
            log_prob = log_prob + log_p[option - self._first]
            entropy = entropy - (log_p.exp() * log_p).sum()
            x = self._after(decision, option)
        return tuple(arch), log_prob, entropy

    def _after(self, decision: int, option: int) -> Tensor:
        """What the LSTM reads after a decision; nothing reads it after the last."""
        last = decision == len(self.embeddings)
        read: Tensor = self.start if last else self.embeddings[decision](torch.tensor([option]))
        return read

    def weights(self) -> list[Tensor]:
        raise NotImplementedError("a controller has no weights to mix")

    def sample(self) -> Arch:
        with torch.no_grad():
            return self.decide(None)[0]

    def log_prob(self, arch: Arch) -> Tensor:
        return self.decide(arch)[1]

    def best(self) -> Arch:
        """Decisions made greedily."""
        x: Tensor = self.start
        state, arch = None, []
        with torch.no_grad():
            for decision, head in enumerate(self.heads):
                h, state = self.lstm(x, state)
                arch.append(self._first + int(head(h[-1])[self._first :].argmax()))
                x = self._after(decision, arch[-1])
        return tuple(arch)

    def entropy(self) -> float:
        """Mean entropy of the decisions on the way to the greedy architecture, as a share of its largest value."""
        with torch.no_grad():
            total = self.decide(self.best())[2]
            most = sum(math.log(k - self._first) for k in self._cardinalities)
            return float(total) / most
