"""What training-free scores cost, against the passes that their definitions take."""

import numpy as np
import pytest
import torch
from torch import nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.scoring.proxies.metered import counted, metered_scores
from supernet.harness.scoring.proxies.probe import Probe
from supernet.harness.scoring.proxies.whole import score
from supernet.heuristics.meter import Meter

PROBE = Probe("nb201", task="digits", images=4, channels=4, size=8)
SPACE = space("nb201")
SOME = np.array([np.flatnonzero(~SPACE.connected(SPACE.archs()))[0], 17, 4, 90, 17])


def test_scores_are_those_of_their_draw_and_every_network_is_charged_once():
    meter = Meter()
    found = metered_scores(PROBE, "jacob-cov", SOME, 1, meter)
    np.testing.assert_array_equal(found, score(PROBE, ["jacob-cov"], SOME, draws=2, workers=1).values["jacob-cov"][1])
    networks = len(np.unique(SPACE.same_computation(SOME[1:])))
    assert meter == Meter(4 * networks, 4 * networks)


@pytest.mark.parametrize(("name", "backward"), [("grasp", 3), ("az-trainability", 1), ("az-expressivity", 0)])
def test_passes_that_do_not_reach_the_stem_count_too(name, backward):
    meter = Meter()
    metered_scores(PROBE, name, np.array([90]), 0, meter)
    assert meter == Meter(4, 4 * backward)


def test_dead_operations_are_refused_where_the_benchmark_builds_none():
    with pytest.raises(UserError, match="builds networks of nb1shot1-1 without dead operations"):
        Probe("nb1shot1-1", task="digits", dead=True)


@pytest.mark.parametrize("name", ["live-params", "params", "flops"])
def test_counts_cost_nothing(name):
    meter = Meter()
    found = metered_scores(PROBE, name, SOME, 0, meter)
    np.testing.assert_array_equal(found, score(PROBE, [name], SOME).values[name][0])
    assert meter == Meter()


def test_passes_count_by_images_pixels_and_paths():
    first, rest, meter = nn.Conv2d(3, 2, 1), nn.Flatten(), Meter()
    with counted(first, meter, 8, paths=2.5):
        with torch.no_grad():
            rest(first(torch.ones(6, 3, 8, 8)))
        assert meter == Meter(6 * 2.5)
        out = rest(first(torch.ones(5, 3, 4, 4))).sum(1)
        assert meter == Meter(6 * 2.5 + 5 * 2.5 / 4)
        for image in out:
            torch.autograd.grad(image, first.weight, retain_graph=True)
        assert meter.backward == 5 * (5 * 2.5 / 4)
    first(torch.ones(1, 3, 8, 8))
    assert meter.forward == 6 * 2.5 + 5 * 2.5 / 4


def test_unknown_scores_are_named():
    with pytest.raises(UserError, match=r"There is no training-free score 'jacob-co'; did you mean jacob-cov\?"):
        metered_scores(PROBE, "jacob-co", SOME, 0, Meter())
