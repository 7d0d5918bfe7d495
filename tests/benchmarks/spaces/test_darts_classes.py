"""Which pairs of DARTS cells coincide, and which carry nothing, each against a slow plain version."""

import itertools
import random

import numpy as np
import pytest
from darts_cells import SPACE, archs, genotype_of, nodes_of, plain_live, with_dead
from hypothesis import given, settings
from hypothesis import strategies as st

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces.darts import NODES, NONE
from supernet.benchmarks.spaces.live import LIVE, live_quantity


def completions(node, place):
    """Every way to write the live inputs of a node at a place with two different states."""
    states = range(place + 2)
    if len(node) == 2:
        yield tuple(node)
    for a, b in itertools.permutations(states, 2):
        if not node:
            yield (a, NONE), (b, NONE)
        elif len(node) == 1 and node[0][0] == a:
            yield node[0], (b, NONE)


def plain_lowest(cell, which, orders):
    """The lowest index of an architecture with an equal cell, by a search over all ways to write it."""
    best = None
    for order in orders:
        moved = {
            place: [(s if s < 2 else order[s - 2] + 2, op) for s, op in node]
            for place, node in zip(order, plain_live(cell), strict=True)
        }
        if any(state >= place + 2 for place, node in moved.items() for state, _ in node):
            continue
        # Each node is written in its lowest way on its own: no choice of one node limits that of another.
        for ways in itertools.product(*(list(completions(moved[place], place)) for place in range(NODES))):
            other = [[((0, 0), (1, 0))] * NODES] * 2
            other[which] = list(ways)
            index = SPACE.index(SPACE.arch_of(genotype_of(other)))
            best = index if best is None else min(best, index)
    return best


@settings(deadline=None, max_examples=12)
@given(arch=with_dead)
def test_representatives_have_the_lowest_index_of_all_equal_cells(arch):
    cells = nodes_of(arch)
    same = [tuple(range(NODES))]
    for which, cell in enumerate(cells):
        empty = [[((0, 0), (1, 0))] * NODES] * 2
        empty[which] = cell
        index = SPACE.index(SPACE.arch_of(genotype_of(empty)))
        if sum(len(node) for node in plain_live(cell)) < 4:  # few enough ways to write it
            continue
        assert SPACE.same_computation([index])[0] == plain_lowest(cell, which, same)
        assert SPACE.same_function([index])[0] == plain_lowest(cell, which, itertools.permutations(range(NODES)))
    lowest = SPACE.same_function([SPACE.index(arch)])
    assert (SPACE.same_function(lowest) == lowest).all()


def shuffled(cell, rng):
    """An equal cell: its nodes in another order that keeps edges forward, dead inputs somewhere else."""
    live = plain_live(cell)
    while True:
        order = rng.sample(range(NODES), NODES)
        moved = {order[n]: [(s if s < 2 else order[s - 2] + 2, op) for s, op in node] for n, node in enumerate(live)}
        if all(state < place + 2 for place, node in moved.items() for state, _ in node):
            return [rng.choice(list(completions(moved[place], place))) for place in range(NODES)]


@settings(deadline=None, max_examples=50)
@given(arch=st.one_of(archs, with_dead), seed=st.integers(0, 1000))
def test_nodes_in_another_order_and_dead_inputs_elsewhere_make_the_same_class(arch, seed):
    rng = random.Random(seed)
    other = SPACE.arch_of(genotype_of([shuffled(cell, rng) for cell in nodes_of(arch)]))
    rows = SPACE.indices([arch, other])
    first = SPACE.same_function(rows)
    assert first[0] == first[1] <= rows.min()
    assert (SPACE.twins(rows) == first).all()
    assert (SPACE.same_function(SPACE.same_computation(rows)) == first).all()
    assert SPACE.params([arch, other])[0] >= SPACE.params(SPACE.live([arch]))[0] == SPACE.params(SPACE.live([other]))[0]


@settings(deadline=None, max_examples=100)
@given(arch=with_dead)
def test_live_choices_are_those_on_a_path_from_an_input(arch):
    live = SPACE.live([arch])[0].tolist()
    for cell, found in zip(nodes_of(arch), nodes_of(live), strict=True):
        for wanted, node in zip(plain_live(cell), found, strict=True):
            assert [(state, op) for state, op in node if op != NONE] == wanted
    row = SPACE.indices([arch, live])
    assert len(set(SPACE.same_computation(row).tolist())) == 1


def depends(arch, cells):
    """Whether the last cell depends on the images, by a walk from cell to cell."""
    uses = []
    for cell in nodes_of(arch):
        read = {state for node in plain_live(cell) for state, _ in node}
        uses.append((0 in read, 1 in read))
    known = [True, True]
    for number in range(3 * cells + 2):
        before, last = uses[int(number in (cells, 2 * cells + 1))]
        known.append((before and known[-2]) or (last and known[-1]))
    return known[-1]


def test_an_architecture_whose_cells_carry_nothing_is_not_connected():
    rng = np.random.default_rng(0)
    some = SPACE.sample_decisions(rng, 300)
    some[:, SPACE.operations] *= rng.random((300, 16)) < 0.15
    found = SPACE.connected(some)
    assert found.tolist() == [depends(arch, 6) for arch in some.tolist()]
    assert 0 < found.sum() < 300
    for cells in (1, 2, 3):
        assert SPACE.connected(some, cells).tolist() == [depends(arch, cells) for arch in some.tolist()]
    for name in LIVE:
        values = live_quantity(SPACE, name, some)
        assert values[~found].max() < values[found].min()


def test_the_classes_of_all_architectures_are_too_many_and_the_error_says_so():
    for ask in (lambda: SPACE.classes("dead"), lambda: SPACE.subset("unique-isomorphic"), lambda: SPACE.live_edges):
        with pytest.raises(UserError, match=r"DARTS cells has about 9e\+18 architectures, too many to list"):
            ask()
    with pytest.raises(BadArchitecture, match="darts has no class 'skip'; it has: dead, isomorphic"):
        SPACE.classes("skip")


def test_the_numbers_of_classes_are_known():
    def cells(node, states):
        """Cells from this node on, if this number of states carry something."""
        if node == NODES:
            return 1
        ways = 7 * states + 49 * states * (states - 1) // 2
        return cells(node + 1, states) + ways * cells(node + 1, states + 1)

    assert SPACE.count("unique-dead") == cells(0, 2) ** 2
    assert SPACE.count("unique-isomorphic") == isomorphic_cells() ** 2


def isomorphic_cells():
    """Cells up to the order of their nodes, by Burnside's lemma: the mean over orders of the cells that each keeps."""
    sources = [
        [
            set(pair)
            for count in range(3)
            for pair in itertools.combinations([state for state in range(-2, NODES) if state != node], count)
        ]
        for node in range(NODES)
    ]
    total = 0
    for graph in itertools.product(*sources):
        if not all(forward(graph, node, ()) for node in range(NODES)):
            continue
        for order in itertools.permutations(range(NODES)):
            new = [*order, -2, -1]  # inputs are numbers -2 and -1, also as positions from the end
            if all(graph[new[node]] == {new[source] for source in graph[node]} for node in range(NODES)):
                edges = {(source, node) for node in range(NODES) for source in graph[node]}
                orbits = 0
                while edges:
                    edge = edges.pop()
                    orbits += 1
                    while (edge := (new[edge[0]], new[edge[1]])) in edges:
                        edges.remove(edge)
                total += 7**orbits
    return total // 24


def forward(graph, node, above):
    """Whether no path that leads to this node comes back to it, and no node that it reads carries nothing."""
    return node not in above and all(
        source < 0 or (graph[source] and forward(graph, source, (*above, node))) for source in graph[node]
    )
