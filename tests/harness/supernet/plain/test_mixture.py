"""Mixed cells against the networks of single architectures, and against sums written out."""

import pytest
import torch

from supernet.benchmarks.spaces.nb201 import EDGES
from supernet.harness.supernet.plain import mixture, nb201
from supernet.harness.supernet.plain.pool import Pool

ARCH = (3, 2, 1, 4, 3, 1)
OPTIONS = ((1, 2, 3, 4), (3,), (1, 4), (2, 3), (4,), (1, 2, 3))


@pytest.fixture
def images():
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_one_operation_on_every_edge_is_that_architecture(images):
    pool = Pool(3)
    mixed = mixture.network(pool, [(op,) for op in ARCH], 4, 2, 5)
    torch.testing.assert_close(mixed(images), nb201.network(pool, ARCH, 4, 2, 5)(images), rtol=1e-4, atol=1e-5)


def test_every_edge_averages_what_is_left_on_it(images):
    cell = mixture.MixedCell(Pool(3), 0, 3, OPTIONS)
    nodes = [images]
    for target in (1, 2, 3):
        total = torch.zeros_like(images)
        for edge, (source, into) in enumerate(EDGES):
            if into == target:
                for op in cell.edges[edge]:
                    total += op(nodes[source]).detach() / len(OPTIONS[edge])
        nodes.append(total)
    torch.testing.assert_close(cell(images), nodes[3], rtol=1e-4, atol=1e-5)


def test_pruned_super_nets_share_the_weights_of_what_is_left():
    pool = Pool(3)
    whole = dict(mixture.network(pool, OPTIONS, 4, 1, 5).named_parameters())
    left = list(mixture.network(pool, [ops[-1:] for ops in OPTIONS], 4, 1, 5).parameters())
    assert {id(p) for p in left} < {id(p) for p in whole.values()}


def test_the_thin_network_is_one_cell_of_one_channel(images):
    network = mixture.thin(Pool(3), OPTIONS, 5)
    assert network(images[:, :1, :3, :3]).shape == (4, 5)
    assert [type(block) for block in network.blocks] == [mixture.MixedCell]
    assert {p.shape[0] for p in network.blocks.parameters()} == {1}
