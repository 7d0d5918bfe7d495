"""The network of NAS-Bench-101 against the benchmark's parameter counts and a plain computation of its cells."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.nb101 import OPS, Cells
from supernet.harness.supernet.nb101 import NB101Net
from supernet.harness.supernet.ops import max_pool


def cell(matrix, ops=()):
    return Cells.from_matrix(matrix, ["input", *ops, "output"])


def random_cells(count, seed):
    rng = np.random.default_rng(seed)
    while count:
        size = rng.integers(2, 8)
        matrix = np.triu(rng.random((size, size)) < rng.uniform(0.2, 0.9), 1).astype(int)
        found = cell(matrix, rng.choice(OPS, size - 2).tolist())
        if found.used[0, 0]:
            count -= 1
            yield found


def conv_bn_relu(x, conv, padding):
    y = F.conv2d(x, conv.weight, padding=padding)
    y = (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    return (y * conv.bn.weight[:, None, None] + conv.bn.bias[:, None, None]).clamp(min=0)


def plain(net, cell, x, modules):
    """The network's logits, vertex by vertex as `build_module` has them."""
    edges = cell.pruned().edges[0]
    x = conv_bn_relu(x, net.stem, 1)
    for number, module in enumerate(net.cells):
        if number and number % modules == 0:
            x = F.max_pool2d(x, 2, 2)
        outputs = len(net.stem.weight) * 2 ** (number // modules)
        widths = cell.vertex_channels(x.shape[1], outputs)[0]
        tensors = {}
        for v in range(1, 7):
            if not edges[:, v].any():
                continue
            total = conv_bn_relu(x, module.projections[str(v)], 0) if edges[0, v] else 0
            sources = [tensors[u] for u in range(1, v) if edges[u, v]]
            if v == 6:
                tensors[v] = total + (torch.cat(sources, 1) if sources else 0)
                continue
            total = total + sum(s[:, : widths[v]] for s in sources)
            if OPS[cell.ops[0, v - 1]] == "maxpool3x3":
                tensors[v] = F.max_pool2d(total, 3, 1, 1)
            else:
                conv = module.convs[str(v)]
                tensors[v] = conv_bn_relu(total, conv, conv.weight.shape[2] // 2)
        x = tensors[6]
    return net.classifier(x.mean((2, 3)))


@pytest.mark.parametrize(("channels", "modules"), [(8, 1), (7, 2)])
def test_trainable_parameters_are_the_benchmarks(channels, modules):
    for found in random_cells(60, seed=channels):
        net = NB101Net(5, found, channels=channels, modules=modules)
        counted = sum(p.numel() for p in net.parameters())
        assert counted == found.params(channels, modules, 5)[0], found.string(0)


def test_the_benchmarks_own_size_has_its_parameters():
    found = cell([[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["conv3x3-bn-relu"])
    assert sum(p.numel() for p in NB101Net(10, found).parameters()) == found.params()[0]


def test_logits_are_those_of_a_plain_computation():
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    for found in random_cells(15, seed=1):
        net = NB101Net(3, found, channels=9, modules=2).double()
        for norm in (m for m in net.modules() if hasattr(m, "batches")):
            torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
            torch.nn.init.normal_(norm.bias)
        for grad in (torch.enable_grad, torch.inference_mode):
            with grad():
                torch.testing.assert_close(net(x), plain(net, found, x, 2))


def test_a_cell_without_interior_is_a_projection():
    net = NB101Net(3, cell([[0, 1], [0, 0]]), channels=4, modules=1)
    assert [len(c.convs) for c in net.cells] == [0, 0, 0]
    x = torch.rand(2, 4, 4, 4)
    torch.testing.assert_close(net.cells[0](x), conv_bn_relu(x, net.cells[0].projections["6"], 0))


def test_every_parameter_of_a_network_is_trained():
    for found in random_cells(10, seed=2):
        net = NB101Net(3, found, channels=6, modules=1)
        net(torch.randn(4, 3, 8, 8)).square().sum().backward()
        assert all(p.grad is not None for p in net.parameters())


def test_without_affine_batch_norm_there_are_fewer_parameters_and_tracking_moves_the_statistics():
    found = cell([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["conv1x1-bn-relu"])
    net = NB101Net(3, found, channels=4, modules=1, affine=False, track=True)
    assert not any("bn" in name for name, _ in net.named_parameters())
    net(torch.randn(4, 3, 8, 8))
    assert all(m.batches == 1 and m.mean.any() for m in net.modules() if hasattr(m, "batches"))


def test_what_is_no_single_connected_cell_is_refused():
    found = cell([[0, 1], [0, 0]])
    with pytest.raises(BadArchitecture, match="not from 2"):
        NB101Net(3, Cells(np.repeat(found.edges, 2, 0), np.repeat(found.ops, 2, 0)))
    with pytest.raises(BadArchitecture, match="no path"):
        NB101Net(3, cell([[0, 1, 0], [0, 0, 0], [0, 0, 0]], ["maxpool3x3"]))


@pytest.mark.parametrize("shape", [(2, 5, 8, 8), (1, 3, 1, 1), (2, 4, 5, 3)])
def test_pooling_without_a_gradient_is_pooling(shape):
    x = torch.randn(shape).to(memory_format=torch.channels_last)
    for part in (x, x[:, :3]):
        kept = part.clone()
        pooled = max_pool(part)
        assert torch.equal(pooled, F.max_pool2d(part, 3, 1, 1))
        assert torch.equal(part, kept)
        assert torch.equal(max_pool(part.requires_grad_()), pooled)
        part.requires_grad_(False)
