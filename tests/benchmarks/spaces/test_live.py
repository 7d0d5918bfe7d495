"""Live quantities against a plain walk over the graph of each architecture, and classes of equal functions."""

import itertools

import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.live import LIVE, live_quantity
from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES, NONE
from supernet.harness.supernet.plain.build import plain_network
from supernet.harness.supernet.plain.pool import Pool

SPACE = space("nb201")
RNG = np.random.default_rng(0)


def routes(arch):
    """Every path from input to output without `none`, as edges."""
    found = []
    for length in (1, 2, 3):
        for path in itertools.product(range(6), repeat=length):
            ends = [EDGES[e] for e in path]
            joined = all(a[1] == b[0] for a, b in itertools.pairwise(ends))
            if ends[0][0] == 0 and ends[-1][1] == 3 and joined and all(arch[e] != NONE for e in path):
                found.append(path)
    return found


@pytest.mark.parametrize("index", [*RNG.integers(15_625, size=40).tolist(), 0])
def test_quantities_count_what_lies_on_a_path(index):
    arch = SPACE.archs([index])
    paths = routes(arch[0])
    live = sorted({edge for path in paths for edge in path})
    found = {name: live_quantity(SPACE, name, arch)[0] for name in LIVE}
    if not paths:
        assert found == {"live-params": 0, "live-flops": 0, "live-layers": -1, "live-depth": -1}
        return
    convs = [e for e in live if arch[0, e] in (CONV1X1, CONV3X3)]
    assert found["live-layers"] == len(convs)
    assert found["live-depth"] == max(sum(e in convs for e in path) for path in paths)
    pruned = np.array([[arch[0, e] if e in live else NONE for e in range(6)]])
    assert found["live-params"] == SPACE.params(pruned)[0]
    assert found["live-flops"] == SPACE.flops(pruned)[0]


def test_architectures_whose_output_ignores_the_input_rank_below_all_others():
    archs = SPACE.archs()
    connected = SPACE.connected(archs)
    assert (~connected).sum() == 341
    for name in LIVE:
        values = live_quantity(SPACE, name, archs)
        assert values[~connected].max() < values[connected].min()


def test_live_edges_of_a_1shot1_architecture_are_those_without_loose_ends():
    within = space("nb1shot1-2")
    indices = RNG.integers(len(within), size=200)
    live = within.live(within.archs(indices))
    np.testing.assert_array_equal(within.indices(live), within.classes("pruned")[indices])
    assert within.connected(live).all()
    depth = live_quantity(within, "live-depth", within.archs(indices))
    assert depth.min() >= 0
    assert (live_quantity(within, "live-layers", within.archs(indices)) >= depth).all()


def test_twins_of_nas_bench_201_are_the_classes_of_flattened_sums():
    twins = SPACE.twins(np.arange(len(SPACE)))
    assert len(np.unique(twins)) == 5_260
    # Equal networks and equal computations are never split.
    np.testing.assert_array_equal(twins, twins[SPACE.same_function(np.arange(len(SPACE)))])
    np.testing.assert_array_equal(twins, twins[SPACE.same_computation(np.arange(len(SPACE)))])


def test_twins_compute_the_same_function_where_equal_operations_have_equal_weights():
    twins = SPACE.twins(np.arange(len(SPACE)))
    apart = np.flatnonzero((twins != np.arange(len(SPACE))) & (SPACE.same_function(np.arange(len(SPACE))) != twins))
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    for index in RNG.choice(apart, 8, replace=False).tolist():
        outputs = []
        for each in (index, int(twins[index])):
            network = plain_network("nb201", Pool(0), SPACE.live(SPACE.archs([each])), 4, 1, 10).double().train()
            _tie(network)
            with torch.no_grad():
                outputs.append(network(images.double()))
        torch.testing.assert_close(outputs[0], outputs[1])


def _tie(network):
    """Give all convolutions of one kernel size and width the same weights."""
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            generator = torch.Generator().manual_seed(sum(module.weight.shape))
            module.weight.data = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
