"""jacob_cov against its formula, written out with NumPy, on finite differences and on plain gradients."""

import math

import numpy as np
import pytest
import torch

from supernet.harness.scoring.proxies.jacob_cov import input_gradients, jacob_cov, score_of
from supernet.harness.scoring.proxies.probe import Probe, Sight

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_published_formula_of_the_correlations(probe):
    look = Sight(probe, 0).look(5, "kaiming")
    gradients = np.zeros((6, 3 * 64))
    for row in range(6):  # one image after the other, with the batch that batch norm needs
        images = look.images.clone().requires_grad_()
        look.network(images).sum().backward()
        gradients[row] = images.grad[row].flatten().numpy()
    correlations = np.corrcoef(gradients)
    v = np.linalg.eigvalsh(correlations)
    expected = -np.sum(np.log(v + 1e-5) + 1 / (v + 1e-5))
    assert jacob_cov(look) == pytest.approx(expected, rel=1e-3)


def test_the_gradients_are_those_of_the_summed_logits():
    look = Sight(PROBES[0], 0).look(5, "kaiming")
    network, images = look.network.double(), look.images.double()
    step = torch.zeros_like(images)
    step[2, 1, 3, 4] = 1e-6
    with torch.no_grad():
        change = (network(images + step).sum() - network(images - step).sum()) / 2e-6
    look = type(look)(network, images, look.labels, look.classes, look.seed)
    place = torch.zeros_like(images[2])
    place[1, 3, 4] = 1
    found = input_gradients(look)[2] @ place.flatten()
    assert float(found) == pytest.approx(float(change), rel=1e-4, abs=1e-8)


def test_images_that_react_alike_score_lower_and_constant_gradients_score_nothing():
    generator = torch.Generator().manual_seed(0)
    alike = torch.randn(1, 50, generator=generator) + 0.1 * torch.randn(8, 50, generator=generator)
    assert score_of(alike) < score_of(torch.randn(8, 50, generator=generator))
    assert math.isnan(score_of(torch.zeros(8, 50)))
