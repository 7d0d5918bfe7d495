"""All scores of untrained networks leave networks as they were, and do not depend on what was looked at before."""

import numpy as np
import pytest
from torch import nn

from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.registry import PROXIES
from supernet.harness.scoring.proxies.whole import measured

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
@pytest.mark.parametrize("name", PROXIES)
def test_weights_gradients_and_hooks_are_as_before_and_the_order_does_not_matter(name, probe):
    init = PROXIES[name].init
    alone = measured(Sight(probe, 0), 2_000, name)
    assert np.isfinite(alone)
    sight = Sight(probe, 0)
    network = sight.look(2_000, init).network
    before = {key: value.clone() for key, value in network.state_dict().items()}
    measured(sight, 77, name)  # a network that shares modules with it
    assert measured(sight, 2_000, name) == alone
    assert measured(sight, 2_000, name) == alone
    after = network.state_dict()
    assert list(before) == list(after)
    for key, value in before.items():
        np.testing.assert_array_equal(value.numpy(), after[key].numpy())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert all(module.training and not _hooks(module) for module in network.modules())


def _hooks(module: nn.Module) -> int:
    return len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)


def test_scores_are_listed_by_name():
    assert list(PROXIES) == sorted(PROXIES)
    assert all(name == proxy.name for name, proxy in PROXIES.items())
