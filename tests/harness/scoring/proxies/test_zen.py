"""zen against the running statistics that batch norm itself keeps, and against known answers."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.zen import score_of, zen

PROBES = [
    Probe("nb201", task="digits", images=6, channels=4, size=8),
    Probe("nb1shot1-1", task="digits", images=6, channels=8, size=8),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.space)
def test_it_is_the_published_formula_with_the_variances_that_batch_norm_keeps(probe):
    look = Sight(probe, 0).look(2_000, "gaussian")
    network = copy.deepcopy(look.network)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:  # with a momentum of 1 the running variance is that of the last batch
        norm.register_buffer("running_mean", torch.zeros(norm.num_features))
        norm.register_buffer("running_var", torch.ones(norm.num_features))
        norm.momentum, norm.track_running_stats = 1.0, True
    x, e = look.noise(2, 6, 3, 8, 8)
    assert abs(float(x.std()) - 1) < 0.05
    assert not torch.equal(x, e)
    with torch.no_grad():
        before = network.pre_classifier(x).numpy()
        variances = [norm.running_var.numpy().copy() for norm in norms]
        after = network.pre_classifier(x + 0.01 * e).numpy()
    change = np.mean([np.abs(a - b).sum() for a, b in zip(after, before, strict=True)])
    expected = np.log(change) + sum(np.log(np.sqrt(variance.mean())) for variance in variances)
    assert zen(look) == pytest.approx(expected, rel=1e-4)


def test_known_changes_and_variances_have_a_known_score():
    change = torch.tensor([[1.0, -3.0], [0.0, 2.0]])[:, :, None, None]
    assert score_of(change, torch.tensor([4.0, 9.0])) == pytest.approx(np.log(3) + np.log(2) + np.log(3))


def test_a_batch_norm_with_a_constant_input_is_left_out():
    change = torch.ones(1, 1, 1, 1)
    assert score_of(change, torch.tensor([4.0, 0.0])) == pytest.approx(np.log(2))


def test_features_that_do_not_change_have_no_score():
    assert not np.isfinite(score_of(torch.zeros(2, 1, 1, 1), torch.tensor([1.0])))


def test_dead_operations_that_see_zeros_leave_a_finite_score():
    probe = Probe("nb201", task="digits", images=6, channels=4, size=8, dead=True)
    within = probe.within
    archs = within.archs()
    # An edge that leaves a node without input: none into node 1, conv3x3 from node 1 to node 3, and a live path.
    index = int(np.flatnonzero((archs == [0, 3, 0, 1, 3, 0]).all(axis=1))[0])
    assert within.connected(archs[[index]]).all()
    assert np.isfinite(zen(Sight(probe, 0).look(index, "gaussian")))
