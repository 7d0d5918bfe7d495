"""epe-nas against NumPy, class by class, with few and with many classes."""

import math

import numpy as np
import pytest
import torch

from supernet.harness.scoring.proxies.epe_nas import epe_nas, score_of
from supernet.harness.scoring.proxies.probe import Probe, Sight

PROBES = [
    Probe("nb201", task="digits", images=14, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=14, channels=8, size=8),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_published_formula_of_the_correlations_within_classes(probe):
    look = Sight(probe, 0).look(2_000, "kaiming")
    labels = look.labels.numpy()
    assert {1, 2} <= set(np.bincount(labels).tolist())  # classes with one image and with several
    images = look.images.clone().requires_grad_()
    look.network(images).sum().backward()
    gradients = images.grad.flatten(1).numpy()
    look.network.zero_grad()
    expected = 0.0
    for label in set(labels.tolist()):
        rows = [row for row, found in zip(gradients, labels, strict=True) if found == label]
        value = 0.0
        for a in rows:
            for b in rows:
                value += np.log(abs(np.corrcoef(a, b)[0, 1]) + 1e-5)
        expected += abs(value)
    assert epe_nas(look) == pytest.approx(expected, rel=1e-3)


def test_with_more_than_a_hundred_classes_the_differences_of_means_over_rows_count():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(6, 20, generator=generator)
    labels = torch.tensor([4, 4, 9, 9, 9, 7])
    values = []
    for rows in (gradients[:2].numpy(), gradients[2:5].numpy()):  # the class with one image is left out
        values.append(np.log(np.abs(np.corrcoef(rows)) + 1e-5).sum() / len(rows))
    assert score_of(gradients, labels, 120) == pytest.approx(2 * abs(values[0] - values[1]) / 2, rel=1e-5)
    assert math.isnan(score_of(gradients[:1], labels[:1], 120))


def test_classes_that_react_alike_score_next_to_nothing():
    gradients = torch.randn(4, 30, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 1, 1])
    alike = gradients[[0, 0, 2, 2]]
    assert score_of(alike, labels, 10) == pytest.approx(8 * math.log(1 + 1e-5), rel=1e-2)
    assert score_of(gradients, labels, 10) > 1


def test_constant_gradients_have_no_score():
    assert math.isnan(score_of(torch.zeros(4, 8), torch.tensor([0, 0, 1, 1]), 10))
