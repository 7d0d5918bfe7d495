"""Relaxations at a temperature or with hard draws: concrete mixtures (SNAS), annealed mixtures, and ReinMax."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.heuristics.distribution.models import Simplex, Softmax
from supernet.heuristics.distribution.relaxations import Mixture, on_device, temperature
from supernet.heuristics.hooks import Context
from supernet.heuristics.routes import Path, Routing


class Annealed(Mixture):
    """Plans the mixture softmax(log p / T), which becomes nearly one architecture as the temperature T falls.

    At the end of training, the weights are nearly those of the chosen architecture alone, which inherits them. This is
    our reading of single-stage differentiable search, of which we know only the abstract ("The devil is in
    discretization discrepancy", 2024): it narrows the gap between the mixture and the architecture during the search.
    """

    model: Softmax | Simplex

    def table(self, ctx: Context) -> Tensor:
        """Return the mixture's weights, with gradients to the distribution: (decisions, options)."""
        return (self.model.log_probabilities() / temperature(ctx)).softmax(1)

    def route(self, ctx: Context) -> Routing:
        return on_device(self.model.rows(self.table(ctx)), ctx)


class Concrete(Annealed):
    """Plans mixtures drawn from the concrete distribution, with all options executed (SNAS, Xie et al., ICLR 2019).

    The weights are softmax((log p + G) / T) with Gumbel noise G, one draw for all cells. In the paper, weights and
    distribution follow the gradient of one loss on training images, with one draw for both. Here they alternate, with a
    draw each; distribution.data=train gives both training images.
    """

    def table(self, ctx: Context) -> Tensor:
        log_p = self.model.log_probabilities()
        gumbel = -torch.empty_like(log_p).exponential_().clamp(min=1e-20).log()
        return ((log_p + gumbel) / temperature(ctx)).softmax(1)


class ReinMax(Mixture):
    """Plans a drawn architecture, whose gradients are ReinMax's (Liu et al., NeurIPS 2023, algorithm 2).

    The value is one-hot, and all options are executed where the distribution learns. The gradient is that of
    2 pi_1 - pi_0 / 2, where pi_0 are the probabilities and pi_1 is the mean of pi_0 and the one-hot draw, taken as a
    softmax of the logits. In expectation it is exact for losses that are quadratic in the draw. The paper divides the
    logits in pi_1 by a temperature of at least one; here it is one, our choice.
    """

    model: Softmax | Simplex

    def route(self, ctx: Context) -> Routing:
        table = reinmax(self.model.log_probabilities(), torch.tensor(self.model.sample()))
        return on_device(self.model.rows(table), ctx)

    def plan(self, ctx: Context) -> list[Path]:
        """Return one drawn architecture, which is all that the weights need."""
        return [Path(self.model.sample())]


def reinmax(log_p: Tensor, drawn: Tensor) -> Tensor:
    """Return one-hot weights with ReinMax's gradient to the log-probabilities: (decisions, options).

    Args:
        log_p: log-probabilities, minus infinity where there is no option: (decisions, options).
        drawn: the option of each decision that was drawn: (decisions,).
    """
    hard = F.one_hot(drawn, log_p.shape[1]).to(log_p)
    logits = log_p.masked_fill(log_p == -math.inf, 0.0)  # an infinity would turn the difference below into NaN
    mean = (hard + log_p.detach().exp()) / 2
    middle = ((mean.log() - logits).detach() + logits).softmax(1)
    soft = 2 * middle - log_p.exp() / 2
    return hard + (soft - soft.detach())
