"""SWAP against a set of tuples."""

import pytest
import torch
from untrained import PROBES

from supernet.harness.scoring.proxies.activations import each_relu
from supernet.harness.scoring.proxies.probe import Sight
from supernet.harness.scoring.proxies.swap import distinct, packed, swap


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_number_of_different_reactions_of_units(probe):
    look = Sight(probe, 0).look(5, "gaussian")
    patterns = set()
    each_relu(look, lambda active: patterns.update(tuple(unit) for unit in active.T.tolist()))
    assert swap(look) == len(patterns) > 10


@pytest.mark.parametrize("images", [1, 2, 63, 64, 65, 130])
def test_states_of_any_number_of_images_are_told_apart(images):
    active = torch.rand(images, 300, generator=torch.Generator().manual_seed(images)) < 0.02
    active = torch.cat([active, torch.eye(images, dtype=torch.bool)], 1)  # each image alone, the last bit included
    assert distinct(packed(active)) == len({tuple(unit) for unit in active.T.tolist()}) > images - 1
