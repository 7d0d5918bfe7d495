"""ntk against the singular values of Jacobians from separate backward passes, and against a linear network."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.ntk import condition, kernel, ntk
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.proxy import Look
from supernet.harness.supernet.plain.network import PlainNetwork

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_squared_condition_number_of_the_jacobian_by_all_weights(probe):
    look = Sight(probe, 0).look(2_000, "kaiming")
    rows = []
    for image in range(6):
        network = copy.deepcopy(look.network)
        network(look.images)[image].sum().backward()
        rows.append(
            np.concatenate([p.grad.flatten().numpy() for n, p in network.named_parameters() if "bias" not in n])
        )
    singular = np.linalg.svd(np.array(rows, dtype=np.float64), compute_uv=False)
    assert ntk(look) == pytest.approx(-((singular[0] / singular[-1]) ** 2), rel=1e-3)


def test_gradients_are_the_changes_of_the_summed_logits():
    look = Sight(PROBES[0], 0).look(2_000, "kaiming")
    network, images = copy.deepcopy(look.network).double(), look.images.double()
    weights = [p for name, p in network.named_parameters() if name.endswith("weight")]
    generator = torch.Generator().manual_seed(1)
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in weights]
    sums = []
    with torch.no_grad():
        for sign in (1, -1):
            moved = copy.deepcopy(network)
            there = [p for name, p in moved.named_parameters() if name.endswith("weight")]
            for weight, direction in zip(there, directions, strict=True):
                weight += sign * 1e-6 * direction
            sums.append(moved(images).sum(1))
    change = (sums[0] - sums[1]) / 2e-6
    rows = []
    for total in network(images).sum(1):
        gradients = torch.autograd.grad(total, weights, retain_graph=True)
        rows.append(torch.cat([g.flatten() for g in gradients]))
    jacobian = torch.stack(rows)
    along = jacobian @ torch.cat([d.flatten() for d in directions])
    torch.testing.assert_close(along, change, rtol=1e-4, atol=1e-5)
    found = kernel(network, images)
    torch.testing.assert_close(found, jacobian @ jacobian.T)


def test_the_kernel_of_a_linear_network_is_known():
    network = PlainNetwork([nn.Identity()], nn.Identity(), nn.Linear(3, 5))
    images = torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    means = images.mean((2, 3)).numpy().astype(np.float64)
    expected = 5 * means @ means.T  # each of the 5 logits has the average pixel as its gradient
    np.testing.assert_allclose(kernel(network, images).numpy(), expected, rtol=1e-5)
    assert ntk(Look(network, images, torch.zeros(3), 5, 0)) == pytest.approx(-np.linalg.cond(expected), rel=1e-3)


def test_a_kernel_without_a_positive_smallest_eigenvalue_has_no_condition_number():
    assert condition(torch.diag(torch.tensor([2.0, 8.0]))) == pytest.approx(4)
    assert math.isnan(condition(torch.zeros(2, 2)))
    assert math.isnan(condition(torch.diag(torch.tensor([2.0, -1e-9]))))
    assert math.isnan(condition(torch.tensor([[math.inf, 0.0], [0.0, 1.0]])))
