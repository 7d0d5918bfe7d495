import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces import space
from supernet.harness.scoring.norms import statistics
from supernet.harness.supernet import kernels
from supernet.harness.supernet.nb201 import blocks
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import live
from supernet.heuristics.recipe import Recipe

SPACE = space("nb201")
UNREACHED = [(0, 2, 3, 0, 3, 2), (0, 0, 0, 0, 0, 0), (3, 3, 3, 0, 0, 0), (2, 3, 0, 0, 4, 0)]
"""Architectures with convolutions at nodes that nothing reaches, or whose output nothing reaches."""


def distinct():
    rows = np.unique(SPACE.same_computation(np.arange(15625)))
    return [tuple(arch) for arch in SPACE.archs(rows).tolist()]


def test_live_forms_are_the_different_computations():
    """The form by plain reachability: an edge is live if its source is reached and its target leads to the output."""
    edges = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]

    def reached(arch, start, ends):
        nodes = {start}
        for _ in range(3):
            for (source, target), op in zip(edges, arch, strict=True):
                first, last = (source, target) if ends == 1 else (target, source)
                if op and first in nodes:
                    nodes.add(last)
        return nodes

    for arch in SPACE.archs(np.random.default_rng(0).integers(15625, size=300)).tolist():
        from_input, to_output = reached(arch, 0, 1), reached(arch, 3, -1)
        expected = [op if s in from_input and t in to_output else 0 for (s, t), op in zip(edges, arch, strict=True)]
        assert live(tuple(arch)) == tuple(expected)
    assert len({live(arch) for arch in distinct()}) == 9445


def test_blocks_hold_every_architecture_once_and_no_operation_twice():
    archs = distinct()
    found = blocks.packed(archs)
    assert sorted(place for block in found for place in block) == list(range(9445))
    assert len(found) <= 2400, "the least possible number is 9,445 / 4"
    for block in found:
        assert len(block) <= blocks.PATHS
        used = [(edge, op) for place in block for edge, op in enumerate(live(archs[place])) if op]
        assert len(used) == len(set(used))


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("bn", ["batch", "running"])
@pytest.mark.parametrize(
    "changes", [["network.bn_track=true"], ["network.bn_affine=false", "network.bn_track=true", "network.op_on=node"]]
)
def test_a_block_computes_what_its_architectures_do(bn, changes, fused, monkeypatch):
    monkeypatch.setattr(kernels, "fused", lambda *_: fused)
    options = Recipe().override(["network.channels=4", "network.cells=1", *changes]).network
    torch.manual_seed(0)
    network = NB201Net(10, options).double()
    for parameter in network.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    network.eval()
    sample = SPACE.archs(np.random.default_rng(0).integers(15625, size=30)).tolist()
    archs = [*UNREACHED, *(tuple(arch) for arch in sample)]
    images = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    with torch.inference_mode(), statistics(network, bn):
        places = blocks.packed(archs)
        made = blocks.Blocks(
            network, [[archs[p] for p in block] for block in places], torch.device("cpu"), amp=False, capture=False
        )
        for number, block in enumerate(places):
            logits = made.logits(images, number)
            assert logits.shape == (len(block), 6, 10)
            for place, found in zip(block, logits, strict=True):
                torch.testing.assert_close(found, network(images, archs[place]), atol=1e-9, rtol=1e-9)


def test_partial_channels_and_other_networks_have_no_blocks():
    def network(*changes):
        return NB201Net(10, Recipe().override(["network.channels=4", "network.cells=1", *changes]).network)

    assert blocks.fits(network())
    assert not blocks.fits(network("network.partial_channels=2"))
    assert not blocks.fits(torch.nn.Identity())
