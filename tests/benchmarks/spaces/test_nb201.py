"""NAS-Bench-201 against plain references: its order, its classes, its costs and its path encoding."""

import itertools
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import DATASETS, OPS

SPACE = space("nb201")
ARCHS = [tuple(arch) for arch in SPACE.archs().tolist()]
SLOTS = [(target, source) for target in (1, 2, 3) for source in range(target)]
"""(node, node it reads) of each decision, as the official string lists them."""

archs = st.tuples(*[st.integers(0, 4)] * 6)


def named(arch):
    """{(target, source): operation name}"""
    return {slot: OPS[option] for slot, option in zip(SLOTS, arch, strict=True)}


def routes(node=3):
    """All ways from node 0 to this node, as lists of (target, source)."""
    if node == 0:
        yield []
    for source in range(node):
        for route in routes(source):
            yield [*route, (node, source)]


ROUTES = list(routes())


def carrying(arch):
    """The routes from input to output without a none."""
    ops = named(arch)
    return [route for route in ROUTES if all(ops[slot] != "none" for slot in route)]


def assert_same_partition(classes, labels):
    """`classes` names each item's class by its first member, where equal labels make a class."""
    first = {}
    for index, label in enumerate(labels):
        first.setdefault(label, index)
    assert classes.tolist() == [first[label] for label in labels]


# ---- order and spelling ----------------------------------------------------------------------------------


def test_the_order_is_the_shuffled_product_of_operations():
    expected = list(itertools.product(range(5), repeat=6))
    random.Random(88).shuffle(expected)
    assert expected == ARCHS


def test_a_string_names_the_operations_by_target_and_source():
    assert SPACE.string((0, 1, 2, 3, 4, 0)) == (
        "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    )
    assert [decision.name for decision in SPACE.decisions] == [f"e{t}<-{s}" for t, s in SLOTS]


@pytest.mark.parametrize("form", ["{}", " {}", "{}\n", "\t{} \n"])
def test_a_good_string_is_read_whatever_space_surrounds_it(form):
    text = "|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|nor_conv_1x1~1|skip_connect~2|"
    assert SPACE.parse(form.format(text)) == (4, 3, 0, 1, 2, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "|",
        "none",
        "|none~0|+|none~0|none~1|",
        "none~0|+|none~0|none~1|+|none~0|none~1|none~2",
        "|none~0|none~0|none~1|none~0|none~1|none~2|",
        "|none~1|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~1|none~0|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~3|",
        "|none|+|none|none|+|none|none|none|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|none~0|none~1|none~2|none~3|",
        "|none~0|+ |none~0|none~1|+|none~0|none~1|none~2|",
        "|~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2||",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n|none~0|",
    ],
)
def test_a_string_of_another_form_is_refused_and_quoted(text):
    with pytest.raises(BadArchitecture, match=re.escape(f"{text!r} is not of the form |op~0|+|op~0|op~1|+")):
        SPACE.parse(text)


@pytest.mark.parametrize("op", ["conv", "None", "nor_conv_5x5", "skip", "1"])
@pytest.mark.parametrize("slot", [0, 2, 5])
def test_an_unknown_operation_is_refused_and_quoted(op, slot):
    ops = ["none"] * 6
    ops[slot] = op
    text = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops)
    with pytest.raises(BadArchitecture) as caught:
        SPACE.parse(text)
    assert str(caught.value) == f"{text!r} has the unknown operation {op!r}; known: {', '.join(OPS)}"


# ---- classes ---------------------------------------------------------------------------------------------


def test_sizes_are_the_published_ones():
    assert len(SPACE) == 15_625
    assert len(SPACE.subset("connected")) == 15_284
    sizes = {name: len(SPACE.subset(f"unique-{name}")) for name in SPACE.class_names}
    assert sizes == {"skip": 12_751, "skip-none": 6_466, "computation": 9_445, "network": 6_900, "function": 5_260}
    assert SPACE.counted == {"connected": 15_284, **{f"unique-{name}": size for name, size in sizes.items()}}


def test_live_edges_are_those_on_a_route_without_none():
    expected = []
    for arch in ARCHS:
        on_route = {slot for route in carrying(arch) for slot in route}
        expected.append([slot in on_route for slot in SLOTS])
    assert SPACE.live_edges.tolist() == expected
    assert SPACE.subset("connected").tolist() == [index for index, live in enumerate(expected) if any(live)]


def expression(ops, node=3):
    """What a node computes, in terms of the edges' own operations; None if it does not depend on the input."""
    if node == 0:
        return "x"
    terms = []
    for source in range(node):
        operand = expression(ops, source)
        if operand is not None and ops[node, source] != "none":
            terms.append(f"{ops[node, source]}[{source}→{node}]({operand})")
    return " + ".join(terms) or None


def test_computation_classes_are_the_distinct_expressions_of_the_output():
    assert_same_partition(SPACE.classes("computation"), [expression(named(arch)) for arch in ARCHS])


def outputs(functions, zero):
    """The cell's output for one random input, all architectures at once: (15625, width).

    Skip connections are the identity and `zero` says whether none gives zero; every other operation on edge e
    is functions(e, operation).
    """
    table, width = SPACE.archs(), 5
    nodes = [np.tile(np.random.default_rng(0).normal(size=width), (len(table), 1))]
    for target in (1, 2, 3):
        total = np.zeros((len(table), width))
        for edge, (end, source) in enumerate(SLOTS):
            if end == target:
                for option, name in enumerate(OPS):
                    rows = table[:, edge] == option
                    if name == "skip_connect":
                        total[rows] += nodes[source][rows]
                    elif name != "none" or not zero:
                        total[rows] += np.tanh(nodes[source][rows] @ functions(edge, option))
        nodes.append(total)
    return nodes[3]


WEIGHTS = np.random.default_rng(1).normal(size=(6, 5, 5, 5))


@pytest.mark.parametrize(
    ("name", "zero", "shared"), [("computation", True, False), ("skip-none", True, True), ("skip", False, True)]
)
def test_members_of_a_class_compute_the_same_values(name, zero, shared):
    # a super-net has weights on every edge; the benchmark's reductions look at operations alone
    values = outputs(lambda edge, option: WEIGHTS[0 if shared else edge, option], zero)
    representatives = SPACE.classes(name)
    assert (representatives != np.arange(len(SPACE))).sum() > 2000
    np.testing.assert_allclose(values, values[representatives], atol=1e-9)
    assert len(np.unique(values.round(6), axis=0)) > 4000


def published_label(text, drop_none):
    """The label by which the benchmark's reductions compare cells, from the official string.

    It orders the terms of a sum as text and nested sums as a whole, so the operations' names decide what coincides.
    """
    labels = ["0"]
    for node in text.split("+"):
        terms = []
        for part in re.findall(r"[^|]+", node):
            op, _, source = part.partition("~")
            operand = labels[int(source)]
            if drop_none and (operand == "#" or op == "none"):
                terms.append("#")
            else:
                terms.append(operand if op == "skip_connect" else f"({operand})@{op}")
        labels.append("+".join(sorted(terms)))
    return labels[-1]


def output(arch, weights):
    """What a cell computes for one input with a weight matrix on every edge; pooling has none of its own."""
    nodes = [np.random.default_rng(0).normal(size=5)]
    for target in (1, 2, 3):
        total = np.zeros(5)
        for edge, (end, source) in enumerate(SLOTS):
            if end == target and OPS[arch[edge]] == "skip_connect":
                total = total + nodes[source]
            elif end == target and OPS[arch[edge]] != "none":
                matrix = POOL if OPS[arch[edge]] == "avg_pool_3x3" else weights[edge]
                total = total + np.tanh(nodes[source] @ (matrix + arch[edge]))
        nodes.append(total)
    return nodes[3]


POOL = np.random.default_rng(2).normal(size=(5, 5))


def some_numbering_matches(one, other):
    """Whether the weights of one cell's edges can be given to the other's so that both compute the same."""
    weights = WEIGHTS[:, 0]
    wanted = output(one, weights)
    return any(np.allclose(wanted, output(other, weights[list(p)])) for p in itertools.permutations(range(6)))


@pytest.mark.parametrize("name", ["network", "function"])
def test_members_of_a_class_are_the_same_network_up_to_the_names_of_its_operations(name):
    first = SPACE.classes(name)
    live = SPACE.live(SPACE.archs())
    params = SPACE.params(live)
    np.testing.assert_array_equal(params, params[first])
    rng = np.random.default_rng(0)
    for index in rng.choice(np.flatnonzero(first != np.arange(len(SPACE))), 25, replace=False).tolist():
        assert some_numbering_matches(live[index], live[first[index]])


def test_a_convolution_that_is_read_twice_is_not_two_convolutions():
    once = SPACE.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|")
    twice = SPACE.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|")
    pair = SPACE.indices([once, twice])
    assert len(set(SPACE.classes("skip-none")[pair])) == 1, "the benchmark's reduction sees the same text"
    for name in ("network", "function"):
        assert len(set(SPACE.classes(name)[pair])) == 2
    assert not some_numbering_matches(once, twice)
    # Of random pairs that the benchmark's reduction takes for one, all that are told apart do differ.
    coarse, fine = SPACE.classes("skip-none"), SPACE.classes("network")
    split = np.flatnonzero(fine != fine[coarse])
    live = SPACE.live(SPACE.archs())
    for index in np.random.default_rng(1).choice(split, 10, replace=False).tolist():
        assert not some_numbering_matches(live[index], live[coarse[index]])


@pytest.mark.parametrize(("name", "drop_none"), [("skip", False), ("skip-none", True)])
def test_isomorphism_classes_are_those_of_the_published_labels(name, drop_none):
    assert_same_partition(SPACE.classes(name), [published_label(SPACE.string(arch), drop_none) for arch in ARCHS])


# ---- costs -----------------------------------------------------------------------------------------------


def layers(arch, dataset, channels, cells):
    """(in, out, kernel, area of the output, normalised) of every convolution; the last is the classifier."""
    classes = {"cifar100": 100, "imagenet16-120": 120}.get(dataset, 10)
    size = 16 if dataset == "imagenet16-120" else 32
    found, width = [(3, channels, 3, size * size, True)], channels
    for stage in range(3):
        if stage > 0:
            size //= 2
            found.append((width, 2 * width, 3, size * size, True))
            found.append((2 * width, 2 * width, 3, size * size, True))
            found.append((width, 2 * width, 1, size * size, False))
            width *= 2
        for _ in range(cells):
            for op in named(arch).values():
                if op.startswith("nor_conv"):
                    found.append((width, width, int(op[-1]), size * size, True))
    return found, (width, classes)


def slow_params(*network):
    convolutions, (width, classes) = layers(*network)
    total = 2 * width + width * classes + classes  # the last normalisation and the classifier
    for i, o, kernel, _, normalised in convolutions:
        total += i * o * kernel**2 + (2 * o if normalised else 0)
    return total


def slow_flops(*network):
    convolutions, (width, classes) = layers(*network)
    return width * classes + classes + sum(i * o * kernel**2 * area for i, o, kernel, area, _ in convolutions)


@settings(deadline=None, max_examples=100)
@given(
    table=st.lists(archs, min_size=1, max_size=3),
    dataset=st.sampled_from(sorted(DATASETS)),
    channels=st.integers(1, 64),
    cells=st.integers(1, 17),
)
def test_costs_are_those_of_the_network_counted_layer_by_layer(table, dataset, channels, cells):
    networks = [(arch, dataset, channels, cells) for arch in table]
    classes, size = DATASETS[dataset]
    params, flops = SPACE.costs(table, channels, cells, size, classes)
    assert params.tolist() == [slow_params(*network) for network in networks]
    assert flops.tolist() == [slow_flops(*network) for network in networks]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_benchmark_has_16_channels_and_5_cells_per_stage(dataset):
    arch = (3, 2, 1, 0, 4, 3)
    classes, size = DATASETS[dataset]
    assert SPACE.params(arch, classes=classes).tolist() == [slow_params(arch, dataset, 16, 5)]
    assert SPACE.flops(arch, size=size, classes=classes).tolist() == [slow_flops(arch, dataset, 16, 5)]


# ---- encodings and drawings ------------------------------------------------------------------------------

SEQUENCES = [sequence for length in (1, 2, 3) for sequence in itertools.product(OPS, repeat=length)]
"""What each indicator of the path encoding stands for; none counts as an operation."""


def test_path_codes_list_the_operation_sequences_of_all_routes():
    code = SPACE.path_code(ARCHS)
    assert code.shape == (15_625, 155)
    for arch, row in zip(ARCHS, code, strict=True):
        ops = named(arch)
        expected = {tuple(ops[slot] for slot in route) for route in ROUTES}
        assert {SEQUENCES[i] for i in np.flatnonzero(row)} == expected
    assert set(np.unique(code)) == {0, 1}


def test_the_layout_of_a_cell_has_its_operations_on_its_edges():
    (graph,) = SPACE.layout((0, 1, 2, 3, 4, 0))
    assert graph.nodes == ("in", "1", "2", "out")
    assert [(edge.source, edge.target, edge.op) for edge in graph.edges] == [
        (0, 1, "none"), (0, 2, "skip_connect"), (1, 2, "nor_conv_1x1"), (0, 3, "nor_conv_3x3"), (1, 3, "avg_pool_3x3"),
        (2, 3, "none"),
    ]  # fmt: skip
    assert graph.on_edges


# ---- real results ----------------------------------------------------------------------------------------


def test_the_order_is_that_of_the_real_table(nb201_truth):
    assert nb201_truth.keys() == [SPACE.string(arch) for arch in ARCHS]


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "imagenet16-120"])
def test_costs_are_those_of_the_real_table(nb201_truth, dataset):
    classes, size = DATASETS[dataset]
    np.testing.assert_array_equal(SPACE.params(ARCHS, classes=classes), nb201_truth.params(dataset))
    np.testing.assert_array_equal(SPACE.flops(ARCHS, size=size, classes=classes), nb201_truth.flops(dataset))
