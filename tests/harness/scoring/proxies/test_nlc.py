"""nlc against central differences of the network with fixed batch statistics, and against linear networks."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.nlc import nlc
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.proxy import Look
from supernet.harness.supernet.plain.network import PlainNetwork

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


def with_fixed_norms(network, images):
    """A copy in float64 whose batch norms hold the statistics of these images."""
    fixed = copy.deepcopy(network).double()

    def hold(norm, inputs):
        x = inputs[0].numpy()
        norm.running_mean = torch.tensor(x.mean((0, 2, 3)))
        norm.running_var = torch.tensor(x.var((0, 2, 3)))
        norm.training = False

    handles = [m.register_forward_pre_hook(hold) for m in fixed.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        fixed(images)
    for handle in handles:
        handle.remove()
    return fixed


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_published_formula_of_central_differences(probe):
    look = Sight(probe, 0).look(2_000, "kaiming")
    images = look.images.double()
    fixed = with_fixed_norms(look.network, images)
    logits = fixed(images).detach().numpy()
    squares, step = [], 1e-6
    with torch.no_grad():
        for other in images:
            direction = other - images.mean(0)
            change = (fixed(images + step * direction) - fixed(images - step * direction)) / (2 * step)
            squares += change.square().sum(1).tolist()
    expected = np.sqrt(np.mean(squares) / logits.var(axis=0).sum())
    assert nlc(look) == pytest.approx(-expected, rel=1e-3)


def test_a_linear_network_has_a_coefficient_of_one():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(5, 3, 4, 4, generator=generator) + 2
    network = PlainNetwork([nn.Conv2d(3, 4, 3, padding=1)], nn.BatchNorm2d(4), nn.Linear(4, 3))
    assert nlc(Look(network, images, torch.zeros(5), 3, 0)) == pytest.approx(-1, rel=1e-4)


def test_a_square_has_a_larger_one_that_is_known():
    class Square(nn.Module):
        def forward(self, x):
            return x.square()

    images = torch.tensor([-1.0, 0.0, 1.0, 2.0])[:, None, None, None].repeat(1, 3, 1, 1)
    classifier = nn.Linear(3, 1, bias=False)
    nn.init.ones_(classifier.weight)
    network = PlainNetwork([Square()], nn.Identity(), classifier)
    x = np.array([-1.0, 0.0, 1.0, 2.0])
    # f = 3 x^2 of a single number x, so that J Cov J' = (6 x)^2 Var(x) and Var(f) = 9 Var(x^2).
    expected = np.sqrt(np.mean((6 * x) ** 2) * x.var() / (9 * (x**2).var()))
    assert nlc(Look(network, images, torch.zeros(4), 1, 0)) == pytest.approx(-expected, rel=1e-5)
    assert expected > 1
