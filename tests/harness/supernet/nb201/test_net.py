import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.spaces.nb201 import EDGES
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import program
from supernet.harness.supernet.ops import average_pool, halve
from supernet.heuristics.recipe import NetworkSection

SPACE = NB201()
RNG = np.random.default_rng(0)
ARCHS = [tuple(a) for a in SPACE.archs(RNG.choice(15625, 40, replace=False)).tolist()]
HARD = [(3,) * 6, (1,) * 6, (4,) * 6, (0,) * 6, (0, 0, 0, 3, 0, 0), (3, 0, 4, 0, 1, 2), (3, 3, 3, 0, 0, 3)]


def small(**options):
    torch.manual_seed(0)
    return NB201Net(10, NetworkSection(**({"channels": 4, "cells": 1} | options)))


@pytest.fixture
def images():
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)


class Plain(nn.Module):
    """The benchmark's stand-alone network of one architecture, written the obvious way, with a super-net's weights."""

    def __init__(self, net, arch):
        super().__init__()
        self.net, self.arch = net, arch

    @staticmethod
    def norm(bn, x):
        return F.batch_norm(x, None, None, bn.weight, bn.bias, training=True)

    def conv(self, module, x, stride=1):
        return self.norm(module.bn, F.conv2d(x, module.weight, stride=stride, padding=module.weight.shape[-1] // 2))

    def operation(self, cell, edge, x):
        match self.arch[edge]:
            case 0:
                return x * 0
            case 1:
                return x
            case 2:
                return self.conv(cell.conv1[edge], F.relu(x))
            case 3:
                return self.conv(cell.conv3[edge], F.relu(x))
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def forward(self, x):
        net = self.net
        x = self.conv(net.stem, x)
        for number, cell in enumerate(net.all_cells):
            if number and number % (len(net.all_cells) // 3) == 0:
                block = net.reductions[number // (len(net.all_cells) // 3) - 1]
                inner = self.conv(block.conv_b, F.relu(self.conv(block.conv_a, F.relu(x), 2)))
                x = inner + block.shortcut(F.avg_pool2d(x, 2))
            nodes = [x]
            for target in (1, 2, 3):
                edges = [(e, s) for e, (s, t) in enumerate(EDGES) if t == target]
                nodes.append(sum(self.operation(cell, e, nodes[s]) for e, s in edges))
            x = nodes[3]
        return net.classifier(F.relu(self.norm(net.last_bn, x)).mean((2, 3)))


@pytest.mark.parametrize("arch", HARD + ARCHS[:10], ids=str)
@pytest.mark.parametrize("options", [{}, {"cells": 2, "bn_affine": False}], ids=["N=1", "N=2"])
def test_restricted_to_one_architecture_it_is_the_stand_alone_network(arch, options, images):
    net = small(**options)
    torch.testing.assert_close(net(images, arch), Plain(net, arch)(images), rtol=0, atol=1e-5)


def test_outputs_and_gradients_agree_to_1e_6_in_double_precision(images):
    net = small().double()
    arch = (3, 2, 4, 1, 3, 2)
    outputs = [network(images.double()) for network in (lambda x: net(x, arch), Plain(net, arch))]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-6)
    grads = [torch.autograd.grad(out.square().sum(), net.classifier.weight, retain_graph=True)[0] for out in outputs]
    torch.testing.assert_close(*grads, rtol=0, atol=1e-6)


def test_parameter_count_is_that_of_the_benchmark_for_every_architecture():
    net = NB201Net(10, NetworkSection())
    sizes = {}
    for ops in itertools.product(range(5), repeat=6):
        key = (ops.count(2), ops.count(3))
        if key not in sizes:
            sizes[key] = sum(p.numel() for p in net.active_parameters(ops))
    archs = SPACE.archs()
    counted = [sizes[(a == 2).sum(), (a == 3).sum()] for a in archs]
    np.testing.assert_array_equal(counted, SPACE.params(archs))


def test_pooling_is_average_pooling_with_its_gradient():
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64, requires_grad=True)
    expected = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(average_pool(x), expected)
    assert torch.autograd.gradcheck(average_pool, x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_halving_is_average_pooling_with_its_gradient(layout):
    x = torch.randn(2, 3, 6, 4, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    torch.testing.assert_close(halve(x), F.avg_pool2d(x, 2))
    assert torch.autograd.gradcheck(halve, x)
    assert torch.autograd.gradgradcheck(halve, x)


@pytest.mark.parametrize("arch", HARD + ARCHS[:5], ids=str)
def test_only_live_operations_get_gradients(arch, images):
    net = small()
    net(images, arch).sum().backward()
    live = SPACE.live_edges[SPACE.index(arch)]
    for cell in net.all_cells:
        for edge in range(6):
            for op, modules in ((2, cell.conv1), (3, cell.conv3)):
                used = bool(live[edge]) and arch[edge] == op
                assert (modules[edge].weight.grad is not None) == used


@pytest.mark.parametrize("arch", ARCHS, ids=str)
def test_programs_hold_exactly_the_live_edges(arch):
    listed = set()
    for node, plan in enumerate(program(arch), 1):
        if plan:
            listed |= {e for _, e, _ in plan.convs}
            listed |= {EDGES.index((s, node)) for s in plan.skips + plan.pools}
    assert listed == set(np.flatnonzero(SPACE.live_edges[SPACE.index(arch)]).tolist())


@pytest.mark.parametrize("arch", HARD + ARCHS[:5], ids=str)
def test_a_one_hot_relaxation_is_the_discrete_choice(arch, images):
    net = small()
    relaxed = tuple(F.one_hot(torch.tensor(op), 5).float() for op in arch)
    torch.testing.assert_close(net(images, relaxed), net(images, arch), rtol=0, atol=1e-5)
    mixed = (relaxed[0], *arch[1:])
    torch.testing.assert_close(net(images, mixed), net(images, arch), rtol=0, atol=1e-5)


def test_mixture_weights_get_gradients(images):
    weights = [torch.full((5,), 0.2, requires_grad=True) for _ in range(6)]
    small()(images, tuple(weights)).square().sum().backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in weights)


# ---- heuristics that change the network ----


def test_an_architecture_for_every_cell(images):
    net = small()
    a, b, c = ARCHS[:3]
    assert not torch.allclose(net(images, (a, b, c)), net(images, a))
    torch.testing.assert_close(net(images, (a, a, a)), net(images, a))


def test_operations_on_nodes_share_the_weights_of_edges_from_later_nodes(images):
    net = small(op_on="node")
    cell = net.all_cells[0]
    assert len(cell.conv3) == 5
    net(images, (0, 0, 0, 3, 0, 0)).sum().backward()
    assert cell.conv3[cell.slot[3]].weight.grad is not None
    assert cell.conv3[cell.slot[4]].weight.grad is None
    assert cell.slot[4] == cell.slot[5]


def test_the_small_kernel_can_be_the_centre_of_the_large_one(images):
    centre, arch = small(ofa_kernel="centre"), (2,) * 6
    own = small()
    assert sum(p.numel() for p in centre.parameters()) < sum(p.numel() for p in own.parameters())
    for source, target in zip(centre.all_cells, own.all_cells, strict=True):
        for large, little in zip(source.conv3, target.conv1, strict=True):
            little.weight.data = large.weight.data[:, :, 1:2, 1:2].clone()
    for name in ("stem", "reductions", "classifier"):
        getattr(own, name).load_state_dict(getattr(centre, name).state_dict())
    torch.testing.assert_close(centre(images, arch), own(images, arch), rtol=0, atol=1e-5)
    transform = small(ofa_kernel="transform")
    torch.testing.assert_close(transform(images, arch), centre(images, arch), rtol=0, atol=1e-5)
    transform(images, arch).square().sum().backward()
    assert all(module.factor.grad is not None for module in transform.all_cells[0].conv1 if module.factor is not None)


def test_path_dropout_grows_with_depth_and_progress_and_rests_in_evaluation(images):
    net, arch = small(path_dropout=0.5), (3,) * 6
    net.set_progress(0.0)
    torch.testing.assert_close(net(images, arch), net(images, arch))
    net.set_progress(1.0)
    rates = [cell.drop_rate for cell in net.all_cells]
    assert rates == pytest.approx([0.5 / 3, 1.0 / 3, 0.5])
    assert not torch.allclose(net(images, arch), net(images, arch))
    net.eval()
    torch.testing.assert_close(net(images, arch), net(images, arch))


def test_global_dropout_acts_in_training_only(images):
    net, arch = small(global_dropout=0.5), (3,) * 6
    assert not torch.allclose(net(images, arch), net(images, arch))
    net.eval()
    torch.testing.assert_close(net(images, arch), net(images, arch))


def test_batch_norm_has_scale_and_statistics_as_asked(images):
    plain = small(bn_affine=False)
    assert plain.stem.bn.weight is None
    assert small().stem.bn.weight is not None
    tracked = small(bn_track=True)
    tracked(images, (3,) * 6)
    assert tracked.stem.bn.mean.abs().sum() > 0
    untracked = small()
    untracked(images, (3,) * 6)
    assert untracked.stem.bn.mean.abs().sum() == 0
