"""The three NAS-Bench-1Shot1 spaces: sizes, loose ends, classes, the published part, and their place in the table."""

import itertools
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nb101_reference import official_hash, prune

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces import NB1Shot1, space
from supernet.benchmarks.spaces.nb101 import OPS, SHORT_OPS, Cells

SPACES = {number: space(f"nb1shot1-{number}") for number in (1, 2, 3)}
REQUIRED = {1: (0, 1, 2, 2, 2, 2), 2: (0, 1, 1, 2, 2, 3), 3: (0, 1, 1, 1, 2, 2, 2)}
"""Parents of the input, of every node and of the output."""
SHORT = {"conv3x3": OPS[0], "conv1x1": OPS[1], "maxpool3x3": OPS[2]}

every_space = pytest.mark.parametrize("number", SPACES)
small_spaces = pytest.mark.parametrize("number", [1, 2])


@st.composite
def places(draw):
    found = SPACES[draw(st.sampled_from(sorted(SPACES)))]
    return found, found.arch(draw(st.integers(0, len(found) - 1)))


def graph(found, arch):
    """Matrix and operations of an architecture, read off its decisions by their names."""
    chosen = {decision.name: decision.options[option] for decision, option in zip(found.decisions, arch, strict=True)}
    required = REQUIRED[found.number]
    last = len(required) - 1
    matrix = [[0] * (last + 1) for _ in required]
    for node in range(1, last + 1):
        label = "out" if node == last else str(node)
        for parent in chosen.get(f"parents{label}", tuple(range(required[node]))):
            matrix[parent][node] = 1
    return matrix, [SHORT[chosen[f"op{node}"]] for node in range(1, last)]


def labelled(found, arch):
    """The labelled graph that remains of an architecture: edges, and operations by vertex."""
    matrix, ops = graph(found, arch)
    kept, _, kept_ops = prune(matrix, ops)
    edges = frozenset((x, y) for x in kept for y in kept if matrix[x][y])
    return edges, tuple(zip(kept[1:-1], kept_ops, strict=True))


# ---- sizes -----------------------------------------------------------------------------------------------


@every_space
def test_every_node_has_as_many_parents_as_the_space_prescribes(number):
    found, required = SPACES[number], REQUIRED[number]
    edges = found.cells(found.sample_decisions(np.random.default_rng(0), 500)).edges
    into = edges.sum(axis=1)
    expected = [*required[:-1], *[0] * (7 - len(required)), required[-1]]
    np.testing.assert_array_equal(into, np.tile(expected, (500, 1)))
    assert found.nodes == len(required) - 2


@pytest.mark.parametrize(
    ("number", "sizes"),
    [
        (1, {"all": 14_580, "no-loose-ends": 3_078, "published": 2_487, "pruned": 3_702, "cell": 2_685}),
        (2, {"all": 29_160, "no-loose-ends": 11_178, "published": 3_609, "pruned": 12_474, "cell": 7_773}),
        (3, {"all": 1_312_200, "no-loose-ends": 108_135, "published": 24_066, "pruned": 135_900, "cell": 55_854}),
    ],
)
def test_enumerating_a_space_with_its_classes_takes_seconds(number, sizes):
    start = time.process_time()
    found = NB1Shot1(number)
    counted = {name: len(found.subset(name)) for name in ("no-loose-ends", "published")}
    counted |= {name: len(found.subset(f"unique-{name}")) for name in found.class_names}
    assert {"all": len(found.archs()), **counted} == sizes
    named = {name if name in ("no-loose-ends", "published") else f"unique-{name}": n for name, n in counted.items()}
    assert found.counted == named
    assert time.process_time() - start < 30


# ---- spelling --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(place=places())
def test_an_architecture_its_string_and_its_cell_say_the_same(place):
    found, arch = place
    matrix, ops = graph(found, arch)
    expected = Cells.from_matrix(matrix, ops)
    cells = found.cells(arch)
    np.testing.assert_array_equal(cells.edges, expected.edges)
    np.testing.assert_array_equal(cells.ops, expected.ops)
    text = found.string(arch)
    np.testing.assert_array_equal(Cells.from_string(text).edges, expected.edges)
    np.testing.assert_array_equal(Cells.from_string(text).ops, expected.ops)
    assert found.parse(f" {text}\n") == arch
    np.testing.assert_array_equal(found.params(arch), expected.params())
    np.testing.assert_array_equal(found.flops(arch), expected.flops())
    np.testing.assert_array_equal(found.params(arch, 12, 2, 16, 4), expected.params(12, 2, 4))
    np.testing.assert_array_equal(found.flops(arch, 12, 2, 16, 4), expected.flops(12, 2, 4, 16))
    np.testing.assert_array_equal(found.path_code(arch), expected.paths())
    (layout,) = found.layout(arch)
    assert {(edge.source, edge.target) for edge in layout.edges} == set(zip(*np.nonzero(matrix), strict=True))
    assert [SHORT_OPS[OPS.index(op)] for op in ops if op in OPS] == list(layout.nodes[1:-1])
    assert not layout.on_edges


@pytest.mark.parametrize(
    ("number", "text", "arch"),
    [
        (1, "|conv3x3~0|conv3x3~0,1|conv3x3~0,1|conv3x3~0,1|out~0,1|", (0,) * 7),
        (1, "|maxpool3x3~0|conv1x1~0,1|conv3x3~1,2|conv3x3~2,3|out~3,4|", (2, 1, 0, 0, 2, 5, 9)),
        (2, "|conv3x3~0|conv1x1~1|conv3x3~0,2|conv3x3~0,1|out~0,1,4|", (0, 1, 0, 0, 1, 1, 0, 2)),
        (3, "|conv3x3~0|conv1x1~0|conv3x3~2|conv3x3~0,1|maxpool3x3~1,2|out~0,5|", (0, 1, 0, 0, 2, 0, 2, 0, 4, 4)),
    ],
)
def test_known_strings(number, text, arch):
    assert SPACES[number].parse(text) == arch
    assert SPACES[number].string(arch) == text


GOOD = "|conv3x3~0|conv3x3~0,1|conv3x3~0,1|conv3x3~0,1|out~0,1|"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' has 1 parts; nb1shot1-1 has 4 nodes and an output"),
        ("|conv3x3~0|out~0,1|", "'|conv3x3~0|out~0,1|' has 2 parts; nb1shot1-1 has 4 nodes and an output"),
        (f"{GOOD}|", f"'{GOOD}|' has 6 parts"),
        (GOOD.replace("out~0,1", "out"), "'out' is not of the form operation~parent,parent"),
        (GOOD.replace("out~0,1", "out~"), "'out~' is not of the form operation~parent,parent"),
        (GOOD.replace("out~0,1", "out~0,"), "'out~0,' is not of the form operation~parent,parent"),
        (GOOD.replace("out~0,1", "out~a,b"), "'out~a,b' is not of the form operation~parent,parent"),
        (GOOD.replace("out", "conv3x3"), "the last part must be out~…, not 'conv3x3~0,1'"),
        (GOOD.replace("conv3x3~0|", "conv5x5~0|"), "the unknown operation 'conv5x5'; known: conv3x3, conv1x1"),
        (GOOD.replace("conv3x3~0|", "out~0|"), "the unknown operation 'out'"),
        (GOOD.replace("conv3x3~0|", "conv3x3~1|"), "'conv3x3~1' reads 1, but nb1shot1-1 allows 0 there"),
        (GOOD.replace("out~0,1", "out~1,0"), "'out~1,0' reads 1,0, but nb1shot1-1 allows 0,1 or 0,2 or"),
        (GOOD.replace("out~0,1", "out~1,1"), "'out~1,1' reads 1,1, but nb1shot1-1 allows"),
        (GOOD.replace("out~0,1", "out~0,5"), "'out~0,5' reads 0,5, but nb1shot1-1 allows"),
        (GOOD.replace("out~0,1", "out~0,1,2"), "'out~0,1,2' reads 0,1,2, but nb1shot1-1 allows"),
    ],
)
def test_a_bad_string_is_refused_and_quoted(text, message):
    assert SPACES[1].parse(GOOD) == (0,) * 7
    with pytest.raises(BadArchitecture, match=re.escape(message)) as caught:
        SPACES[1].parse(text)
    assert repr(text) in str(caught.value)


# ---- classes and subsets ---------------------------------------------------------------------------------


def assert_classes_are(classes, labels):
    """`classes` names each item's class by its first member, where equal labels make a class."""
    first = {}
    for index, label in enumerate(labels):
        first.setdefault(label, index)
    assert classes.tolist() == [first[label] for label in labels]


@small_spaces
def test_pruned_classes_are_the_labelled_graphs_without_loose_ends(number):
    found = SPACES[number]
    remains = [labelled(found, arch) for arch in found.archs().tolist()]
    assert_classes_are(found.classes("pruned"), remains)
    whole = [index for index, (_, ops) in enumerate(remains) if len(ops) == found.nodes]
    assert found.subset("no-loose-ends").tolist() == whole


def graph_hash(found, index):
    return official_hash(*prune(*graph(found, found.arch(index)))[1:])


def test_cell_classes_are_the_architectures_of_one_hash():
    found = SPACES[1]
    hashes = {index: graph_hash(found, index) for index in found.subset("unique-pruned").tolist()}
    by_architecture = [hashes[index] for index in found.classes("pruned").tolist()]
    assert_classes_are(found.classes("cell"), by_architecture)
    assert found.hashes(np.arange(len(found))).tolist() == by_architecture


@pytest.mark.parametrize("number", [2, 3])
def test_classes_of_the_larger_spaces_on_a_sample(number):
    found = SPACES[number]
    rng = np.random.default_rng(number)
    indices = found.sample(rng, 800)
    hashes, whole = found.hashes(indices).tolist(), np.isin(indices, found.subset("no-loose-ends")).tolist()
    for index, digest, is_whole in zip(indices.tolist(), hashes, whole, strict=True):
        pruned, cell = found.classes("pruned")[index], found.classes("cell")[index]
        assert cell <= pruned <= index
        remains = labelled(found, found.arch(index))
        assert labelled(found, found.arch(pruned)) == remains
        assert graph_hash(found, index) == graph_hash(found, cell) == digest
        assert is_whole == (len(remains[1]) == found.nodes)
    members = found.sample(rng, 1500, among=found.subset("unique-pruned")).tolist()
    assert len({labelled(found, found.arch(index)) for index in members}) == 1500
    members = found.sample(rng, 1500, among=found.subset("unique-cell")).tolist()
    assert len({graph_hash(found, index) for index in members}) == 1500


def published_graphs(required):
    """Edges of the graphs that the published code generates for these numbers of parents."""
    last = len(required) - 1

    def admitted(edges):
        into = [sum(y == v for _, y in edges) for v in range(last + 1)]
        sources, targets = {x for x, _ in edges}, {y for _, y in edges}
        return (
            sources - {0, last} != set()
            and all(into[v] == required[v] for v in targets)
            and len(sources) == len(targets)
            and 0 in sources
            and len(edges) <= 9
        )

    def grow(edges, node):
        if admitted(edges):
            yield edges
            return
        present = {x for x, y in edges if y == node}
        free = [x for x in range(node) if x not in present]
        if not free:
            return
        for parents in itertools.combinations(free, required[node] - len(present)):
            grown = edges
            for parent in parents:
                grown = grown | {(parent, node)}
                yield from grow(grown, parent)

    return set(grow(frozenset(), last))


@pytest.mark.parametrize(("number", "graphs"), [(1, 49), (2, 65), (3, 234)])
def test_the_published_part_is_what_the_published_generator_reaches(number, graphs):
    found = SPACES[number]
    generated = published_graphs(REQUIRED[number])
    assert len(generated) == graphs
    expected = set()
    for edges in generated:
        interior = sorted({x for x, _ in edges} - {0})
        for ops in itertools.product(OPS, repeat=len(interior)):
            expected.add((edges, tuple(zip(interior, ops, strict=True))))
    members = found.subset("published")
    assert {labelled(found, arch) for arch in found.archs(members).tolist()} == expected
    assert len(members) == len(expected)


# ---- real results ----------------------------------------------------------------------------------------


@small_spaces
def test_every_cell_is_in_the_real_table(nb101_truth, number):
    found = SPACES[number]
    rows = nb101_truth.rows(found.hashes(np.arange(len(found))))
    assert rows.min() >= 0
    cells = found.subset("unique-cell")
    assert len(np.unique(rows)) == len(np.unique(rows[cells])) == len(cells)


def test_cells_of_space_3_are_in_the_real_table(nb101_truth):
    found = SPACES[3]
    rows = nb101_truth.rows(
        found.hashes(found.sample(np.random.default_rng(3), 3000, among=found.subset("unique-cell")))
    )
    assert rows.min() >= 0
    assert len(np.unique(rows)) == 3000


@every_space
def test_parameters_are_those_of_the_real_table(nb101_truth, number):
    found = SPACES[number]
    members = found.sample(np.random.default_rng(number), 14_580)
    rows = nb101_truth.rows(found.hashes(members))
    computed, recorded = found.params(found.archs(members)), nb101_truth.params("cifar10", rows)
    if number == 2:
        # three vertices feed the output: which of them is a channel wider depends on the order of the vertices
        np.testing.assert_allclose(computed, recorded, rtol=0.01)
    else:
        np.testing.assert_array_equal(computed, recorded)
