"""grad-norm against the loss along each layer's gradient."""

import pytest
import torch
from torch.nn import functional as F
from untrained import PROBES, doubled

from supernet.harness.scoring.proxies.grad_norm import grad_norm
from supernet.harness.scoring.proxies.probe import Sight


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_sum_of_the_slopes_along_the_gradient_of_each_layer(probe):
    look = doubled(Sight(probe, 0).look(90, "kaiming"))
    F.cross_entropy(look.network(look.images), look.labels).backward()
    slopes = []
    for parameter in look.network.parameters():
        if parameter.dim() == 1:
            continue  # biases and batch norm do not count
        was, step = parameter.detach().clone(), 1e-6 * parameter.grad / parameter.grad.norm()
        with torch.no_grad():
            parameter.copy_(was + step)
            above = float(F.cross_entropy(look.network(look.images), look.labels))
            parameter.copy_(was - step)
            below = float(F.cross_entropy(look.network(look.images), look.labels))
            parameter.copy_(was)
        slopes.append((above - below) / 2e-6)
    assert grad_norm(look) == pytest.approx(sum(slopes), rel=1e-4)
