"""No score leaves a trace in the networks, which share their weights, or depends on what was looked at before."""

import math

import pytest
import torch
from untrained import PROBES

from supernet.harness.scoring.proxies.probe import Sight
from supernet.harness.scoring.proxies.registry import PROXIES
from supernet.harness.scoring.proxies.whole import measured


def test_scores_are_listed_by_name():
    assert list(PROXIES) == sorted(PROXIES)
    assert all(name == proxy.name for name, proxy in PROXIES.items())


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
@pytest.mark.parametrize("name", PROXIES)
def test_weights_stay_and_order_does_not_matter(name, probe):
    sight = Sight(probe, 0)
    network = sight.look(90, PROXIES[name].init).network
    was = {key: value.clone() for key, value in network.state_dict().items()}
    first = measured(sight, 90, name)
    assert not math.isnan(first)
    for key, value in network.state_dict().items():
        assert value.dtype == was[key].dtype
        assert torch.equal(value, was[key])
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert network.training
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())
    measured(sight, 7, name)
    assert measured(sight, 90, name) == first
