"""NASWOT against its formula, with the units counted one after the other."""

import math

import numpy as np
import pytest
import torch
from untrained import PROBES

from supernet.harness.scoring.proxies.naswot import agreements, log_determinant, naswot
from supernet.harness.scoring.proxies.probe import Sight
from supernet.harness.scoring.proxies.proxy import Look


def inputs_of_relus(look):
    """What enters each ReLU, for each image in turn: (n, units of all ReLUs)."""
    caught = []
    relus = [part for part in look.network.modules() if isinstance(part, torch.nn.ReLU)]
    handles = [part.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].detach())) for part in relus]
    look.network(look.images)
    for handle in handles:
        handle.remove()
    return np.concatenate([values.reshape(len(values), -1).numpy() for values in caught], 1)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_log_determinant_of_units_less_hamming_distances(probe):
    look = Sight(probe, 0).look(90, "kaiming")
    codes = [row > 0 for row in inputs_of_relus(look)]
    kernel = np.array([[len(a) - sum(a != b) for b in codes] for a in codes], float)
    assert naswot(look) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-9)


def test_agreements_of_two_codes_by_hand():
    kernel = agreements(torch.tensor([[True, False, True], [True, True, False]]))
    assert kernel.tolist() == [[3, 1], [1, 3]]
    assert log_determinant(kernel) == pytest.approx(math.log(8))


def test_equal_images_give_no_number():
    look = Sight(PROBES[0], 0).look(90, "kaiming")
    same = look.images[:1].expand(6, -1, -1, -1).contiguous()
    assert math.isnan(naswot(Look(look.network, same, look.labels, look.classes, look.seed)))
