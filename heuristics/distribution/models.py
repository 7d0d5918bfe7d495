"""The distributions over architectures that differentiable, Bayesian and reinforcement-learning methods learn.

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


def _firsts(first: int | Sequence[int], cardinalities: Sequence[int]) -> list[int]:
    return [first] * len(cardinalities) if isinstance(first, int) else list(first)


class Factorised(nn.Module):
    """An independent distribution over the options of each decision; the parameters are in one padded table.

    Args:
        cardinalities: the number of options of each decision.
        first: the first option of each decision that can be chosen; 1 excludes the operation none. One number stands
            for all decisions.
        groups: groups of decisions whose weights sum to one, such as the edges into a node (PC-DARTS); default: no
            groups.
    """

    def __init__(
        self, cardinalities: Sequence[int], first: int | Sequence[int] = 0, groups: Sequence[Sequence[int]] = ()
    ) -> None:
        super().__init__()
        self._cardinalities = list(cardinalities)
        options = torch.arange(max(cardinalities))
        self.allowed: Tensor
        """Whether each cell of the table is an option that can be chosen: (decisions, options)."""
        least = torch.tensor(_firsts(first, self._cardinalities))[:, None]
        self.register_buffer(
            "allowed", (options < torch.tensor(self._cardinalities)[:, None]) & (options >= least), persistent=False
        )
        self._groups = [list(group) for group in groups]
        self.table = nn.Parameter(self._initial(self.allowed))
        self.shares = nn.Parameter(self._initial_shares()) if groups else None
        """Parameters of the weights of decisions within their groups: (decisions,)."""

    def _initial(self, allowed: Tensor) -> Tensor:
        """Return the initial parameters: (decisions, options)."""
        return INITIAL_SPREAD * torch.randn(allowed.shape)

    def _initial_shares(self) -> Tensor:
        """Return the initial parameters of the weights within groups: (decisions,)."""
        return INITIAL_SPREAD * torch.randn(len(self._cardinalities))

    def probabilities(self) -> Tensor:
        """Return the probability of every option, with gradients: (decisions, options).

        Padding and excluded options have probability 0.
        """
        raise NotImplementedError

    def _edge_weights(self) -> Tensor | None:
        """Return the weights of decisions within their groups, with gradients: (decisions,); None without groups."""
        raise NotImplementedError

    def weights(self) -> list[Tensor]:
        """Return the weights of one step's mixture, with gradients: (options,) for each decision."""
        return self.rows(self._with_edge_weights(self.mixture()))

    def mixture(self) -> Tensor:
        """Return the weights of one step's mixture without the weights of edges: (decisions, options)."""
        return self.probabilities()

    def mean(self) -> list[Tensor]:
        """Return the weights of the mean mixture, for evaluation: (options,) for each decision. Nothing is drawn."""
        with torch.no_grad():
            return self.rows(self._with_edge_weights(self.probabilities()))

    def _with_edge_weights(self, table: Tensor) -> Tensor:
        """Multiply the rows of a table by the weights of their decisions within groups, if there are any."""
        edges = self._edge_weights()
        return table if edges is None else table * edges[:, None]

    def rows(self, table: Tensor) -> list[Tensor]:
        """Split a padded table into one tensor (options,) for each decision."""
        return [row[:k] for row, k in zip(table.unbind(), self._cardinalities, strict=True)]

    def sample(self) -> Arch:
        """Draw an architecture with torch's global generator."""
        with torch.no_grad():
            return tuple(torch.multinomial(self.probabilities(), 1)[:, 0].tolist())

    def log_prob(self, arch: Arch) -> Tensor:
        """Return the log-probability of an architecture, a scalar with gradients."""
        return self.probabilities()[torch.arange(len(arch)), torch.tensor(arch)].log().sum()

    def best(self) -> Arch:
        """Return the most probable option of every decision, the first of equal ones."""
        return tuple(self.probabilities().argmax(1).tolist())

    @torch.no_grad()
    def prune(self, kept: int) -> None:
        """Exclude all but the most probable options of each decision, the first of equal ones.

        Args:
            kept: number of options that each decision keeps; one with fewer options keeps them all.
        """
        order = self.probabilities().argsort(dim=1, descending=True, stable=True)
        self.allowed &= torch.zeros_like(self.allowed).scatter(1, order[:, :kept], True)

    def entropy(self) -> float:
        """Return the mean entropy of the decisions as a share of its maximum: from 0 (certain) to 1 (uniform)."""
        with torch.no_grad():
            p = self.probabilities()
            most = self.allowed.sum(1).double().log()
            shares = -torch.xlogy(p, p).sum(1)[most > 0] / most[most > 0]
            return float(shares.mean()) if len(shares) else 0.0  # every decision is made


class Softmax(Factorised):
    """A softmax of logits for each decision (DARTS, Liu et al., ICLR 2019)."""

    def probabilities(self) -> Tensor:
        return self.log_probabilities().exp()

    def log_probabilities(self) -> Tensor:
        """Return log-probabilities, minus infinity where there is no option: (decisions, options)."""
        return self.table.masked_fill(~self.allowed, -math.inf).log_softmax(1)

    def _edge_weights(self) -> Tensor | None:
        if self.shares is None:
            return None
        within = torch.ones_like(self.shares)
        for group in self._groups:
            within = within.index_put((torch.tensor(group),), self.shares[group].softmax(0))
        return within


class Simplex(Factorised):
    """A point on the simplex for each decision, which itself is the parameter (GAEA, Li et al., ICLR 2021)."""

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
        """Return log-probabilities, minus infinity where there is no option: (decisions, options)."""
        # The logarithm of a masked zero would turn gradients into NaN.
        return self.table.masked_fill(~self.allowed, 1.0).log().masked_fill(~self.allowed, -math.inf)

    def _edge_weights(self) -> Tensor | None:
        return self.shares

    @torch.no_grad()
    def prune(self, kept: int) -> None:
        """See `Factorised.prune`; the weights that are left sum to one again."""
        super().prune(kept)
        left = self.table * self.allowed
        self.table.copy_(left / left.sum(1, keepdim=True))

    @torch.no_grad()
    def exponentiate(self, gradients: Sequence[Tensor], rate: float, floor: float) -> None:
        """Take one exponentiated-gradient step: multiply by exp(-rate g), normalise, raise to `floor`, normalise again.

        The published code (liamcli/gaea_release) normalises once: after raising weights to the floor for mixtures, and
        before it for gates. Doing both keeps sums at one and, after a step of any size, keeps weights at about the
        floor or above, which matters because the gradients of gates divide by the weights.

        Args:
            gradients: those of `table`, and of `shares` if there are groups.
            rate: the learning rate.
            floor: the least weight before the last normalisation.
        """
        self.table.copy_(self._exponentiated(self.table, gradients[0], rate, floor, self.allowed))
        if self.shares is not None:
            for group in self._groups:
                shares, slopes = self.shares[group], gradients[1][group]
                self.shares[group] = self._exponentiated(shares, slopes, rate, floor, torch.ones_like(shares).bool())

    @staticmethod
    def _exponentiated(point: Tensor, gradient: Tensor, rate: float, floor: float, allowed: Tensor) -> Tensor:
        """Return the points on the simplex after the step, along the last dimension."""
        moved = point.double().log() - rate * gradient.double()  # in logarithms, because large gradients would overflow
        raised = moved.masked_fill(~allowed, -math.inf).softmax(-1).clamp(min=floor) * allowed
        return (raised / raised.sum(-1, keepdim=True)).float()


class Dirichlet(Factorised):
    """A Dirichlet distribution over mixtures for each decision (DrNAS, Chen et al., ICLR 2021).

    The concentrations are elu(a) + 1 with parameters a.
    """

    LEAST = 1e-3
    """Smallest concentration, our choice: draws with smaller ones can underflow."""

    def concentrations(self) -> Tensor:
        """Return the concentrations of all options, with gradients: (decisions, options)."""
        return (F.elu(self.table) + 1).clamp(min=self.LEAST)

    def mixture(self) -> Tensor:
        # A Dirichlet draw is gamma variates divided by their sum, which draws decisions of all sizes at once.
        gammas = torch.distributions.Gamma(self.concentrations(), torch.ones(())).rsample() * self.allowed
        return gammas / gammas.sum(1, keepdim=True)

    def probabilities(self) -> Tensor:
        """Return the weights of the mean mixture: (decisions, options)."""
        chosen = self.concentrations() * self.allowed
        return chosen / chosen.sum(1, keepdim=True)

    def _edge_weights(self) -> Tensor | None:
        return None


class Controller(nn.Module):
    """An LSTM that makes the decisions in order, each given the previous ones (ENAS, Pham et al., ICML 2018).

    Args:
        cardinalities: the number of options of each decision.
        first: see `Factorised`.
    """

    HIDDEN, LAYERS, TANH, TEMPERATURE = 32, 2, 2.5, 5.0
    """Units per layer, layers, and the constants of logits: TANH * tanh(output / TEMPERATURE). All are those of
    NAS-Bench-201's experiments (ENAS.py of D-X-Y/AutoDL-Projects)."""

    def __init__(self, cardinalities: Sequence[int], first: int | Sequence[int] = 0) -> None:
        super().__init__()
        self._cardinalities, self._first = list(cardinalities), _firsts(first, cardinalities)
        self.start = nn.Parameter(torch.empty(1, self.HIDDEN))
        self.lstm = nn.LSTM(self.HIDDEN, self.HIDDEN, self.LAYERS)
        self.embeddings = nn.ModuleList(nn.Embedding(k, self.HIDDEN) for k in cardinalities[:-1])
        self.heads = nn.ModuleList(nn.Linear(self.HIDDEN, k) for k in cardinalities)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1)

    def decide(self, choose: Callable[[int, Tensor], int]) -> tuple[Arch, Tensor, Tensor]:
        """Make all decisions, and return the architecture, its log-probability and the summed entropy of the decisions.

        Args:
            choose: maps the number of a decision and the log-probabilities of its allowed options to the number of
                one of these options.
        """
        x: Tensor = self.start
        state, arch = None, []
        log_prob = entropy = torch.zeros(())
        for decision, head in enumerate(self.heads):
            h, state = self.lstm(x, state)
            logits = self.TANH * torch.tanh(head(h[-1]) / self.TEMPERATURE)
            allowed = logits[self._first[decision] :]
            log_p = allowed.log_softmax(0)
            chosen = choose(decision, log_p)
            arch.append(self._first[decision] + chosen)
            log_prob = log_prob + log_p[chosen]
            entropy = entropy - (log_p.exp() * log_p).sum()
            if decision < len(self.embeddings):
                x = self.embeddings[decision](torch.tensor(arch[-1:]))
        return tuple(arch), log_prob, entropy

    def retrace(self, arch: Arch) -> tuple[Tensor, Tensor]:
        """Return the log-probability of an architecture and the summed entropy of its decisions, with gradients."""
        _, log_prob, entropy = self.decide(lambda decision, _: arch[decision] - self._first[decision])
        return log_prob, entropy

    def sample(self) -> Arch:
        """Draw an architecture with torch's global generator."""
        with torch.no_grad():
            return self.decide(lambda _, log_p: int(torch.multinomial(log_p.exp(), 1)))[0]

    def log_prob(self, arch: Arch) -> Tensor:
        """Return the log-probability of an architecture, a scalar with gradients."""
        return self.retrace(arch)[0]

    def best(self) -> Arch:
        """Return the architecture that results from greedy decisions."""
        with torch.no_grad():
            return self.decide(lambda _, log_p: int(log_p.argmax()))[0]

    def entropy(self) -> float:
        """Return the mean entropy of the decisions that lead to the greedy architecture, as a share of its maximum."""
        with torch.no_grad():
            total = self.retrace(self.best())[1]
            most = sum(math.log(k - first) for k, first in zip(self._cardinalities, self._first, strict=True))
            return float(total) / most
