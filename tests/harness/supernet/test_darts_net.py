"""The super-net of DARTS cells against plain computations, published counts and its own promises."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from darts_nets import SPACE, archs, close, images, network, plain
from torch.utils.flop_counter import FlopCounterMode

from supernet.benchmarks.spaces.darts import AVG_POOL, DIL3, DIL5, MAX_POOL, NONE, OPS, PARENTS, SEP3, SEP5, SKIP
from supernet.harness.supernet.build import build_network
from supernet.harness.supernet.darts.ops import Separable
from supernet.harness.supernet.darts.wiring import edges_of, program
from supernet.heuristics.recipe import Recipe, from_dict
from supernet.heuristics.routes import Gate

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=range(2, 6), "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=range(2, 6))"
)
ONE_NODE = len(SPACE.decisions) // 2
"""Decisions of one kind of cell."""


def alone(arch, channels=2, cells=1):
    recipe = Recipe().override(["space=darts", f"network.channels={channels}", f"network.cells={cells}"]).as_dict()
    recipe["sampling"] |= {"law": "fixed", "architecture": SPACE.string(arch)}
    return build_network(from_dict(recipe), 10)


def test_the_published_network_has_its_published_parameters():
    arch = SPACE.parse(DARTS_V2)
    with torch.device("meta"):
        net = alone(arch, 36, 6)
    assert len(net.cells) == 20
    assert sum(p.numel() for p in net.parameters()) == 3_349_342 == SPACE.params([arch])[0]


@pytest.mark.parametrize("arch", archs(3, seed=2), ids=str)
def test_a_stand_alone_network_costs_what_the_space_counts(arch):
    net = alone(arch, 3, 2)
    assert sum(p.numel() for p in net.parameters()) == SPACE.params([arch], 3, 2)[0]
    # Average pooling is computed by a convolution on a CPU, which the counter would count.
    arch = tuple(MAX_POOL if option == AVG_POOL and n in SPACE.operations else option for n, option in enumerate(arch))
    live = tuple(SPACE.live([arch])[0].tolist())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        alone(live, 3, 2)(torch.zeros(2, 3, 16, 16), live)
    assert counter.get_total_flops() == 2 * 2 * SPACE.flops([live], 3, 2, 16)[0]


def test_a_path_is_a_plain_computation_and_the_stand_alone_network():
    net, x = network(channels=3), images()
    state = net.state_dict()
    for arch in archs(4):
        found = net(x, arch)
        close(found, plain(net, arch, x))
        own = network(channels=3, only=(edges_of(SPACE, arch, 0), edges_of(SPACE, arch, 1)))
        own.load_state_dict({name: state[name] for name in own.state_dict()})
        close(own(x, arch), found)
        assert sum(p.numel() for p in own.parameters()) == sum(p.numel() for p in net.active_parameters(arch))


def test_images_of_odd_size_and_single_channels_pass():
    net = network(channels=1)
    assert net(images(size=7), archs(1)[0]).shape == (4, 4)


def test_architectures_that_the_space_calls_equal_are_equal():
    net, x = network(), images()
    for arch in archs(12, seed=5):
        live = tuple(SPACE.live([arch])[0].tolist())
        first = SPACE.arch(int(SPACE.same_computation([SPACE.index(arch)])[0]))
        close(net(x, live), net(x, arch))
        close(net(x, first), net(x, arch))


def test_cells_without_any_operation_are_zero():
    net = network()
    arch = (NONE,) * 11 + archs(1, none=False)[0][11:]
    features = []
    net(images(), arch, features)
    assert [bool(f.any()) for f in features] == [False, True, False, True, False]
    assert [f.shape[1:] for f in features] == [(8, 8, 8), (16, 4, 4), (16, 4, 4), (32, 2, 2), (32, 2, 2)]


# ---- routing --------------------------------------------------------------------------------------------------------


def one_hot(arch):
    return tuple(F.one_hot(torch.tensor(c), len(d)).double() for c, d in zip(arch, SPACE.decisions, strict=True))


def test_a_one_hot_relaxation_and_a_gate_are_the_discrete_choice():
    net, x = network(bn_affine=False), images()
    (arch,) = archs(1, none=False)
    hot, expected = one_hot(arch), net(x, arch)
    # The relaxation computes all operations, of which one has a weight.
    close(net(x, tuple(h if i % 2 else a for i, (h, a) in enumerate(zip(hot, arch, strict=True)))), expected)
    gates = tuple(Gate(a, h) if i in SPACE.operations else h for i, (h, a) in enumerate(zip(hot, arch, strict=True)))
    close(net(x, gates), expected)


@pytest.mark.parametrize("relaxed", [(6,), (7,), (10,), (6, 7), (6, 7, 10)], ids=str)
def test_relaxed_decisions_of_a_node_weigh_all_combinations_of_options(relaxed):
    """In the last node, which no other node reads, so that the output is linear in its terms."""
    net, x = network(), images()
    cell = net.cells[1]
    states = [F.relu(x.repeat(1, 3, 1, 1)[:, :channels]) for channels in (6, 8)]
    (arch,) = archs(1, seed=3)
    kept = {6: (NONE, SKIP, SEP3), 7: (NONE, SEP3, SEP5), 10: (0, 4, 7)}
    routing, choices = [*arch], []
    for decision in relaxed:
        weights = torch.zeros(len(SPACE.decisions[decision + ONE_NODE]), dtype=torch.float64)
        weights[list(kept[decision])] = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
        routing[decision + ONE_NODE] = weights.requires_grad_()
        choices.append([(decision, option, weights[option]) for option in kept[decision]])
    together = cell(*states, program(SPACE, 1, tuple(routing)))
    total = torch.zeros_like(together)
    for combination in itertools.product(*choices):
        single, share = [*arch], torch.ones(())
        for decision, option, weight in combination:
            single[decision + ONE_NODE], share = option, share * weight.detach()
        total = total + share * cell(*states, program(SPACE, 1, tuple(single)))
    close(together, total)


def test_every_operation_of_an_edge_runs_once():
    nodes = program(SPACE, 0, tuple(torch.full((len(d),), 1 / len(d)) for d in SPACE.decisions))
    for node, plan in enumerate(nodes):
        expected = [(state, op) for state in range(node + 2) for op in range(NONE + 1, len(OPS))]
        assert [term[:2] for term in plan.terms] == expected
        assert torch.stack([share for *_, share in plan.terms]).sum() == pytest.approx(2 * 7 / 8)


def test_a_gate_runs_one_operation_for_each_input_and_has_gradients_to_all():
    rows = [torch.zeros(len(d), dtype=torch.float64) for d in SPACE.decisions]
    arch = archs(1, none=False)[0]
    for row, option in zip(rows, arch, strict=True):
        row[option] = 1
        row.requires_grad_()
    routing = tuple(Gate(a, r) if i in SPACE.operations else a for i, (a, r) in enumerate(zip(arch, rows, strict=True)))
    nodes = program(SPACE, 0, routing)
    assert [{term[:2] for term in plan.terms} for plan in nodes] == [
        {(low, a), (high, b)} for low, a, high, b in SPACE.cells(arch)[0]
    ]
    net, x = network(), images()
    net(x, routing).square().sum().backward()
    assert all(rows[number].grad.abs().min() > 0 for number in SPACE.operations)


def test_what_a_gate_does_not_execute_is_part_of_the_node_that_others_read():
    arch, net = archs(1, none=False)[0], network()
    rows = [torch.full((len(d),), 0.1, dtype=torch.float64) for d in SPACE.decisions]
    for row, option in zip(rows, arch, strict=True):
        row[option] = 1
    routing = tuple(Gate(a, r) if i in SPACE.operations else a for i, (a, r) in enumerate(zip(arch, rows, strict=True)))
    cell, x = net.cells[0], net.stem(images())
    states = [cell.before(x), cell.last(x)]
    for node, (low, first, high, second) in enumerate(SPACE.cells(arch)[0]):
        total = 0.1 * 2 * 7  # seven options of each input are not executed
        for state, op in ((low, first), (high, second)):
            value = F.relu(states[state]) if op in (SEP3, SEP5, DIL3, DIL5) else states[state]
            total = total + (value if op == SKIP else cell.operation((node, state), op)(value))
        states.append(total)
    close(cell(x, x, program(SPACE, 0, routing)), torch.cat(states[2:], 1))


def test_a_full_relaxation_trains_everything():
    net = network(ofa_kernel="transform")
    routing = tuple(torch.full((len(d),), 1 / len(d), dtype=torch.float64).requires_grad_() for d in SPACE.decisions)
    net(images(), routing).square().sum().backward()
    assert all(p.grad is not None for p in [*net.parameters(), *routing])


def test_every_cell_may_have_an_architecture_of_its_own_of_which_it_reads_its_half():
    net, x = network(), images()
    a, b = archs(2, none=False)
    mixed = (*a[:ONE_NODE], *b[ONE_NODE:])
    assert net.cell_count == 5
    assert torch.equal(net(x, (a, b, a, b, a)), net(x, mixed))
    assert not torch.allclose(net(x, (a, b, a, b, b)), net(x, mixed))
    with pytest.raises(ValueError, match="shorter"):
        net(x, (a,) * 4)


def test_the_gradient_reaches_exactly_the_active_parameters():
    net, x = network(), images()
    for arch in archs(3, none=False):
        net.zero_grad()
        net(x, arch).square().sum().backward()
        reached = {id(p) for p in net.parameters() if p.grad is not None}
        assert reached == {id(p) for p in net.active_parameters(arch)}


def test_many_architectures_are_computed_as_one_by_one():
    net, x, some = network(), images(), archs(3)
    for arch, logits in zip(some, net.logits_of(x, some), strict=True):
        assert torch.equal(logits, net(x, arch))


# ---- modules by decision --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op_on", ["edge", "node"])
def test_the_modules_of_a_decision_are_those_that_compute_it(op_on):
    net, x = network(op_on=op_on), images()
    (arch,) = archs(1, none=False)
    ran = set()
    known = {}
    for decision, option in enumerate(arch):
        for cell in net.operations_of(decision, option):
            for module in cell:
                known[id(module)] = module
    handles = [m.register_forward_hook(lambda m, *_: ran.add(id(m))) for m in net.modules() if isinstance(m, Separable)]
    net(x, arch)
    for handle in handles:
        handle.remove()
    assert ran
    assert ran <= known.keys()


def test_inputs_of_nodes_name_the_edges_that_they_can_be():
    net = network()
    kinds = [False, True, False, True, False]
    for number, (low, high) in enumerate([(0, 1), (2, 3), (4, 5), (6, 7)]):
        for decision, states in ((low, range(number + 1)), (high, range(1, number + 2))):
            found = net.operations_of(decision, SEP5)
            expected = [
                cell.edges[f"{number + 2}<-{state}"]["sep_conv_5x5"] for cell in net.cells[:1] for state in states
            ]
            assert found[0] == expected
            assert [bool(modules) for modules in found] == [not kind for kind in kinds]
    assert net.operations_of(8, 1) == [] == net.operations_of(0, SKIP) == net.operations_of(0, NONE)
    assert [len(modules) for modules in net.operations_of(11, SKIP)] == [0, 1, 0, 1, 0]
    assert net.parameters_of(0, OPS.index("max_pool_3x3")) == []


# ---- options --------------------------------------------------------------------------------------------------------


def test_operations_on_nodes_share_weights_among_inputs_and_among_nodes():
    net, x = network(op_on="node"), images()
    assert list(net.cells[0].edges) == ["2<-0", "3<-0", "3<-2", "4<-0", "4<-2", "5<-0", "5<-2"]
    own = network()
    state = net.state_dict()
    own.load_state_dict({name: state[name if name in state else _owner(name)] for name in own.state_dict()})
    for arch in archs(3):
        close(net(x, arch), own(x, arch))


def _owner(name):
    cell, number, edges, edge, *rest = name.split(".")
    node, state = edge.split("<-")
    return ".".join([cell, number, edges, f"{node}<-{0 if int(state) < 2 else 2}", *rest])


@pytest.mark.parametrize("kind", ["centre", "transform"])
def test_small_kernels_are_centres_of_large_ones(kind):
    net, x, own = network(ofa_kernel=kind), images(), network()
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("matrix")}
    for name in own.state_dict():
        if name not in state:
            large = state[name.replace("conv_3x3", "conv_5x5")]
            state[name] = large[:, :, 1:4, 1:4]
    own.load_state_dict(state)
    for arch in archs(3):
        close(net(x, arch), own(x, arch))
    matrices = [p for name, p in net.named_parameters() if name.endswith("matrix")]
    assert len(matrices) == (5 * 14 * 3 if kind == "transform" else 0)


def test_path_dropout_grows_with_depth_and_progress_and_is_for_training():
    net, x = network(path_dropout=0.5), images()
    (arch,) = archs(1, none=False)
    still = network()
    assert torch.equal(net(x, arch), still(x, arch))
    net.set_progress(0.5)
    assert [cell.drop_rate for cell in net.cells] == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25])
    assert not torch.allclose(net(x, arch), net(x, arch))
    assert torch.equal(net.eval()(x, arch), still.eval()(x, arch))


def test_global_dropout_is_for_training():
    net, x, (arch,) = network(global_dropout=0.5), images(), archs(1)
    assert not torch.equal(net(x, arch), net(x, arch))
    assert torch.equal(net.eval()(x, arch), net(x, arch))


def test_a_copy_is_independent():
    net, x, (arch,) = network(ofa_kernel="centre"), images(), archs(1)
    twin = copy.deepcopy(net)
    expected = net(x, arch)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.1)
    assert torch.equal(twin(x, arch), expected)


def test_the_pairs_of_states_are_all_there_are():
    assert [len(pairs) for pairs in PARENTS] == [1, 3, 6, 10]
