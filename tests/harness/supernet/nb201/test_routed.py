"""All paths of a fair step by fused operations, against the plain computation of the same step."""

import numpy as np
import pytest
import torch

from supernet.benchmarks.spaces.nb201 import EDGES, OPS
from supernet.harness.supernet.nb201.cell import Cell
from supernet.harness.supernet.nb201.routed import routed_cell
from supernet.heuristics.recipe import Recipe


def fair_routes(paths, cells=1):
    """A permutation of the paths over the operations of each edge, and the routing of each path."""
    rng = np.random.default_rng(0)
    first = len(OPS) - paths
    routes = np.full((len(EDGES), len(OPS)), -1)
    routes[:, first:] = [rng.permutation(paths) for _ in EDGES]
    routings = [tuple(int(np.flatnonzero(routes[edge] == p)[0]) for edge in range(len(EDGES))) for p in range(paths)]
    return torch.tensor(routes), routings


@pytest.mark.parametrize("paths", [4, 5])
@pytest.mark.parametrize("changes", [[], ["network.bn_affine=true"], ["network.ofa_kernel=transform"]])
def test_paths_at_once_are_the_paths_one_by_one(paths, changes):
    options = Recipe().override(["network.channels=4", "network.bn_affine=false", *changes]).network
    cell = Cell(4, options).double()
    routes, routings = fair_routes(paths)
    x = torch.randn(paths, 3, 4, 5, 5, dtype=torch.float64, requires_grad=True)
    found = routed_cell(cell, x, routes, paths)
    # A relaxed mixture of one operation keeps what a node gets from sources that nothing reaches.
    wanted = torch.stack([cell._relaxed(one, routing) for one, routing in zip(x, routings, strict=True)])
    torch.testing.assert_close(found, wanted)
    weights = [x, *cell.parameters()]
    grad = torch.randn_like(found)
    # What leads into `none` alone has no gradient one by one, and one of zeros here.
    grads = (torch.autograd.grad(y, weights, grad, materialize_grads=True) for y in (found, wanted))
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)
