"""Cells of NAS-Bench-201 with kernels in Triton give what they give without."""

import pytest
import torch

from supernet.harness.supernet.kernels import use, without_triton
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.heuristics.recipe import Recipe

if missing := without_triton():
    pytest.skip(missing, allow_module_level=True)


pytestmark = pytest.mark.usefixtures("small_tiles")


@pytest.fixture
def net(interpreted):
    options = Recipe().override(["network.channels=16", "network.cells=1"]).network
    return NB201Net(10, options).to(interpreted)


def passed(compute, net, x, choice):
    """An output, and the gradients of a weighted sum of it."""
    with use(choice):
        y = compute(x)
        weights = torch.linspace(-1, 1, y.numel(), device=y.device).view(y.shape) ** 2
        grads = torch.autograd.grad(y, [x, *net.parameters()], weights, materialize_grads=True)
    return [y, *grads]


def same(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_one_path(net, interpreted):
    cell = net.all_cells[0]
    x = torch.randn(2, 16, 3, 3, device=interpreted, requires_grad=True)
    arch = (2, 3, 1, 4, 1, 2)
    results = [passed(lambda x: cell(x, arch), cell, x, choice) for choice in ("triton", "eager")]
    same(*results)


def test_a_hook_sees_the_module_that_it_hooks_on(net, interpreted):
    cell, seen = net.all_cells[0], []
    cell.convolution(0, 3).register_forward_hook(lambda *_: seen.append(1))
    with use("triton"):
        cell(torch.randn(2, 16, 3, 3, device=interpreted), (3, 2, 2, 2, 2, 2))
    assert seen == [1]


def test_running_statistics_are_kept(net, interpreted):
    cell = net.all_cells[0]
    bn = cell.convolution(0, 3).bn
    bn.track = True
    with use("triton"):
        cell(torch.randn(2, 16, 3, 3, device=interpreted), (3, 2, 2, 2, 2, 2))
    assert bool((bn.mean != 0).all())
