"""What spaces say of themselves: what coincides in them, costs, drawings, and whether all can be listed."""

from random import Random

import numpy as np
import pytest
from toy_space import Toy

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces import SPACE_NAMES, Decision, Edge, Graph, space

every_space = pytest.mark.parametrize("name", SPACE_NAMES)


# ---- what coincides, costs, drawings ------------------------------------------------------------------------------


@every_space
def test_a_batch_is_encoded_and_counted_as_its_members_are(name):
    found = space(name)
    table = found.sample_decisions(np.random.default_rng(6), 20)
    code, (params, flops) = found.path_code(table), found.costs(table, 8, 2, 16, 4)
    assert code.dtype == np.float32
    np.testing.assert_array_equal(params, found.params(table, 8, 2, 16, 4))
    np.testing.assert_array_equal(flops, found.flops(table, 8, 2, 16, 4))
    for row, arch in enumerate(table.tolist()):
        np.testing.assert_array_equal(found.path_code(arch), code[row][None])
        assert found.costs(arch, 8, 2, 16, 4) == (params[row], flops[row])


@every_space
def test_representatives_are_members_of_their_own_class(name):
    found = space(name)
    rows = found.sample(np.random.default_rng(1), 300)
    for of in (found.same_computation, found.same_function):
        first = of(rows)
        np.testing.assert_array_equal(of(first), first)
        assert (first <= rows).all()
    if found.enumerable:
        distinct = found.distinct()
        assert (np.diff(distinct) > 0).all()
        assert len(distinct) <= len(found)


def test_spaces_say_what_they_coincide_in():
    nb201, shot = space("nb201"), space("nb1shot1-1")
    rows = np.arange(len(nb201))
    np.testing.assert_array_equal(nb201.distinct(), rows)
    np.testing.assert_array_equal(nb201.same_computation(rows), nb201.classes("computation"))
    np.testing.assert_array_equal(nb201.same_function(rows), nb201.classes("network"))
    np.testing.assert_array_equal(shot.distinct(), shot.subset("unique-cell"))
    np.testing.assert_array_equal(shot.same_computation([7, 3]), shot.classes("pruned")[[7, 3]])


def test_extremes_have_the_most_and_the_fewest_parameters_of_cells_of_convolutions():
    nb201 = space("nb201")
    largest, smallest = nb201.extremes()
    params = nb201.params(nb201.archs())
    assert nb201.params(largest) == params.max()
    convolutions = nb201.archs()[np.isin(nb201.archs(), (2, 3)).all(axis=1)]
    assert nb201.params(smallest) == nb201.params(convolutions).min()
    assert space("nb1shot1-2").extremes() is None


def test_idle_options_are_named_none():
    for name in SPACE_NAMES:
        found = space(name)
        named = {
            found.decisions[d].options.index("none") for d in found.operations if "none" in found.decisions[d].options
        }
        assert named == (set() if found.idle_option is None else {found.idle_option})
        assert found.idle_option in (None, 0), "the first, as those who leave it out rely on"
        assert found.first_working == len(named)


def test_a_space_without_an_idle_option_has_no_idle_edges():
    with pytest.raises(UserError, match="nb1shot1-1 has no operation that stands for none"):
        _ = space("nb1shot1-1").live_edges


@every_space
def test_a_layout_is_a_graph_from_input_to_output(name):
    found = space(name)
    for arch in found.sample_decisions(np.random.default_rng(2), 20).tolist():
        for graph in found.layout(arch):
            assert (graph.nodes[0][:2], graph.nodes[-1]) == ("in", "out")
            assert {edge.target for edge in graph.edges} == set(range(graph.inputs, len(graph.nodes)))


@pytest.mark.parametrize("edge", [Edge(1, 1), Edge(2, 1), Edge(0, 3), Edge(-1, 1)])
def test_a_graph_refuses_edges_that_do_not_lead_to_later_nodes(edge):
    with pytest.raises(ValueError, match="edges must lead to later nodes"):
        Graph(("in", "a", "out"), (edge,))


# ---- spaces too large to be listed ------------------------------------------------------------------------


class Endless(Toy):
    """More architectures than can be listed, each with an index."""

    name = title = "endless"
    decisions = tuple(Decision(str(d), tuple("abcdefgh")) for d in range(20))

    def string(self, arch):
        return "".join("abcdefgh"[option] for option in arch)

    def parse(self, text):
        if len(text) != 20 or set(text) - set("abcdefgh"):
            raise BadArchitecture(f"{text!r} is not of this space")
        return tuple(map("abcdefgh".index, text))


def test_a_space_too_large_to_be_listed_says_so_wherever_all_would_be_needed():
    found = Endless()
    assert len(found) == 8**20
    assert not found.enumerable
    for ask in (found.archs, found.distinct, lambda: found.every_index("this")):
        with pytest.raises(UserError, match=r"endless has about 1e\+18 architectures, too many to list"):
            ask()


def test_architectures_of_a_large_space_are_drawn_moved_and_numbered_all_the_same():
    found, rng = Endless(), Random(0)
    arch = found.draw(rng)
    assert found.arch(found.known_index(arch)) == arch == found.parse(found.string(arch))
    assert found.distance(arch, found.mutate(arch, rng)) == 1
    rows = found.sample(np.random.default_rng(0), 50)
    assert len(np.unique(rows)) == 50
    np.testing.assert_array_equal(found.indices(found.archs(rows)), rows)
    np.testing.assert_array_equal(found.same_computation(rows), rows)


def test_every_space_of_the_registry_has_its_own_name():
    assert [space(name).name for name in SPACE_NAMES] == list(SPACE_NAMES)
    assert [name for name in SPACE_NAMES if not space(name).enumerable] == ["darts"]
