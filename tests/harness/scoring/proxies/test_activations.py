"""Active ReLU units: all of them are seen, in the states that their inputs say, and no hook remains."""

import pytest
import torch
from torch import nn
from untrained import PROBES

from supernet.benchmarks.spaces import space
from supernet.harness.scoring.proxies.activations import each_relu
from supernet.harness.scoring.proxies.probe import Sight


def test_all_units_of_a_network_are_seen():
    within = space("nb201")
    index = int((within.archs() == 2).all(axis=1).argmax())  # convolutions on all six edges
    seen = []
    each_relu(Sight(PROBES[0], 0).look(index, "kaiming"), seen.append)
    stages = 6 * 4 * 64 + 6 * 8 * 16 + 6 * 16 * 4
    reductions = 4 * 64 + 8 * 16 + 8 * 16 + 16 * 4
    assert sum(active.shape[1] for active in seen) == stages + reductions + 16 * 4
    assert all(len(active) == 6 and active.dtype == torch.bool for active in seen)


def test_hooks_are_removed_when_a_look_fails():
    look = Sight(PROBES[1], 0).look(5, "kaiming")

    def fail(active):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        each_relu(look, fail)
    assert not any(part._forward_hooks for part in look.network.modules() if isinstance(part, nn.ReLU))
