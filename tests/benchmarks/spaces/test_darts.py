"""The cells of DARTS: numbering, genotypes, costs and encodings, each against a slow plain version."""

import itertools
import json
import random

import numpy as np
import pytest
from darts_cells import SPACE, V2, archs, genotype_of, nodes_of, plain_live
from hypothesis import given, settings
from hypothesis import strategies as st

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.darts import CELLS, NONE, OPS, PARENTS

# ---- numbering and spelling ------------------------------------------------------------------------------


def test_there_are_nine_trillion_million_pairs_of_cells_and_the_last_has_an_exact_index():
    assert len(SPACE) == (180 * 8**8) ** 2 == 9_119_789_245_425_254_400
    last = tuple(len(decision) - 1 for decision in SPACE.decisions)
    assert SPACE.index(last) == SPACE.known_index(last) == len(SPACE) - 1
    assert SPACE.arch(len(SPACE) - 1) == last
    assert SPACE.indices([last, last]).tolist() == [len(SPACE) - 1] * 2


def test_decisions_of_a_node_are_found_by_number():
    for cell, name in enumerate(CELLS):
        for node, (first, second, parents) in enumerate(SPACE.decision_numbers(cell)):
            assert SPACE.decisions[first].name == f"{name}.op{node + 2}a"
            assert SPACE.decisions[second].name == f"{name}.op{node + 2}b"
            if node:
                assert SPACE.decisions[parents].name == f"{name}.parents{node + 2}"
                assert SPACE.decisions[parents].options == PARENTS[node]
            else:
                assert parents is None
    numbers = [n for cell in range(2) for node in SPACE.decision_numbers(cell) for n in node if n is not None]
    assert sorted(numbers) == list(range(len(SPACE.decisions)))


@settings(deadline=None, max_examples=100)
@given(arch=archs, seed=st.integers(0, 1000), json_form=st.booleans(), listed=st.booleans())
def test_a_genotype_is_read_with_the_edges_of_a_node_in_any_order(arch, seed, json_form, listed):
    rng = random.Random(seed)
    fields = genotype_of([[rng.sample(node, 2) for node in cell] for cell in nodes_of(arch)])
    if json_form:
        text = json.dumps(fields)
    else:
        concat = "[2, 3, 4, 5]" if listed else "range(2, 6)"
        text = (
            f"Genotype(normal={[tuple(e) for e in fields['normal']]}, normal_concat={concat}, "
            f"reduce={fields['reduce']}, reduce_concat={concat})"
        )
    assert SPACE.parse(text) == SPACE.parse(f"  {text}\n") == arch
    assert SPACE.arch_of(fields) == arch
    in_source = text.replace("), (", "),\n    (").replace(")],", "),\n],").replace("range(2, 6))", "range(2,6),\n)")
    assert SPACE.parse(in_source) == arch


def test_the_spelling_is_the_one_of_the_authors():
    written = SPACE.string(SPACE.parse(V2))
    assert written.startswith("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ")
    assert written.endswith("('max_pool_3x3', 1), ('skip_connect', 2)], reduce_concat=range(2, 6))")
    assert ", normal_concat=range(2, 6), reduce=[" in written


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not a genotype of the form"),
        ("__import__('os').getcwd()", "is not a genotype"),
        ("(" * 3000, "is not a genotype"),
        ("{" * 3000, "is not a genotype"),
        ("[" * 1500 + "]" * 1500, "is not a genotype"),
        ("-" * 3000 + "1", "is not a genotype"),
        ("\0", "is not a genotype"),
        ("x" * 100_000, "has 100,000 characters; a genotype has at most 4,000"),
        ('{"normal": []}', "does not have the four fields"),
        (V2.replace("reduce_concat", "reduced"), "does not have the four fields"),
        (V2.replace("normal=", "reduce=", 1), "is not a genotype"),
        (V2.replace("Genotype", "print"), "is not a genotype"),
        (V2.replace("[2, 3, 4, 5]", "range(10**12)"), "is not a genotype"),
        (V2.replace("[2, 3, 4, 5]", "range(2, 9**9)"), "is not a genotype"),
        (V2.replace("[2, 3, 4, 5]", "range(2, 5)", 1), "normal_concat is .* concatenates all of its nodes"),
        (V2.replace("[2, 3, 4, 5]", "[2, 3, 4, true]", 1), "normal_concat is"),
        (
            V2.replace("('sep_conv_3x3', 0)", "('sep_conv_7x7', 0)", 1),
            "normal has the unknown operation 'sep_conv_7x7'",
        ),
        (V2.replace("('sep_conv_3x3', 0)", "(['none'], 0)", 1), "unknown operation"),
        (V2.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3', 2)", 1), "normal: node 2 reads state 2"),
        (V2.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3', true)", 1), "normal: node 2 reads state True"),
        (V2.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3', 1.0)", 1), "normal: node 2 reads state 1.0"),
        (V2.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3',)", 1), "not an operation and a state"),
        (V2.replace("('sep_conv_3x3', 1)", "('sep_conv_3x3', 0)", 1), "normal: node 2 reads state 0 twice"),
        (V2.replace("('sep_conv_3x3', 0), ", "", 1), "normal is .*; a cell has 8 edges"),
    ],
)
def test_other_texts_are_refused_with_a_short_reason(text, problem):
    with pytest.raises(BadArchitecture, match=problem) as caught:
        SPACE.parse(text)
    assert len(str(caught.value)) < 400


def test_none_beside_another_operation_on_one_state_is_the_same_network_with_none_elsewhere():
    text = V2.replace("('sep_conv_3x3', 1), ('skip_connect', 0)", "('sep_conv_3x3', 1), ('none', 1)", 1)
    both = V2.replace("('sep_conv_3x3', 1), ('skip_connect', 0)", "('none', 1), ('none', 1)", 1)
    for twice, ops in ((text, ("none", "sep_conv_3x3")), (both, ("none", "none"))):
        arch = SPACE.parse(twice)
        a, first, b, second = SPACE.cells(arch)[0][2]
        assert (a, b) == (0, 1)
        assert (OPS[first], OPS[second]) == ops


# ---- costs -----------------------------------------------------------------------------------------------


def plain_costs(arch, channels, cells, size, classes):
    """Parameters and multiply-accumulates, by a walk through every convolution and batch norm of the network."""
    params = products = 0

    def conv(inputs, outputs, kernel, pixels, groups=1):
        nonlocal params, products
        weights = inputs // groups * outputs * kernel * kernel
        params, products = params + weights, products + weights * pixels * pixels

    def norm(width):
        nonlocal params
        params += 2 * width

    def factorised(inputs, outputs, pixels):
        conv(inputs, outputs // 2, 1, pixels)
        conv(inputs, outputs // 2, 1, pixels)
        norm(outputs)

    conv(3, 3 * channels, 3, size)
    norm(3 * channels)
    before, last, width, shrunk = 3 * channels, 3 * channels, channels, False
    for number in range(3 * cells + 2):
        reduction = number in ((3 * cells + 2) // 3, 2 * (3 * cells + 2) // 3)
        width = 2 * width if reduction else width
        if shrunk:
            factorised(before, width, size)
        else:
            conv(before, width, 1, size)
            norm(width)
        conv(last, width, 1, size)
        norm(width)
        size = -(-size // 2) if reduction else size
        for node in nodes_of(arch)[int(reduction)]:
            for state, op in node:
                name = OPS[op]
                if name == "skip_connect" and reduction and state < 2:
                    factorised(width, width, size)
                for _ in range({"sep": 2, "dil": 1}.get(name[:3], 0)):
                    conv(width, width, int(name[-1]), size, groups=width)
                    conv(width, width, 1, size)
                    norm(width)
        before, last, shrunk = last, 4 * width, reduction
    return params + last * classes + classes, products + last * classes


@settings(deadline=None, max_examples=40)
@given(arch=archs, channels=st.sampled_from((2, 3, 16)), cells=st.integers(1, 3), size=st.sampled_from((8, 28, 32)))
def test_costs_are_those_of_a_walk_through_the_network(arch, channels, cells, size):
    found = SPACE.costs([arch], channels, cells, size, 7)
    assert (found[0][0], found[1][0]) == plain_costs(arch, channels, cells, size, 7)
    assert SPACE.params([arch], channels, cells, size, 7)[0] == found[0][0]
    assert SPACE.flops([arch], channels, cells, size, 7)[0] == found[1][0]


def test_the_published_cells_have_the_published_parameters():
    arch = SPACE.parse(V2)
    assert SPACE.params(arch)[0] == 3_349_342
    assert SPACE.own_network == (36, 6)
    largest, smallest = SPACE.extremes()
    params = SPACE.params(SPACE.sample_decisions(np.random.default_rng(0), 500))
    assert SPACE.params(largest)[0] >= params.max()
    assert SPACE.params(smallest)[0] < SPACE.params(largest)[0]


# ---- encodings -------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(arch=archs)
def test_the_path_code_marks_every_sequence_of_operations(arch):
    code = SPACE.path_code([arch])[0]
    marked = set()
    for which, cell in enumerate(nodes_of(arch)):
        known = [[(0, ())], [(1, ())]]
        for node in cell:
            known.append([(start, (*ops, op)) for state, op in node if op != NONE for start, ops in known[state]])
        for start, ops in itertools.chain.from_iterable(known[2:]):
            base = 4 * sum(7**length for length in range(1, len(ops)))
            number = sum((op - 1) * 7**power for power, op in enumerate(reversed(ops)))
            marked.add(base + (2 * which + start) * 7 ** len(ops) + number)
    assert code.shape == (4 * (7 + 49 + 343 + 2401),)
    assert set(np.flatnonzero(code).tolist()) == marked


@settings(deadline=None, max_examples=30)
@given(arch=archs)
def test_layers_of_a_cell_are_its_convolutions(arch):
    for graph, cell in zip(SPACE.layout(arch), nodes_of(arch), strict=True):
        deep = [0, 0]
        for node in plain_live(cell):
            deep.append(max((deep[state] + (op > 3) for state, op in node), default=-99))
        live = sum(op > 3 for node in plain_live(cell) for _, op in node)
        connected = max(deep[2:]) >= 0
        assert graph.layers(SPACE.weightless) == ((max(deep[2:]), live) if connected else (0, 0))
