"""Architectures as the network takes them: a choice for each decision, and the paths of a step."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Gate:
    """A decision that executes one option, whose output is multiplied by a weight of value one (GDAS).

    The weights carry gradients: the output is w_i o_i(x) plus the other w_j, scalar zeros (Dong and Yang, CVPR 2019).
    """

    option: int
    weights: Tensor
    """One at the option, zero elsewhere: (options,)."""

    @property
    def rest(self) -> Tensor:
        """The sum of the other options' weights, a scalar zero."""
        return self.weights.sum() - self.weights[self.option]


Choice = int | Tensor | Gate
"""A decision: the number of an option, weights over all options (a relaxation), or a gate."""
Routing = tuple[Choice, ...]
"""One choice per decision."""


@dataclass(frozen=True)
class Path:
    """One forward pass of a step."""

    routing: Routing | tuple[Routing, ...]
    """One routing for all cells, or one for each."""
    weight: float = 1.0
    """Factor of its loss."""
    role: str = "main"
    """The role by which losses distinguish paths. Under any law, a path with the role student learns from the latest
    path with the role teacher in the same step, on the same images; paths of other roles learn from labels."""
