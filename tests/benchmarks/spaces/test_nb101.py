"""NAS-Bench-101 cells against plain references: pruning, graph hash, channels, parameters and encodings."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nb101_reference import official_hash, paths_between, prune

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces.nb101 import MAX_EDGES, OPS, SHORT_OPS, SLOTS, UNIQUE_CELLS, Cells, is_hash

CHUNKS = 24


@st.composite
def graphs(draw, connected=False):
    """A random matrix of 2 to 7 vertices (as nested lists) and the operation names of its interior."""
    size = draw(st.integers(2, SLOTS))
    pairs = list(itertools.combinations(range(size), 2))
    bits = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    matrix = [[0] * size for _ in range(size)]
    for (x, y), bit in zip(pairs, bits, strict=True):
        matrix[x][y] = int(bit)
    if connected and not paths_between(matrix):
        matrix[0][-1] = 1
    return matrix, draw(st.lists(st.sampled_from(OPS), min_size=size - 2, max_size=size - 2))


def cell(matrix, ops):
    return Cells.from_matrix(matrix, ["input", *ops, "output"])


def batch(graphs):
    """Many cells in one object."""
    cells = [cell(*graph) for graph in graphs]
    return Cells(np.concatenate([c.edges for c in cells]), np.concatenate([c.ops for c in cells]))


def slots(size):
    """The slot of each vertex."""
    return [*range(size - 1), SLOTS - 1]


def random_graphs(count, seed):
    rng = np.random.default_rng(seed)
    for size in rng.integers(2, SLOTS + 1, size=count):
        matrix = np.triu(rng.random((size, size)) < rng.uniform(0.2, 0.9), 1).astype(int)
        yield matrix.tolist(), rng.choice(OPS, size - 2).tolist()


def connected_graphs(count, seed):
    return list(itertools.islice((g for g in random_graphs(4 * count, seed) if paths_between(g[0])), count))


# ---- plain references ------------------------------------------------------------------------------------


def slow_channels(matrix, inputs, outputs):
    """Channels of every vertex of a pruned graph."""
    last = len(matrix) - 1
    channels = [inputs, *[0] * (last - 1), outputs]
    feeding = [v for v in range(1, last) if matrix[v][last]]
    for place, v in enumerate(feeding):
        channels[v] = outputs // len(feeding) + (1 if place < outputs % len(feeding) else 0)
    for v in reversed(range(1, last)):
        if v not in feeding:
            channels[v] = max(channels[y] for y in range(1, last) if matrix[v][y])
    return channels


def slow_params(matrix, ops, stem=128, modules=3, classes=10):
    """Parameters of the network of a pruned graph: every convolution has a normalisation and no bias."""
    convolutions = [(3, stem, 3)]
    width = stem
    for stack in range(3):
        outputs = stem * 2**stack
        for _ in range(modules):
            channels = slow_channels(matrix, width, outputs)
            for v in range(1, len(matrix)):
                if matrix[0][v]:
                    convolutions.append((width, channels[v], 1))
                if v < len(matrix) - 1 and ops[v - 1].startswith("conv"):
                    convolutions.append((channels[v], channels[v], int(ops[v - 1][4])))
            width = outputs
    return sum(i * o * k * k + 2 * o for i, o, k in convolutions) + width * classes + classes


# ---- spelling --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(graph=graphs(), short=st.booleans(), ends=st.booleans())
def test_a_matrix_lands_in_the_slots_with_the_output_last(graph, short, ends):
    matrix, ops = graph
    names = [SHORT_OPS[OPS.index(op)] for op in ops] if short else ops
    cells = Cells.from_matrix(np.array(matrix), ["input", *names, "output"] if ends else names)
    assert len(cells) == 1
    expected = np.zeros((SLOTS, SLOTS), dtype=bool)
    for x, y in itertools.combinations(range(len(matrix)), 2):
        expected[slots(len(matrix))[x], slots(len(matrix))[y]] = matrix[x][y]
    np.testing.assert_array_equal(cells.edges[0], expected)
    assert cells.ops[0, : len(ops)].tolist() == [OPS.index(op) for op in ops]


@settings(deadline=None, max_examples=150)
@given(graph=graphs())
def test_the_string_leads_back_to_the_cell(graph):
    matrix, ops = graph
    cells = cell(matrix, ops)
    text = cells.string(0)
    again = Cells.from_string(text)
    assert again.string(0) == text
    kept = [v for v in range(len(matrix)) if v in (0, len(matrix) - 1) or any(matrix[v]) or any(m[v] for m in matrix)]
    expected = cell([[matrix[x][y] for y in kept] for x in kept], [ops[v - 1] for v in kept[1:-1]])
    np.testing.assert_array_equal(again.edges, expected.edges)
    np.testing.assert_array_equal(again.ops, expected.ops)


@pytest.mark.parametrize(
    ("text", "matrix", "ops"),
    [
        ("|out~0|", [[0, 1], [0, 0]], []),
        ("|conv3x3~0|out~0,1|", [[0, 1, 1], [0, 0, 1], [0, 0, 0]], ["conv3x3-bn-relu"]),
        (
            "|maxpool3x3~0|conv1x1~0,1|out~2|",
            [[0, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]],
            ["maxpool3x3", "conv1x1-bn-relu"],
        ),
    ],
)
def test_known_strings(text, matrix, ops):
    cells = cell(matrix, ops)
    assert cells.string(0) == text
    for spelling in (text, f" {text}\n", text.strip("|"), text.replace("1x1~", "1x1-bn-relu~")):
        np.testing.assert_array_equal(Cells.from_string(spelling).edges, cells.edges)
        np.testing.assert_array_equal(Cells.from_string(spelling).ops, cells.ops)


@settings(deadline=None, max_examples=50)
@given(several=st.lists(graphs(), min_size=1, max_size=5))
def test_the_columns_of_a_table_give_the_same_cells(several):
    bits = [
        sum(matrix[x][y] << x + y * (y - 1) // 2 for x, y in itertools.combinations(range(len(matrix)), 2))
        for matrix, _ in several
    ]
    digits = ["".join(str(OPS.index(op)) for op in ops) for _, ops in several]
    cells = Cells.from_bits([len(matrix) for matrix, _ in several], bits, digits)
    expected = batch(several)
    np.testing.assert_array_equal(cells.edges, expected.edges)
    np.testing.assert_array_equal(cells.ops, expected.ops)
    assert len(cells) == len(several)
    np.testing.assert_array_equal(cells[1:].edges, expected.edges[1:])


# ---- what is refused -------------------------------------------------------------------------------------

LINE = [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("matrix", "ops", "message"),
    [
        ([], [], "the matrix is 0; a cell has 2 to 7 vertices"),
        ([[0]], [], "the matrix is 1x1; a cell has 2 to 7 vertices"),
        ([[0, 1]], [], "the matrix is 1x2; a cell has 2 to 7 vertices"),
        ([[0, 1, 1], [0, 0, 1]], [], "the matrix is 2x3; a cell has 2 to 7 vertices"),
        ([0, 1, 0], ["conv3x3"], "the matrix is 3; a cell has 2 to 7 vertices"),
        (np.zeros((3, 3, 3)), ["conv3x3"], "the matrix is 3x3x3; a cell has 2 to 7 vertices"),
        (np.triu(np.ones((8, 8)), 1), ["conv3x3"] * 6, "the matrix is 8x8; a cell has 2 to 7 vertices"),
        ([[0, 2, 0], [0, 0, 1], [0, 0, 0]], ["conv3x3"], "not upper triangular with entries 0 and 1"),
        ([[0, -1, 0], [0, 0, 1], [0, 0, 0]], ["conv3x3"], "not upper triangular with entries 0 and 1"),
        ([[0, 0.5, 0], [0, 0, 1], [0, 0, 0]], ["conv3x3"], "not upper triangular with entries 0 and 1"),
        ([[0, float("nan")], [0, 0]], [], "not upper triangular with entries 0 and 1"),
        ([[1, 1, 0], [0, 0, 1], [0, 0, 0]], ["conv3x3"], "not upper triangular with entries 0 and 1"),
        ([[0, 1, 0], [0, 0, 1], [1, 0, 0]], ["conv3x3"], "not upper triangular with entries 0 and 1"),
        (np.array(LINE).T, ["conv3x3"], "not upper triangular with entries 0 and 1"),
        (LINE, [], "0 operations for 3 vertices"),
        (LINE, ["conv3x3"] * 2, "2 operations for 3 vertices"),
        (LINE, ["conv3x3"] * 4, "4 operations for 3 vertices"),
        (LINE, ["conv3x3"] * 3, "operations are 'conv3x3', 'conv3x3', not input, output"),
        (LINE, ["input", "conv3x3", "out"], "operations are 'input', 'out', not input, output"),
        (LINE, ["input", "conv5x5", "output"], "unknown operation 'conv5x5'; known: conv3x3-bn-relu"),
        (LINE, ["input"], "unknown operation 'input'"),
        (LINE, [""], "unknown operation ''"),
    ],
)
def test_a_malformed_matrix_is_refused(matrix, ops, message):
    with pytest.raises(BadArchitecture, match=re.escape(message)):
        Cells.from_matrix(matrix, ops)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not of the form |operation~sources|…|out~sources|"),
        ("|conv3x3~0|", "'|conv3x3~0|' is not of the form"),
        ("|conv3x3~0|end~1|", "'|conv3x3~0|end~1|' is not of the form"),
        ("|conv3x3~1|out~1|", "'|conv3x3~1|out~1|': vertex 1 (conv3x3) cannot read '1'"),
        ("|conv3x3~0|out~2|", "'|conv3x3~0|out~2|': vertex 2 (out) cannot read '2'"),
        ("|conv3x3~0|out~0,-1|", "vertex 2 (out) cannot read '-1'"),
        (f"|conv3x3~0|out~{'1' * 5000}|", "vertex 2 (out) cannot read '1111"),
        ("|conv3x3~0|out~0 1|", "vertex 2 (out) cannot read '0 1'"),
        ("|conv3x3~in|out~1|", "vertex 1 (conv3x3) cannot read 'in'"),
        ("|conv5x5~0|out~1|", "unknown operation 'conv5x5'"),
        ("|conv3x3~0||out~1|", "unknown operation ''"),
        ("|out~0|out~1|", "unknown operation 'out'"),
        ("|" + "conv3x3~0|" * 6 + "out~1|", "the matrix is 8x8; a cell has 2 to 7 vertices"),
    ],
)
def test_a_malformed_string_is_refused(text, message):
    with pytest.raises(BadArchitecture, match=re.escape(message)):
        Cells.from_string(text)


def test_a_hash_is_32_lower_case_hexadecimal_digits():
    assert is_hash("0123456789abcdef" * 2)
    for text in ("", "0" * 31, "0" * 33, "g" * 32, "A" * 32, "0" * 32 + "\n"):
        assert not is_hash(text)


# ---- pruning ---------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(graph=graphs())
def test_pruning_keeps_the_vertices_on_a_path_from_input_to_output(graph):
    matrix, ops = graph
    cells = cell(matrix, ops)
    kept, pruned, _ = prune(matrix, ops)
    places = [slots(len(matrix))[v] for v in kept]
    assert np.flatnonzero(cells.used[0]).tolist() == places
    expected = np.zeros((SLOTS, SLOTS), dtype=bool)
    expected[np.ix_(places, places)] = np.array(pruned, dtype=bool)
    np.testing.assert_array_equal(cells.pruned().edges[0], expected)
    np.testing.assert_array_equal(cells.pruned().used, cells.used)
    assert cells.valid.tolist() == [bool(kept) and sum(map(sum, pruned)) <= MAX_EDGES]


def test_edges_of_loose_ends_do_not_count_towards_the_nine():
    full = np.triu(np.ones((5, 5), dtype=int), 1)
    assert full.sum() == 10
    assert not cell(full, OPS).valid[0]
    full[3, 4] = 0
    assert cell(full, OPS).valid[0]
    loose = np.zeros((6, 6), dtype=int)
    loose[:5, :5] = np.triu(np.ones((5, 5), dtype=int), 1)
    loose[0, 5] = 1
    assert cell(loose, [*OPS, OPS[0]]).valid[0]


# ---- hash ------------------------------------------------------------------------------------------------


def test_hashes_are_those_of_the_official_algorithm():
    several = connected_graphs(600, seed=11)
    assert batch(several).hashes() == [official_hash(*prune(*graph)[1:]) for graph in several]


@settings(deadline=None, max_examples=150)
@given(graph=graphs(connected=True), order=st.permutations(range(1, SLOTS - 1)))
def test_the_hash_does_not_depend_on_the_order_of_the_vertices(graph, order):
    matrix, ops = graph
    last = len(matrix) - 1
    interior, waiting = [], [v for v in order if v < last]
    while waiting:  # the order asked for, as far as edges allow
        v = next(v for v in waiting if not any(matrix[x][v] for x in waiting))
        waiting.remove(v)
        interior.append(v)
    vertices = [0, *interior, last]
    relabelled = [[matrix[x][y] for y in vertices] for x in vertices]
    a, b = cell(matrix, ops), cell(relabelled, [ops[v - 1] for v in interior])
    assert a.hashes() == b.hashes()
    assert a.colours().tolist() == b.colours().tolist()


@settings(deadline=None, max_examples=150)
@given(graph=graphs(connected=True), data=st.data())
def test_the_hash_tells_operations_apart_unless_they_are_pruned(graph, data):
    matrix, ops = graph
    if not ops:
        return
    v = data.draw(st.integers(1, len(ops)))
    other = list(ops)
    other[v - 1] = data.draw(st.sampled_from([op for op in OPS if op != ops[v - 1]]))
    a, b = cell(matrix, ops), cell(matrix, other)
    used = any(v in path for path in paths_between(matrix))
    assert (a.hashes() != b.hashes()) == used
    assert (a.colours()[0] != b.colours()[0]) == used


def test_the_order_of_operations_along_a_chain_matters():
    chain = np.diag(np.ones(5, dtype=int), 1)
    hashes = batch([(chain, ops) for ops in itertools.product(OPS, repeat=4)]).hashes()
    assert len(set(hashes)) == 81
    assert all(map(is_hash, hashes))


# ---- costs -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(graph=graphs(connected=True), inputs=st.integers(1, 300), outputs=st.integers(5, 300))
def test_channels_follow_the_rule_of_the_benchmark(graph, inputs, outputs):
    kept, pruned, _ = prune(*graph)
    expected = [0] * SLOTS
    for v, channels in zip(kept, slow_channels(pruned, inputs, outputs), strict=True):
        expected[slots(len(graph[0]))[v]] = channels
    assert cell(*graph).vertex_channels(inputs, outputs)[0].tolist() == expected


def test_the_remainder_of_the_output_channels_goes_to_the_first_vertices():
    matrix = [[0, 1, 1, 1, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0]]
    assert cell(matrix, OPS).vertex_channels(128, 128)[0].tolist() == [128, 43, 43, 42, 0, 0, 128]


@settings(deadline=None, max_examples=100)
@given(graph=graphs(connected=True), stem=st.integers(5, 200), modules=st.integers(1, 5), classes=st.integers(1, 120))
def test_parameters_are_those_of_the_network_counted_layer_by_layer(graph, stem, modules, classes):
    _, pruned, ops = prune(*graph)
    assert cell(*graph).params(stem, modules, classes).tolist() == [slow_params(pruned, ops, stem, modules, classes)]


def test_parameters_of_a_batch():
    several = connected_graphs(200, seed=13)
    assert batch(several).params().tolist() == [slow_params(*prune(*graph)[1:]) for graph in several]


# ---- encodings -------------------------------------------------------------------------------------------

SEQUENCES = [sequence for length in range(SLOTS - 1) for sequence in itertools.product(OPS, repeat=length)]
"""What each indicator of the path encoding stands for."""


def test_path_encodings_list_the_operation_sequences_of_all_paths():
    several = list(random_graphs(300, seed=17))
    code = batch(several).paths()
    assert code.shape == (300, 364)
    assert set(np.unique(code)) == {0, 1}
    for (matrix, ops), row in zip(several, code, strict=True):
        expected = {tuple(ops[v - 1] for v in path[1:-1]) for path in paths_between(matrix)}
        assert {SEQUENCES[i] for i in np.flatnonzero(row)} == expected


# ---- real results ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [0, pytest.param(CHUNKS - 1, marks=pytest.mark.long)])
def test_hashes_and_parameters_are_those_of_the_real_table(nb101_truth, chunk):
    """A twelfth of the cells, which come in the order of their hashes, that is in no order of size or shape."""
    assert len(nb101_truth) == UNIQUE_CELLS == 423_624
    size = -(-UNIQUE_CELLS // CHUNKS)

    def column(name):
        return nb101_truth.read(name).slice(chunk * size, size)

    cells = Cells.from_bits(column("vertices"), column("adjacency_bits"), column("ops").to_pylist())
    assert len(cells) > size - CHUNKS
    assert cells.valid.all()
    np.testing.assert_array_equal(cells.params(), column("cifar10.params"))
    assert cells.hashes() == column("hash").to_pylist()
