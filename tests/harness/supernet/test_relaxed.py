"""Relaxed networks: the merged computation against the plain one, edge by edge, and against discrete paths."""

import pytest
import torch

from supernet.harness.supernet.nb201.net import NB201Net
from supernet.heuristics.recipe import NetworkSection
from supernet.heuristics.routes import Gate


def small(**options):
    torch.manual_seed(0)
    return NB201Net(10, NetworkSection(**({"channels": 8, "cells": 1, "bn_affine": False} | options)))


@pytest.fixture
def images():
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)


def gradients(net, images, weights):
    out = net(images, tuple(weights.unbind()))
    loss = (out * torch.linspace(-1, 1, 10)).square().sum()
    return out, torch.autograd.grad(loss, [weights, *net.parameters()], allow_unused=True)


@pytest.mark.parametrize("partial", [1, 2, 4])
@pytest.mark.parametrize("op_on", ["edge", "node"])
def test_merged_edges_are_the_edges_one_by_one(partial, op_on, images):
    net = small(partial_channels=partial, op_on=op_on)
    weights = torch.rand(6, 5, requires_grad=True)
    assert net.all_cells[0]._merges(tuple(weights.unbind()))
    merged = gradients(net, images, weights)
    for cell in net.all_cells:
        cell._stateless = False
    plain = gradients(net, images, weights)
    torch.testing.assert_close(merged[0], plain[0], atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(merged[1], plain[1], strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("options", [{"bn_affine": True}, {"bn_track": True}, {"ofa_kernel": "centre"}])
def test_what_batch_norms_keep_is_not_merged_away(options, images):
    net = small(**options)
    net.train()
    weights = tuple(torch.rand(6, 5).unbind())
    assert not net.all_cells[0]._merges(weights)
    net(images, weights)
    if "bn_track" in options:
        assert any(float(conv.bn.mean.abs().max()) > 0 for conv in net.all_cells[0].conv3)


def test_dropped_paths_are_not_merged(images):
    net = small(path_dropout=0.5)
    net.set_progress(1.0)
    weights = tuple(torch.rand(6, 5).unbind())
    assert not net.all_cells[-1]._merges(weights)
    net.eval()
    assert net.all_cells[-1]._merges(weights)


@pytest.mark.parametrize("arch", [(3, 2, 1, 4, 3, 2), (0, 3, 0, 1, 0, 4), (0, 0, 0, 0, 0, 0)])
def test_a_mixture_of_one_option_is_that_path(arch, images):
    net = small()
    one_hot = torch.nn.functional.one_hot(torch.tensor(arch), 5).float()
    with torch.no_grad():
        wanted = net(images, arch)
        # Where nothing reaches a node, the mixture convolves zeros, which batch norm without a shift leaves zero.
        torch.testing.assert_close(net(images, tuple(one_hot.unbind())), wanted, atol=1e-4, rtol=1e-4)
        gates = tuple(Gate(op, row) for op, row in zip(arch, one_hot, strict=True))
        torch.testing.assert_close(net(images, gates), wanted, atol=1e-4, rtol=1e-4)


def test_gates_mixtures_and_choices_go_together(images):
    net = small()
    row = torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2])
    hard = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0])
    mixed = net(images, (3, row, Gate(3, hard), 1, 0, row))
    plain = net(images, (hard, row, hard, torch.eye(5)[1], torch.eye(5)[0], row))
    torch.testing.assert_close(mixed, plain, atol=1e-4, rtol=1e-4)
