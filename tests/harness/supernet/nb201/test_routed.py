"""Several paths through a cell by fused operations, against the paths one by one."""

import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces.nb201 import EDGES
from supernet.harness.supernet import kernels
from supernet.harness.supernet.nb201 import together
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.routed import routed_cell, takes
from supernet.heuristics.recipe import Recipe


def routings(paths):
    """Paths that share no operation of an edge; with five of them, one has `none` on each edge."""
    rng = np.random.default_rng(0)
    per_edge = [rng.permutation(paths) + 5 - paths for _ in EDGES]
    return [tuple(int(ops[p]) for ops in per_edge) for p in range(paths)]


@pytest.mark.parametrize("paths", [3, 4, 5])
@pytest.mark.parametrize("changes", [[], ["network.bn_affine=true"], ["network.ofa_kernel=transform"]])
def test_paths_at_once_are_the_paths_one_by_one(paths, changes):
    options = Recipe().override(["network.channels=4", "network.bn_affine=false", *changes]).network
    cell, chosen = Cell(4, options).double(), routings(paths)
    take, _, used = together.tables(np.array(chosen), idle=True)
    x = torch.randn(paths, 3, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    found = routed_cell(cell, x, take, take.masked_fill(used == 0, -1), paths)
    # A relaxed mixture of one operation keeps what a node gets from sources that nothing reaches.
    wanted = torch.stack([cell._relaxed(one, routing) for one, routing in zip(x, chosen, strict=True)])
    torch.testing.assert_close(found, wanted)
    weights = [x, *cell.parameters()]
    grad = torch.randn_like(found)
    # What leads into `none` alone has no gradient one by one, and one of zeros here.
    grads = (torch.autograd.grad(y, weights, grad, materialize_grads=True) for y in (found, wanted))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("idle", [False, True])
def test_the_static_computation_uses_it_when_kernels_are_chosen(idle, monkeypatch):
    net = NB201Net(10, Recipe().override(["network.channels=4", "network.cells=1"]).network).double()
    ops = np.array(routings(4))
    ops[3, 2] = 0 if idle else ops[3, 2]
    take, back, used = (x[None] for x in together.tables(ops, idle))
    images = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    results = []
    for choice in (False, True):
        monkeypatch.setattr(kernels, "fused", lambda operation, x, choice=choice: choice)
        logits = together.forward(net, [images], together.Routes(take, back, used, idle))
        results.append([*logits, *torch.autograd.grad(sum((y**2).sum() for y in logits), list(net.parameters()))])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b)


def test_cells_with_statistics_of_other_batches_are_left_to_the_others():
    cell = Cell(4, Recipe().override(["network.channels=4"]).network)
    assert takes(cell)
    cell.convolution(2, 3).bn.use_running = True
    assert not takes(cell)
