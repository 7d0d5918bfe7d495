"""An ensemble of small networks that predict accuracies from encodings of architectures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Networks:
    """Fully connected networks of equal sizes, stored and computed as one batch of matrices."""

    numbers: Tensor
    """All weights and biases in one row, as are their gradients: a single array makes the optimiser faster."""
    weights: list[Tensor]
    """The weights of each layer as views of `numbers`: (networks, inputs, outputs)."""
    biases: list[Tensor]
    """The biases of each layer as views of `numbers`: (networks, 1, outputs)."""

    @classmethod
    def drawn(cls, count: int, sizes: list[int], generator: torch.Generator) -> Networks:
        """Make networks with the uniform weights of Glorot and Bengio (AISTATS 2010) and zero biases.

        Args:
            count: number of networks.
            sizes: numbers of inputs, of units of each hidden layer, and of outputs.
            generator: the source of random numbers.
        """
        import torch  # here, not above: it takes seconds, which a list of the algorithms need not wait for

        shapes = [shape for i, o in pairwise(sizes) for shape in ((count, i, o), (count, 1, o))]
        lengths = [math.prod(shape) for shape in shapes]
        numbers = torch.zeros(sum(lengths))
        numbers.grad = torch.zeros_like(numbers)
        views = [part.view(shape) for part, shape in zip(numbers.split(lengths), shapes, strict=True)]
        for weight in views[::2]:
            bound = math.sqrt(6 / (weight.shape[1] + weight.shape[2]))
            weight.uniform_(-bound, bound, generator=generator)
        for view, gradient in zip(views, numbers.grad.split(lengths), strict=True):
            view.requires_grad_().grad = gradient.view(view.shape)
        return cls(numbers, views[::2], views[1::2])

    def __call__(self, codes: Tensor) -> Tensor:
        """Return the output of each network: (networks, n, inputs) -> (networks, n)."""
        import torch

        *hidden, last = zip(self.weights, self.biases, strict=True)
        for weight, bias in hidden:
            codes = torch.baddbmm(bias, codes, weight).relu_()
        weight, bias = last
        return torch.baddbmm(bias, codes, weight).squeeze(2)


@dataclass(frozen=True)
class Ensemble:
    """The hyper-parameters of an ensemble, whose networks are fitted to observed accuracies from independent weights.

    The networks learn 100 - accuracy, whose scale suits weights near zero. The loss is the mean absolute error, and the
    optimiser is Adam, with mini-batches that every network draws independently. Sizes and rates are those of BANANAS
    for all spaces (`meta_neuralnet_params` and `meta_neural_net.py` of naszilla/naszilla).
    """

    networks: int = 5
    layers: int = 10
    width: int = 20
    epochs: int = 150
    rate: float = 0.01
    batch: int = 32
    betas: tuple[float, float] = (0.9, 0.99)

    def predict(
        self, codes: NDArray[np.float32], values: list[float], others: NDArray[np.float32], generator: torch.Generator
    ) -> NDArray[np.float32]:
        """Predict accuracies of architectures by networks fitted to known ones, in percent: (networks, others).

        Args:
            codes: encodings of the architectures whose accuracies are known: (n, inputs).
            values: their accuracies in percent: n of them.
            others: encodings of the architectures to predict: (others, inputs).
            generator: the source of all random numbers.
        """
        return self.accuracies(self.fitted(codes, values, generator), others)

    def fitted(self, codes: NDArray[np.float32], values: list[float], generator: torch.Generator) -> Networks:
        """Return networks fitted to known architectures; see `predict`."""
        import torch

        networks = Networks.drawn(self.networks, [codes.shape[1], *[self.width] * self.layers, 1], generator)
        self.fit(networks, torch.from_numpy(codes), 100 - torch.tensor(values), generator)
        return networks

    def accuracies(self, networks: Networks, others: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the accuracies that fitted networks predict, in percent: (networks, others)."""
        import torch

        with torch.no_grad():
            error = networks(torch.from_numpy(others).expand(self.networks, -1, -1))
        return (100 - error).numpy()

    def fit(self, networks: Networks, codes: Tensor, targets: Tensor, generator: torch.Generator) -> None:
        """Train all networks at once on codes (n, inputs) and targets (n,)."""
        import torch

        adam = torch.optim.Adam([networks.numbers], lr=self.rate, betas=self.betas, fused=True)
        for _ in range(self.epochs):
            order = torch.rand(self.networks, len(codes), generator=generator).argsort(dim=1)
            for rows in order.split(self.batch, dim=1):
                # The sum, not the mean, of the networks' losses: a network's gradient does not depend on their number.
                loss = (networks(codes[rows]) - targets[rows]).abs().mean(dim=1).sum()
                adam.zero_grad(set_to_none=False)
                loss.backward()
                adam.step()
