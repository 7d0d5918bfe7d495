"""fisher against gradients of gates, one for each channel and image."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from untrained import PROBES, tiny

from supernet.harness.scoring.proxies.fisher import fisher, saliency
from supernet.harness.scoring.proxies.probe import Sight


def by_gates(look):
    """The score with a factor of 1 on each channel of each image: its gradient is the sum over pixels of a dL/da."""
    gates, fans = [], []

    def gated(layer, inputs, output):
        gates.append(torch.ones(*output.shape[:2], *[1] * (output.dim() - 2), dtype=output.dtype, requires_grad=True))
        fans.append(layer.weight.numel() // len(layer.weight))
        return output * gates[-1]

    for part in look.network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            part.register_forward_hook(gated)
    F.cross_entropy(look.network(look.images), look.labels).backward()
    total = 0.0
    for gate, fan in zip(gates, fans, strict=True):
        for channel in gate.grad.flatten(1).T.tolist():
            total += fan * sum(value**2 for value in channel) / len(channel) / 2
    return total


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_square_of_the_gradient_of_gates(probe):
    look = Sight(probe, 0).look(90, "kaiming")
    assert fisher(look) == pytest.approx(by_gates(look), rel=1e-4)


def test_a_tiny_network():
    assert fisher(tiny()) == pytest.approx(by_gates(tiny()), rel=1e-9)


def test_saliency_by_hand():
    activations, gradient = torch.tensor([[[1.0, 2.0]], [[3.0, 0.0]]]), torch.tensor([[[1.0, 1.0]], [[2.0, 5.0]]])
    assert saliency(activations, gradient).tolist() == [(3**2 + 6**2) / 4]
