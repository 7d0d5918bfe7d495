"""Cells for several paths by fused kernels: against the operations one by one in float64, in steps, and in rankings."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3, SKIP
from supernet.harness.supernet.kernels import use, without_triton
from supernet.harness.supernet.nb201 import blocks, fair, fused
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.nb201.plan import INTO, POOL, live
from supernet.harness.training.run import optimiser_for
from supernet.heuristics.hooks import Context
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.methods.steps import Accumulate, Hooks
from supernet.heuristics.recipe import Recipe

if missing := without_triton():
    pytest.skip(missing, allow_module_level=True)

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
DTYPES = (torch.float32, torch.bfloat16) if CUDA else (torch.float32, torch.float16)
"""Triton's interpreter multiplies no matrices in bfloat16."""
TOLERANCE = {torch.float32: 1e-5, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Of the norm of the difference, relative to that of the values."""


@pytest.fixture(autouse=True)
def small_programs(monkeypatch):
    """Programs of a few rows, of which small images need several, the last with rows left over."""
    from supernet.harness.supernet.kernels.triton import stage

    torch.manual_seed(0)
    for name, value in {"ELEMENTS": 512, "CONVOLVED": 512, "PULLED": 256, "MERGED": 64, "SHARE": 64}.items():
        monkeypatch.setattr(stage, name, value)
    with use("triton"):
        yield


def plan(cells, paths, idle):
    """Live operations of paths that share none on an edge: (cells, paths, edges)."""
    rng = np.random.default_rng(0)
    every = [rng.permutation(5)[:paths] if idle else rng.permutation(4)[:paths] + 1 for _ in range(cells * 6)]
    ops = np.array(every).reshape(cells, 6, paths).swapaxes(1, 2)
    return np.array([[live(tuple(path)) for path in cell] for cell in ops.tolist()])


def one_by_one(x, weight, gain, shift, ops):
    """What `cells` computes, an operation after the other."""
    outputs = []
    for path, images in enumerate(x.movedim(-1, 2).unbind()):
        for cell in range(len(weight)):
            nodes = [images]
            for into in INTO[1:]:
                terms = [torch.zeros_like(images)]
                for edge, source in into:
                    op, node = int(ops[cell, path, edge]), nodes[source]
                    if op == SKIP:
                        terms.append(node)
                    elif op == POOL:
                        terms.append(F.avg_pool2d(node, 3, 1, 1, count_include_pad=False))
                    elif op in (CONV1X1, CONV3X3):
                        matrices = weight[cell, edge, :9] if op == CONV3X3 else weight[cell, edge, 9:]
                        side = 3 if op == CONV3X3 else 1
                        kernel = matrices.permute(1, 2, 0).unflatten(2, (side, side))
                        y = F.conv2d(F.relu(node), kernel, padding=side // 2)
                        affine = (None, None) if gain is None else (t[cell, edge, op - CONV1X1] for t in (gain, shift))
                        terms.append(F.batch_norm(y, None, None, *affine, training=True))
                nodes.append(sum(terms))
            images = nodes[3]
        outputs.append(images.movedim(1, -1))
    return torch.stack(outputs)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("shape", "cells", "affine", "idle"),
    [
        ((1, 3, 5, 6, 16), 2, True, False),
        ((4, 2, 4, 4, 4), 2, True, False),
        ((3, 2, 5, 3, 12), 1, False, True),
    ],
    ids=str,
)
def test_cells_are_their_operations_one_by_one(shape, cells, affine, idle, dtype):
    from supernet.harness.supernet.kernels.triton import cells as compute

    paths, channels = shape[0], shape[-1]
    ops = plan(cells, paths, idle)
    exact = [torch.randn(shape), 0.3 * torch.randn(cells, 6, 10, channels, channels)]
    exact += [1 + 0.3 * torch.randn(cells, 6, 2, channels), torch.randn(cells, 6, 2, channels)] if affine else []
    given = [x.to(DEVICE, dtype if number == 0 else torch.float32).requires_grad_() for number, x in enumerate(exact)]
    exact = [x.detach().double().requires_grad_() for x in given]
    tables = [table.to(DEVICE) for table in fused.tables(ops)]
    none = [None] * (4 - len(exact))
    wanted, found = one_by_one(*exact, *none, ops), compute(*given, *none, *tables, 1e-5)
    grad = torch.randn_like(wanted)
    pairs = [(found, wanted)]
    grads = torch.autograd.grad(found, given, grad.to(dtype)), torch.autograd.grad(wanted, exact, grad)
    pairs += zip(*grads, strict=True)
    for a, b in pairs:
        assert float((a.double() - b).detach().norm() / b.detach().norm()) <= TOLERANCE[dtype]
    with torch.no_grad():
        assert torch.equal(compute(*given, *none, *tables, 1e-5), found)


def contexts(recipe):
    """Two equal networks with images and labels, ready for steps."""
    for _ in range(2):
        torch.manual_seed(0)
        network = NB201Net(10, recipe.network).to(DEVICE)
        ctx = Context(recipe, space("nb201"), network, torch.optim.SGD([torch.zeros(0)]), np.random.default_rng(1))
        ctx.optimiser = optimiser_for(recipe, [], ctx)
        ctx.images = torch.randn(8, 3, 8, 8).to(DEVICE, memory_format=torch.channels_last)
        ctx.labels = torch.randint(10, (8,)).to(DEVICE)
        ctx.rows = torch.arange(8)
        yield ctx


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["sampling.paths=2", "sampling.batch=split", "sampling.per_cell=true", "network.bn_affine=false"],
        ["sampling.law=fair", "sampling.with_none=false", "sampling.batch=split"],
        ["sampling.law=fair", "network.op_on=node", "network.bn_affine=false", "training.unsampled=zero"],
    ],
    ids=["one path", "two paths", "fair and split", "fair with none, operations on nodes"],
)
def test_fused_steps_train_the_weights_that_paths_one_by_one_do(changes):
    recipe = Recipe().override(["network.channels=4", "network.cells=1", "training.learning_rate=0.1", *changes])
    assert fused.fits(recipe, DEVICE)
    at_once = fair.paths(recipe) if fair.fits(recipe) else 1
    one, other = contexts(recipe)
    law, rules = sampler_for(one.space, recipe, 3), (Accumulate(), fused.FusedStep(CUDA, at_once))
    for _ in range(fused.FusedStep.WARM_UP + 2 if CUDA else 2):
        paths, hooks = law.plan(one), Hooks(losses_for(recipe))
        with use("eager"):
            plain = rules[0].take_step(one, paths, hooks)
        found = rules[1].take_step(other, paths, hooks)
        assert float(found.loss) == pytest.approx(float(plain.loss), rel=1e-4)
        assert (int(found.correct), found.seen) == (int(plain.correct), plain.seen)
    for name, value in one.network.state_dict().items():
        torch.testing.assert_close(other.network.state_dict()[name], value, atol=1e-4, rtol=1e-4, msg=name)


def test_a_block_scores_its_architectures_as_one_by_one():
    torch.manual_seed(0)
    network = NB201Net(10, Recipe().override(["network.channels=4", "network.cells=1"]).network).to(DEVICE).eval()
    archs = [tuple(arch) for arch in space("nb201").archs(np.random.default_rng(0).integers(15625, size=6)).tolist()]
    images = torch.randn(6, 3, 8, 8, device=DEVICE)
    places = blocks.packed(archs)
    with torch.inference_mode():
        made = blocks.Blocks(network, [[archs[p] for p in block] for block in places], DEVICE, amp=False, capture=CUDA)
        assert fused.computes(network, DEVICE)
        for number, block in enumerate(places):
            for place, found in zip(block, made.logits(images, number), strict=True):
                with use("eager"):
                    torch.testing.assert_close(found, network(images, archs[place]), atol=1e-4, rtol=1e-4)


def test_other_networks_are_left_to_the_others():
    def network(*changes):
        return NB201Net(10, Recipe().override(["network.channels=4", "network.cells=1", *changes]).network)

    assert fused.computes(network(), DEVICE)
    assert not fused.computes(network("network.ofa_kernel=centre"), DEVICE)
    assert not fused.computes(network("network.bn_track=true"), DEVICE)
    assert not fused.computes(network("network.partial_channels=2"), DEVICE)
    assert not fused.computes(network("network.channels=64"), DEVICE), "256 channels are too many"
    assert not fused.computes(network().double(), DEVICE)
    with use("cells=eager"):
        assert not fused.computes(network(), DEVICE)
    assert not fused.fits(Recipe().override(["network.ofa_kernel=centre"]), DEVICE)
    assert not fused.fits(Recipe().override(["sampling.law=sandwich"]), DEVICE)
    assert not fused.fits(Recipe().override(["network.channels=64"]), DEVICE)
