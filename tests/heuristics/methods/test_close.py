"""CLOSE: blocks of weights, the gate that assigns operations to them, and the curriculum."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from learned import TINY, context

from supernet.benchmarks.errors import UserError
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.methods.blocks import Blocks

SPACES = ["nb201", "nb1shot1-1"]
STRONG = ["training.momentum=0.9", "training.weight_decay=0.001", "training.clip=1", "network.bn_affine=true"]


def logits(run, archs):
    run.network.eval()
    images = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return torch.stack(list(run.network.logits_of(images, archs)))


def some(space, count=12):
    return [tuple(space.arch(index)) for index in range(5, len(space), len(space) // count)]


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("close", ["methods.close.blocks=1", "methods.close.every=1"])
def test_one_block_is_the_super_net_itself(close, space, digits):
    """Also where further blocks wait for their time."""
    base = TINY.override([f"space={space}", *STRONG])
    plain, closed = train(base, task=digits), train(base.override([close]), task=digits)
    assert [e["loss"] for e in plain.log] == [e["loss"] for e in closed.log]
    archs = some(plain.context.space)
    assert torch.equal(logits(plain, archs), logits(closed, archs))


def grown(digits, space="nb201", blocks=3, *changes):
    """An untrained super-net with all blocks in use, and with weights of their own."""
    run = start(TINY.override([f"space={space}", f"methods.close.blocks={blocks}", *changes]), task=digits)
    while run.network.active < blocks:
        run.network.grow()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in run.network.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=generator))
    return run


@pytest.mark.parametrize("space", SPACES)
def test_an_architecture_is_the_super_net_with_the_weights_of_its_blocks(space, digits):
    run = grown(digits, space)
    net = run.network.eval()
    plain = start(TINY.override([f"space={space}"]), task=digits)
    archs = some(run.context.space)
    chosen = net.gate.logits(archs, 3).argmax(2)
    assert len(chosen.unique()) == 3, "all blocks are in use"
    for arch, blocks, found in zip(archs, chosen.tolist(), logits(run, archs), strict=True):
        plain.network.load_state_dict(_assembled(net, plain.network, blocks))
        torch.testing.assert_close(logits(plain, [arch])[0], found)  # it may compute the first cell in another order


def _assembled(net, plain, blocks):
    """The state of a plain super-net, with the weights of a block for each decision."""
    state = {}
    for name in plain.state_dict():
        *path, _ = name.split(".")
        module, taken = net.network, []
        for part in path:
            module = getattr(module, part)
            taken.append(part)
            if isinstance(module, Blocks):
                module = module.blocks[blocks[module._decision]]
        state[name] = module.state_dict()[name.split(".")[-1]]
    return state


@pytest.mark.parametrize("training", [False, True])
def test_a_new_block_does_not_change_what_is_computed(training, digits):
    run = grown(digits, "nb201", 2)
    with torch.no_grad():
        for module in run.network.modules():
            if isinstance(module, Blocks):
                module.blocks[1].load_state_dict(module.blocks[0].state_dict())
    run.network.active = 1
    run.network.train(training)
    arch, images = (3, 2, 3, 1, 3, 2), torch.randn(8, 3, 16, 16)
    before = run.network(images, arch)
    run.network.grow()
    assert run.network.active == 2
    assert torch.equal(before, run.network(images, arch))


def test_gate_and_blocks_learn_in_training(digits):
    run, arch = grown(digits), (3, 2, 3, 2, 3, 2)
    net = run.network.train()
    torch.nn.functional.cross_entropy(net(torch.randn(16, 3, 16, 16), arch), torch.arange(16) % 10).backward()
    assert net.gate.last.weight.grad.abs().sum() > 0
    assert net.gate.hidden[0].weight.grad.abs().sum() > 0
    used = [m for m in net.modules() if isinstance(m, Blocks) and m.blocks[0].weight.grad is not None]
    assert len(used) == 3 * 6
    for module in used:
        assert sum(bool(block.weight.grad.any()) for block in module.blocks) == 1, "one block computes an operation"


def test_architectures_that_compute_the_same_have_the_same_blocks(digits):
    run = grown(digits)
    within, net = run.context.space, run.network.eval()
    indices = torch.arange(0, len(within), 29).numpy()
    archs = within.archs(indices)
    first = within.archs(within.same_computation(indices))
    assert (archs != first).any()
    alike = (net.gate.logits(list(map(tuple, a.tolist())), 3).argmax(2) for a in (archs, first))
    live = torch.from_numpy(within.live(archs)) >= 2  # operations with weights, or pooling
    one, other = alike
    assert torch.equal(one[live], other[live])


def test_threads_do_not_see_the_gates_of_each_other(digits):
    run = grown(digits)
    archs = some(run.context.space, 40)
    expected = logits(run, archs)
    with ThreadPoolExecutor(4) as pool:
        found = torch.stack(list(pool.map(lambda arch: logits(run, [arch])[0], archs)))
    torch.testing.assert_close(found, expected)


def test_an_architecture_for_each_cell_has_gates_for_each_cell(digits):
    run = grown(digits)
    one, other = (3, 2, 3, 2, 3, 2), (2, 3, 2, 3, 2, 3)
    images = torch.randn(4, 3, 16, 16)
    net = run.network.eval()
    assert torch.equal(net(images, (one,) * 3), net(images, one))
    assert not torch.equal(net(images, (one, other, one)), net(images, one))


def test_blocks_are_added_on_schedule_and_the_learning_rate_restarts(digits):
    recipe = TINY.override(["training.epochs=5", "methods.close.blocks=3", "methods.close.every=0.3"])
    active = []
    run = train(recipe, task=digits, after_epoch=lambda run: active.append(run.network.active))
    assert active == [1, 1, 2, 3, 3]
    assert run.restarted == 3 * run.steps_per_epoch
    assert run.log[3]["learning_rate"] > run.log[2]["learning_rate"]
    never = train(recipe.override(["methods.close.restart=0"]), task=digits)
    assert never.restarted == 0


def test_mixtures_and_shared_kernels_are_refused(digits):
    run, ctx = context(TINY.override(["methods.close.blocks=2"]), digits)
    run.network.grow()
    with pytest.raises(UserError, match="The method close assigns single operations"):
        ctx.network(ctx.images, tuple(torch.full((5,), 0.2) for _ in range(6)))
    for change in ("network.ofa_kernel=centre", "network.partial_channels=2"):
        with pytest.raises(UserError, match="needs operations with weights of their own"):
            start(TINY.override(["methods.close.blocks=2", change]), task=digits)


@pytest.mark.parametrize("changes", [["sampling.law=distribution"], ["distribution.step=second-order"]], ids=str)
def test_a_distribution_that_mixes_is_refused_at_the_start(changes, digits):
    base = TINY.override(["methods.close.blocks=2", "distribution.model=softmax"])
    with pytest.raises(UserError, match="The method close gives weights to single architectures"):
        start(base.override(changes), task=digits)
    start(base.override(["distribution.step=importance", "sampling.law=distribution"]), task=digits)


def test_a_copy_is_independent(digits):
    run = grown(digits)
    other = copy.deepcopy(run.network)
    arch, images = (3, 2, 3, 2, 3, 2), torch.randn(4, 3, 16, 16)
    before = run.network.eval()(images, arch)
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    assert torch.equal(run.network(images, arch), before)
