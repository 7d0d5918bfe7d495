"""Both quantities of TE-NAS against one image, and one pair of patterns, after the other."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.pruning import condition_number, linear_regions


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(4 * 16, 3),
    )  # fmt: skip


def images(count, seed=1):
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def test_the_kernel_has_the_gradients_of_every_image(network):
    x, rows = images(5), []
    for number in range(5):
        network.zero_grad()
        network(x)[number].sum().backward()
        rows.append(torch.cat([p.grad.flatten() for name, p in network.named_parameters() if name.endswith("weight")]))
    network.zero_grad()
    gradients = torch.stack(rows).double().numpy()
    wanted = np.linalg.cond(gradients @ gradients.T)
    assert condition_number(network, x) == pytest.approx(wanted, rel=1e-3)
    assert all(p.grad is None for p in network.parameters())


def test_equal_images_have_an_infinite_condition_number():
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    x = torch.ones(2, 3, 4, 4)
    assert condition_number(network, x) == math.inf
    assert condition_number(network, x * math.inf) == math.inf


def test_weights_that_logits_do_not_depend_on_are_left_out():
    network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    alone = condition_number(network, images(3))
    network.register_module("idle", nn.Linear(2, 2))
    network.forward = lambda x: network[1](network[0](x))
    assert condition_number(network, images(3)) == alone


def test_regions_are_different_patterns_of_active_units(network):
    batches, seen = [images(40, 1), images(40, 2)], []
    with torch.no_grad():
        for x in batches:
            first = network[:3](x)
            second = network[:5](x)
            seen += [tuple((a > 0).flatten().tolist() + (b > 0).flatten().tolist())
                     for a, b in zip(first, second, strict=True)]  # fmt: skip
    assert linear_regions(network, batches) == len(set(seen)) > 1
    assert linear_regions(network, [batches[0], batches[0]]) == len(set(seen[:40]))
    assert all(not m._forward_hooks for m in network.modules())


def test_a_network_without_relu_has_one_region():
    assert linear_regions(nn.Flatten(), [images(7)]) == 1
