"""SGD over all parameters as one vector, which updates only those that a step used, without a word from the host."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def as_stored(x: Tensor) -> Tensor:
    """A parameter in the shape in which it is stored: kernels as (outputs, height, width, inputs)."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def stored(x: Tensor) -> Tensor:
    """The entries of a tensor in the order in which they are stored, kernels in channels-last layout: (entries,)."""
    return as_stored(x).reshape(-1)


class FlatSGD:
    """Takes the steps of an optimiser of the class SGD, for all its parameters at once.

    Parameters and momenta become views into two vectors; their values and the optimiser's state stay what they are, so
    that checkpoints have the same content as without it. With p the parameters, g the gradient, m the momentum factor
    and w the weight decay, a step is torch's SGD: b <- m b + g + w p, then p <- p - rate b, or for Nesterov's momentum
    p <- p - rate (g + w p + m b).

    Args:
        parameters: all parameters of the optimiser, in the order of the vectors.
        optimiser: it has one group of parameters. Its learning rate is read by `set_rate`.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], optimiser: torch.optim.Optimizer) -> None:
        (group,) = optimiser.param_groups
        assert {id(p) for p in group["params"]} == {id(p) for p in parameters}
        self._momentum, self._nesterov, self._decay = group["momentum"], group["nesterov"], group["weight_decay"]
        self._group = group
        kept = [optimiser.state[p].get("momentum_buffer") for p in parameters] if self._momentum else []
        buffers = [torch.zeros_like(p) if b is None else b for p, b in zip(parameters, kept, strict=False)]
        self.vector = torch.cat([stored(p.detach()) for p in parameters])
        self._buffer = torch.cat([stored(b) for b in buffers]) if buffers else None
        device = self.vector.device
        sizes = torch.tensor([p.numel() for p in parameters])
        self._ends = [0, *sizes.cumsum(0).tolist()]
        self._owner = torch.arange(len(sizes), dtype=torch.int32).repeat_interleave(sizes).to(device)
        self._rate = torch.zeros((), dtype=self.vector.dtype, device=device)
        for number, parameter in enumerate(parameters):
            place = slice(*self._ends[number : number + 2])
            parameter.data = _shaped(self.vector[place], parameter)
            if self._buffer is not None:
                optimiser.state[parameter]["momentum_buffer"] = _shaped(self._buffer[place], parameter)

    def stack(self, first: int, count: int, shape: Sequence[int]) -> Tensor:
        """Parameters of one shape that follow each other, as one leaf that shares their memory: (count, *shape).

        Args:
            first: number of the first of them.
            shape: the shape in which each is stored.
        """
        place = slice(self._ends[first], self._ends[first + count])
        return self.vector[place].view(count, *shape).detach().requires_grad_()

    def set_rate(self) -> None:
        """Take over the optimiser's learning rate."""
        self._rate.fill_(self._group["lr"])

    @torch.no_grad()
    def step(self, gradient: Tensor, used: Tensor, clip: float | None, only_used: bool) -> None:
        """Update the parameters; the host does not wait for the device.

        Args:
            gradient: of all parameters, in the order of the vector: (entries,).
            used: bool, marks the parameters that have a gradient; that of the others counts as zero: (parameters,).
            clip: L2 norm to which the gradient is clipped; None does not clip.
            only_used: leave parameters and momenta without a gradient as they are.
        """
        unused = ~used.index_select(0, self._owner)
        gradient = gradient.masked_fill(unused, 0)  # `where` with a number would copy it from the host
        if clip is not None:
            gradient = gradient * (clip / (gradient.norm() + 1e-6)).clamp(max=1)
        change = gradient.add(self.vector, alpha=self._decay) if self._decay else gradient
        if self._buffer is not None:
            buffer = change.add(self._buffer, alpha=self._momentum)
            change = change.add(buffer, alpha=self._momentum) if self._nesterov else buffer
            self._buffer.copy_(torch.where(unused, self._buffer, buffer) if only_used else buffer)
        change = change.masked_fill(unused, 0) if only_used else change
        self.vector.sub_(change * self._rate)


def _shaped(values: Tensor, like: Tensor) -> Tensor:
    """Stored entries in the shape of a parameter."""
    if like.ndim != 4:
        return values.view(like.shape)
    outputs, inputs, height, width = like.shape
    return values.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
