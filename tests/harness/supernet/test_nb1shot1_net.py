"""The super-net of the 1Shot1 spaces against plain computations, NAS-Bench-101's network and its own promises."""

import copy

import pytest
import torch
import torch.nn.functional as F
from nb1shot1_nets import DYNAMIC, SPACES, archs, close, each_space, images, network, parents, step, used

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb101 import SHORT_OPS
from supernet.harness.supernet.build import build_network
from supernet.harness.supernet.nb101 import NB101Net
from supernet.harness.supernet.ops import drop_path
from supernet.heuristics.recipe import Recipe

# ---- a plain computation of any architecture, with weights cut to size beforehand -----------------------------


def norm_relu(y, weight, bias):
    y = (y - y.mean((0, 2, 3), keepdim=True)) / (y.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    return (y * weight[:, None, None] + bias[:, None, None]).clamp(min=0)


def whole(tensor, dim):
    return tensor


def first(width):
    return lambda tensor, dim: tensor.index_select(dim, torch.arange(width))


def averaged(width):
    def cut(tensor, dim):
        wide = tensor.shape[dim]
        bins = [(i * wide // width, -(-(i + 1) * wide // width)) for i in range(width)]
        return torch.stack([tensor.narrow(dim, a, b - a).mean(dim) for a, b in bins], dim)

    return cut


def plain_cell(cell, within, arch, x, outputs, cut):
    def project(module, cut):
        weight = cut(module.conv.weight, 0)
        return norm_relu(F.conv2d(x, weight), cut(module.norm.weight, 0), cut(module.norm.bias, 0))

    reads, values = parents(within, arch), {}
    for node in sorted(used(within, arch)):
        module, op = cell.nodes[node - 1], SHORT_OPS[arch[node - 1]]
        total = sum(values[p] if p else project(module.projection, cut) for p in reads[node])
        if op == "maxpool3x3":
            values[node] = F.max_pool2d(total, 3, 1, 1)
            continue
        conv, norm = (module.conv3 if op == "conv3x3" else module.conv1), module.norms[op]
        weight = cut(cut(conv.weight, 1), 0)
        y = F.conv2d(total, weight, padding=weight.shape[2] // 2)
        values[node] = norm_relu(y, cut(norm.weight, 0), cut(norm.bias, 0))
    out = x.new_zeros(len(x), outputs, *x.shape[2:])
    ends = torch.cat([values[p] for p in reads["out"] if p], 1)
    out[:, : ends.shape[1]] = ends
    return out + (project(cell.shortcut, whole) if 0 in reads["out"] else 0)


def plain(net, within, arch, x, cut=lambda outputs, ends: whole):
    """Logits; `cut(outputs, ends)` cuts a tensor to size in a cell with so many channels and concatenated nodes."""
    x = norm_relu(F.conv2d(x, net.stem.weight, padding=1), net.stem.bn.weight, net.stem.bn.bias)
    per_stack, ends = len(net.cells) // 3, sum(p > 0 for p in parents(within, arch)["out"])
    for number, cell in enumerate(net.cells):
        if number and number % per_stack == 0:
            x = F.max_pool2d(x, 2, 2)
        outputs = len(net.stem.weight) << (number // per_stack)
        x = plain_cell(cell, within, arch, x, outputs, cut(outputs, ends))
    return net.classifier(x.mean((2, 3)))


@each_space
@pytest.mark.parametrize("channels", [12, 7])
def test_fixed_widths_are_those_of_a_plain_computation(within, channels):
    net, x = network(within, channels, cells=2), images()
    for arch in archs(within, 8):
        close(net(x, arch), plain(net, within, arch, x))


@each_space
@pytest.mark.parametrize("mode", DYNAMIC)
@pytest.mark.parametrize("channels", [12, 8])
def test_scoring_takes_the_part_of_the_weights_that_belongs_to_the_architecture(within, mode, channels):
    net, x = network(within, channels, channel_mode=mode).eval(), images()
    part = averaged if mode == "interpolate" else first
    for arch in archs(within, 4):
        close(net(x, arch), plain(net, within, arch, x, cut=lambda outputs, ends: part(outputs // ends)))


# ---- NAS-Bench-101's network ----------------------------------------------------------------------------------


def copy_weights(net, alone, arch):
    """Into the stand-alone network, the first channels of the super-net's weights."""
    pairs = [(net.stem.weight, alone.stem.weight), (net.classifier.weight, alone.classifier.weight)]
    pairs += [(net.classifier.bias, alone.classifier.bias)]
    bns = [(net.stem.bn, alone.stem.bn)]
    for cell, single in zip(net.cells, alone.cells, strict=True):
        for key, projection in single.projections.items():
            mine = cell.shortcut if key == "6" else cell.nodes[int(key) - 1].projection
            pairs.append((mine.conv.weight, projection.weight))
            bns.append((mine.norm, projection.bn))
        for key, conv in single.convs.items():
            node, op = cell.nodes[int(key) - 1], SHORT_OPS[arch[int(key) - 1]]
            pairs.append(((node.conv3 if op == "conv3x3" else node.conv1).weight, conv.weight))
            bns.append((node.norms[op], conv.bn))
    pairs += [(getattr(a, name), getattr(b, name)) for a, b in bns for name in ("weight", "bias")]
    with torch.no_grad():
        for source, target in pairs:
            target.copy_(source[tuple(slice(0, n) for n in target.shape)])


@each_space
@pytest.mark.parametrize(("mode", "full"), [("fixed", True), ("fixed_chunk", True), ("fixed_chunk", False)])
def test_one_architecture_is_the_benchmarks_network_where_widths_agree(within, mode, full):
    net, x = network(within, 12, cells=2, channel_mode=mode), images()
    for arch in archs(within, 6, full=full):
        alone = NB101Net(4, within.cells([arch]), channels=12, modules=2).double()
        copy_weights(net, alone, arch)
        close(net(x, arch), alone(x))
        if mode == "fixed":
            active = sum(p.numel() for p in net.active_parameters(arch))
            assert active == within.cells([arch]).params(12, 2, 4)[0]


# ---- routing --------------------------------------------------------------------------------------------------


def one_hot(within, arch):
    return tuple(F.one_hot(torch.tensor(c), len(d)).double() for c, d in zip(arch, within.decisions, strict=True))


@each_space
@pytest.mark.parametrize("options", [{}, {"ws_bn": True}, {"ofa_kernel": "centre"}])
def test_a_one_hot_relaxation_is_the_discrete_choice(within, options):
    net, x = network(within, 7, **options), images()
    for arch in archs(within, 5):
        hot = one_hot(within, arch)
        close(net(x, hot), net(x, arch))
        mixed = tuple(h if i % 2 else a for i, (h, a) in enumerate(zip(hot, arch, strict=True)))
        close(net(x, mixed), net(x, arch))


@each_space
def test_a_relaxed_decision_weighs_its_options(within):
    """In the last cell, of which the logits are linear in the output's concatenation."""
    net, x = network(within, 7), images()
    (arch,) = archs(within, 1)
    options = len(within.decisions[-1])
    weights = torch.softmax(torch.randn(options, dtype=torch.float64), 0).requires_grad_()
    separate = torch.stack([net(x, (arch, arch, (*arch[:-1], i))) for i in range(options)])
    together = net(x, (arch, arch, (*arch[:-1], weights)))
    close(together, (weights[:, None, None] * separate).sum(0))
    together.square().sum().backward()
    assert weights.grad.abs().min() > 0


@each_space
def test_a_full_relaxation_trains_everything(within):
    net, x = network(within, 7, ws_bn=True), images()
    routing = tuple(torch.full((len(d),), 1 / len(d), requires_grad=True) for d in within.decisions)
    net(x, routing).square().sum().backward()
    assert all(p.grad is not None for p in [*net.parameters(), *routing])
    assert len(net.active_parameters(routing)) == len(list(net.parameters()))


@pytest.mark.parametrize("mode", DYNAMIC)
def test_relaxed_decisions_need_fixed_widths(mode):
    within = SPACES[0]
    with pytest.raises(ValueError, match=f"channel_mode fixed, not {mode}"):
        network(within, channel_mode=mode)(images(), one_hot(within, within.arch(0)))


@each_space
def test_every_cell_may_have_an_architecture_of_its_own(within):
    net, x = network(within, cells=2), images()
    assert net.cell_count == 6
    a, b = archs(within, 2)
    assert torch.equal(net(x, (a,) * 6), net(x, a))
    assert not torch.allclose(net(x, (a,) * 5 + (b,)), net(x, a))
    with pytest.raises(ValueError, match="shorter"):
        net(x, (a,) * 5)


@each_space
@pytest.mark.parametrize("options", [{}, {"ws_bn": True}, {"ofa_kernel": "transform"}, {"channel_mode": "interpolate"}])
def test_the_gradient_reaches_exactly_the_active_parameters(within, options):
    net, x = network(within, **options), images()
    for arch in archs(within, 5):
        net.zero_grad()
        net(x, arch).square().sum().backward()
        reached = {id(p) for p in net.parameters() if p.grad is not None}
        assert reached == {id(p) for p in net.active_parameters(arch)}


@each_space
def test_loose_ends_do_not_affect_the_output(within):
    net, x = network(within), images()
    for arch in archs(within, 15):
        loose = set(range(1, within.nodes + 1)) - used(within, arch)
        for node in loose:
            other = (*arch[: node - 1], (arch[node - 1] + 1) % 3, *arch[node:])
            assert torch.equal(net(x, other), net(x, arch))
            assert len(net.active_parameters(other)) == len(net.active_parameters(arch))


# ---- options --------------------------------------------------------------------------------------------------


@each_space
def test_ws_bn_has_a_norm_for_every_set_of_parents(within):
    cell = network(within, ws_bn=True).cells[0]
    for slot, node in enumerate(cell.nodes, 1):
        assert list(node.norms) == [",".join(map(str, option)) for option in within.parent_options[slot]]
    plain_cell = network(within).cells[0]
    assert all(list(node.norms) == ["conv3x3", "conv1x1"] for node in plain_cell.nodes)


def test_ws_bn_takes_the_norm_of_the_parents():
    within = SPACES[0]
    net, x = network(within, ws_bn=True), images()
    arch = within.parse("|conv3x3~0|conv1x1~0,1|conv3x3~1,2|maxpool3x3~0,1|out~2,3|")
    other = within.parse("|conv3x3~0|conv1x1~0,1|conv3x3~0,2|maxpool3x3~0,1|out~2,3|")
    before, unchanged = net(x, arch), net(x, other)
    with torch.no_grad():
        net.cells[2].nodes[2].norms["1,2"].bias += 1
    assert not torch.allclose(net(x, arch), before)
    assert torch.equal(net(x, other), unchanged)


@pytest.mark.parametrize("kind", ["centre", "transform"])
def test_the_small_kernel_is_the_centre_of_the_large_one(kind):
    within = SPACES[1]
    net, x = network(within, ofa_kernel=kind), images()
    ordinary = network(within)
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("factor")}
    for number in range(3):
        for node in range(4):
            weight = state[f"cells.{number}.nodes.{node}.conv3.weight"][:, :, 1:2, 1:2]
            state[f"cells.{number}.nodes.{node}.conv1.weight"] = weight
    ordinary.load_state_dict(state)
    for arch in archs(within, 4):
        close(net(x, arch), ordinary(x, arch))
    factors = [p for name, p in net.named_parameters() if name.endswith("factor")]
    assert len(factors) == (12 if kind == "transform" else 0)


@each_space
def test_path_dropout_grows_with_depth_and_progress_and_is_for_training(within):
    net, x = network(within, path_dropout=0.6), images()
    (arch,) = archs(within, 1)
    still = network(within)
    still.load_state_dict(net.state_dict())
    assert torch.equal(net(x, arch), still(x, arch))
    net.set_progress(0.5)
    assert [cell.drop_rate for cell in net.cells] == pytest.approx([0.1, 0.2, 0.3])
    assert not torch.allclose(net(x, arch), net(x, arch))
    assert torch.equal(net.eval()(x, arch), still.eval()(x, arch))


def test_path_dropout_keeps_the_expectation_and_drops_whole_edges_of_images():
    net = network(SPACES[0], path_dropout=0.5)
    net.set_progress(1.0)
    cell = net.cells[2]
    dropped = drop_path(torch.ones(4000, 2, 2, 2), cell._rate)
    assert set(dropped.flatten(1).unique(dim=0).flatten().tolist()) == {0.0, 2.0}
    assert torch.equal(dropped.amin((1, 2, 3)), dropped.amax((1, 2, 3)))
    assert dropped.mean().item() == pytest.approx(1, abs=0.1)


def test_global_dropout_is_for_training():
    within = SPACES[2]
    net, x = network(within, global_dropout=0.5), images()
    arch = within.arch(5)
    assert not torch.equal(net(x, arch), net(x, arch))
    assert torch.equal(net.eval()(x, arch), net(x, arch))


def test_a_copy_is_independent():
    within = SPACES[0]
    net, x = network(within, ofa_kernel="centre"), images()
    twin, arch = copy.deepcopy(net), within.arch(100)
    expected = net(x, arch)
    step(net, arch, x)
    assert torch.equal(twin(x, arch), expected)


def test_a_stand_alone_network_has_the_dropout_of_its_recipe():
    within = space("nb1shot1-1")
    arch = within.string(within.arch(9_000))
    x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    changes = ["space=nb1shot1-1", "network.channels=8", "network.cells=1", "sampling.law=fixed"]
    base = Recipe().override([*changes, f"sampling.architecture={arch}"])
    for change in ("network.global_dropout=0.3", "network.path_dropout=0.3", None):
        torch.manual_seed(0)
        net = build_network(base.override([change] if change else []), 10)
        net.set_progress(1.0)
        features = []
        assert torch.equal(net(x, (), features), net(x, ())) == (change is None)
        assert [tuple(each.shape[1:]) for each in features] == [(8, 8, 8), (16, 4, 4), (32, 2, 2)]
        net.eval()
        assert torch.equal(net(x, ()), net(x, ()))
