"""Plain stand-alone networks: the parameters of the benchmark, and the same outputs as the super-nets."""

import numpy as np
import pytest
import torch
from torch import nn

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, EDGES
from supernet.harness.supernet.nb101 import NB101Net
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.plain.build import NETWORKS, plain_network
from supernet.harness.supernet.plain.pool import Pool
from supernet.heuristics.sections import NetworkSection


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_have_the_parameters_that_the_space_counts(name):
    within = space(name)
    for index in (3, 77, 600):
        arch = within.live(within.archs([index]))
        network = plain_network(name, Pool(0), arch, 8, 2, 10)
        assert sum(p.numel() for p in network.parameters()) == within.params(arch, 8, 2)[0]


@pytest.mark.parametrize("index", [3, 77, 9_930, 12_000])
def test_a_cell_computes_what_the_super_net_computes(index):
    within = space("nb201")
    arch = within.archs([index])
    plain = plain_network("nb201", Pool(0), arch, 8, 1, 10).train()
    net = NB201Net(10, NetworkSection(channels=8, cells=1)).train()
    pairs = [(net.stem, plain.blocks[0])]
    cells, reductions = plain.blocks[1::2], plain.blocks[2::2]
    for number, cell in enumerate(cells):
        for edge in range(len(EDGES)):
            if arch[0, edge] in (CONV1X1, CONV3X3):
                kind = net.cells[number].conv1 if arch[0, edge] == CONV1X1 else net.cells[number].conv3
                pairs.append((kind[edge], cell.edges[str(edge)]))
    for ours, theirs in zip(net.reductions, reductions, strict=True):
        pairs += [(ours.conv_a, theirs.inner[0]), (ours.conv_b, theirs.inner[1]), (ours.shortcut, theirs.shortcut)]
    for ours, theirs in pairs:
        (weight,) = [m.weight for m in theirs.modules() if isinstance(m, nn.Conv2d)]
        ours.weight.data.copy_(weight.data)
    net.classifier.load_state_dict(plain.classifier.state_dict())
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(plain(images), net(images, tuple(arch[0].tolist())), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("index", [3, 77, 2_000])
def test_a_cell_of_nas_bench_101_computes_what_its_stand_alone_network_computes(index):
    within = space("nb1shot1-1")
    arch = within.live(within.archs([index]))
    plain = plain_network("nb1shot1-1", Pool(0), arch, 8, 2, 10).train()
    own = NB101Net(10, within.cells(arch), 8, 2).train()
    ours = [m for m in own.modules() if hasattr(m, "bn")]
    theirs = [m for m in plain.modules() if isinstance(m, nn.Conv2d)]
    assert len(ours) == len(theirs)
    for conv, source in zip(_ordered(own), _ordered(plain), strict=True):
        conv.weight.data.copy_(source.weight.data)
    own.classifier.load_state_dict(plain.classifier.state_dict())
    images = torch.randn(5, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(plain(images), own(images), rtol=1e-4, atol=1e-5)


def _ordered(network):
    """The stem's convolution, then of each cell those of projections and those of operations, by vertex."""
    cells = network.cells if isinstance(network, NB101Net) else [b for b in network.blocks if hasattr(b, "operations")]
    stem = network.stem if isinstance(network, NB101Net) else network.blocks[0][0]
    found = [stem]
    for cell in cells:
        for of in (cell.projections, getattr(cell, "convs", None) or getattr(cell, "operations", None)):
            for module in of.values() if of is not None else []:
                inner = [m for m in module.modules() if isinstance(m, nn.Conv2d)] or [module]
                found += [m for m in inner if hasattr(m, "weight")]
    return found


def test_features_end_where_the_logits_begin():
    network = plain_network("nb201", Pool(0), space("nb201").archs([9_930]), 4, 2, 10).train()
    images = torch.randn(3, 3, 8, 8)
    features = network.features(images)
    assert len(features) == 1 + 3 * 2 + 2
    assert [f.shape[1] for f in features] == [4, 4, 4, 8, 8, 8, 16, 16, 16]
    torch.testing.assert_close(
        network.classifier(network.pre_classifier(images).mean((2, 3))), network(images), rtol=1e-5, atol=1e-6
    )


# ---- pools ----------------------------------------------------------------------------------------------------------


def test_weights_depend_on_seed_and_name_and_on_nothing_else():
    conv = lambda: nn.Conv2d(3, 4, 3, bias=False)  # noqa: E731
    first, second = Pool(5), Pool(5)
    second.get("another", conv)
    a, b = first.get("one", conv), second.get("one", conv)
    torch.testing.assert_close(a.weight, b.weight, rtol=0, atol=0)
    assert first.get("one", conv) is a
    assert not torch.equal(a.weight, Pool(6).get("one", conv).weight)
    assert not torch.equal(a.weight, first.get("two", conv).weight)


def test_a_pool_leaves_the_callers_random_numbers_alone():
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    Pool(0).get("one", lambda: nn.Linear(3, 3))
    torch.testing.assert_close(torch.rand(2), expected)


def test_weights_are_drawn_as_named():
    conv = lambda: nn.Conv2d(64, 64, 3, bias=False)  # noqa: E731
    deviations = {
        init: float(Pool(0, init).get("c", conv).weight.detach().std()) for init in ("kaiming", "torch", "gaussian")
    }
    fan = 64 * 9
    np.testing.assert_allclose(deviations["kaiming"], np.sqrt(2 / fan), rtol=0.02)
    np.testing.assert_allclose(deviations["torch"], np.sqrt(1 / (3 * fan)), rtol=0.02)
    np.testing.assert_allclose(deviations["gaussian"], 1, rtol=0.02)
