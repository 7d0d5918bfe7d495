"""zico against NumPy loops over the gradients of two backward passes, and against known answers."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.zico import score_of, zico

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_published_formula_of_the_gradients_of_two_halves(probe):
    look = Sight(probe, 0).look(2_000, "torch")
    halves = []
    for part in (slice(0, 3), slice(3, 6)):
        network = copy.deepcopy(look.network)
        F.cross_entropy(network(look.images[part]), look.labels[part]).backward()
        weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        halves.append([m.weight.grad.flatten().double().tolist() for m in weighted])
    expected = 0.0
    for first, second in zip(*halves, strict=True):
        total = 0.0
        for a, b in zip(first, second, strict=True):
            deviation = math.sqrt(((a - (a + b) / 2) ** 2 + (b - (a + b) / 2) ** 2) / 2)
            if deviation > 0:
                total += (abs(a) + abs(b)) / 2 / deviation
        expected += math.log(total)
    assert zico(look) == pytest.approx(expected, rel=1e-3)


def test_known_gradients_have_a_known_score():
    # |1|, |3| have mean 2 and deviation 1; -1 and 1 have mean 1 and deviation 1; 5 and 5 do not differ.
    layers = [
        (torch.tensor([1.0, -1.0, 5.0]), torch.tensor([3.0, 1.0, 5.0])),
        (torch.tensor([[1.0]]), torch.tensor([[3.0]])),
    ]
    assert score_of(layers) == pytest.approx(math.log(3) + math.log(2))


def test_layers_without_effect_count_nothing_and_without_any_layer_there_is_no_score():
    still = (torch.ones(2), torch.ones(2))
    assert score_of([(torch.tensor([1.0]), torch.tensor([3.0])), (None, None), still]) == pytest.approx(math.log(2))
    assert math.isnan(score_of([still, (None, None)]))


def test_batches_of_one_image_have_no_score():
    probe = Probe("nb201", task="digits", images=3, channels=4, size=4)
    assert np.isnan(zico(Sight(probe, 0).look(2_000, "torch")))
