"""Training-free scores of DARTS cells: their plain networks, and every score."""

import math

import pytest
import torch
from torch import nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.scoring.proxies.probe import Probe, Sight
from supernet.harness.scoring.proxies.registry import PROXIES
from supernet.harness.supernet.darts.net import DARTSNet
from supernet.harness.supernet.darts.wiring import edges_of
from supernet.harness.supernet.ops import ConvBN
from supernet.harness.supernet.plain import mixture
from supernet.harness.supernet.plain.build import plain_network
from supernet.harness.supernet.plain.pool import Pool
from supernet.heuristics.sections import NetworkSection

SPACE = space("darts")
ARCHS = SPACE.archs([4_000_000_000_000_000_001, 7_654_321_000_000_000_000])


@pytest.fixture(scope="module")
def sight():
    return Sight(Probe("darts", task="digits", images=8, channels=2, size=8), 0)


@pytest.mark.parametrize("name", PROXIES)
def test_every_score_is_a_number(sight, name):
    look = sight.look(SPACE.index(ARCHS[0]), PROXIES[name].init)
    assert math.isfinite(PROXIES[name].measure(look))


@pytest.mark.parametrize("row", [0, 1])
def test_a_plain_network_computes_what_the_super_net_computes(row):
    arch = ARCHS[row : row + 1]
    chosen = tuple(arch[0].tolist())
    plain = plain_network("darts", Pool(0), arch, 4, 1, 10).train()
    only = (edges_of(SPACE, chosen, 0), edges_of(SPACE, chosen, 1))
    net = DARTSNet(10, SPACE, NetworkSection(channels=4, cells=1), only)
    assert sum(p.numel() for p in plain.parameters()) == SPACE.params(arch, 4, 1)[0]
    ours, theirs = [net.stem], [plain.blocks[0]]
    for cell, block in zip(net.cells, plain.blocks[1:], strict=True):
        ours += [cell.before, cell.last]
        theirs += [block.before, block.last]
        for name, edge in block.edges.items():
            assert [m for m in cell.edges[name].values() if any(True for _ in m.parameters())] or not _convolutions(
                edge
            )
            ours += list(cell.edges[name].values())
            theirs += [edge] * len(cell.edges[name])
    for one, other in zip(ours, theirs, strict=True):
        for a, b in zip(_convolutions(one), _convolutions(other), strict=True):
            a.weight.data.copy_(b.weight.data)
    net.classifier.load_state_dict(plain.classifier.state_dict())
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(plain(images), net(images, chosen), rtol=1e-4, atol=1e-5)
        features = plain.features(images)
    assert [f.shape[1] for f in features] == [12, 16, 32, 32, 64, 64]


def _convolutions(module):
    """The convolutions in the order in which they compute."""
    found = [m for m in module.modules() if isinstance(m, nn.Conv2d | ConvBN)]
    rounds = getattr(module, "depthwise", None)
    return found if rounds is None else [m for pair in zip(rounds, module.pointwise, strict=True) for m in pair]


def test_operations_of_these_cells_are_not_pruned():
    with pytest.raises(UserError, match="those of darts have no edges in common"):
        mixture.whole(SPACE)
