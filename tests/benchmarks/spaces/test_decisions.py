"""What every search space can do: numbering, classes, sampling and moves."""

import itertools
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_space import Toy

from supernet.benchmarks.errors import BadArchitecture, UserError
from supernet.benchmarks.spaces import SPACE_NAMES, Decision, space

every_space = pytest.mark.parametrize("name", SPACE_NAMES)
every_listed_space = pytest.mark.parametrize("name", [name for name in SPACE_NAMES if space(name).enumerable])
seeds = st.integers(0, 2**32 - 1)


TOY = Toy()


@st.composite
def places(draw, parents=1):
    """A space and architectures of it."""
    found = space(draw(st.sampled_from(SPACE_NAMES)))
    arch = st.tuples(*(st.integers(0, len(decision) - 1) for decision in found.decisions))
    return found, *(draw(arch) for _ in range(parents))


def changed(a, b):
    return [d for d, (x, y) in enumerate(zip(a, b, strict=True)) if x != y]


def assert_even(counts, total):
    """All counts within five standard deviations of an even spread of `total`."""
    expected = total / len(counts)
    assert np.abs(np.array(counts) - expected).max() < 5 * expected**0.5, counts


# ---- decisions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("a",), ("a", "a"), ("a", "b", "a"), ((0, 1), (0, 2), (0, 1))])
def test_a_decision_needs_two_or_more_distinct_options(options):
    with pytest.raises(ValueError, match="decision 'parents9' needs two or more distinct options") as caught:
        Decision("parents9", options)
    assert str(options) in str(caught.value)


def test_the_length_of_a_decision_is_its_number_of_options():
    assert len(Decision("op", ("a", "b", "c"))) == 3


# ---- numbering and spelling ------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(place=places())
def test_architecture_index_and_string_lead_back_to_each_other(place):
    found, arch = place
    index = found.index(arch)
    assert 0 <= index < len(found)
    assert found.arch(index) == arch
    assert all(type(option) is int for option in found.arch(index))
    assert found.parse(found.string(arch)) == arch


@settings(deadline=None, max_examples=200)
@given(name=st.sampled_from(SPACE_NAMES), fraction=st.floats(0, 1, exclude_max=True))
def test_every_index_has_an_architecture(name, fraction):
    found = space(name)
    index = int(fraction * len(found))
    assert found.index(found.arch(index)) == index


@every_listed_space
def test_the_enumeration_is_in_index_order_and_complete(name):
    found = space(name)
    table = found.archs()
    assert table.dtype == np.int8
    assert table.shape == (len(found), len(found.decisions))
    assert len(found) == np.prod([len(decision) for decision in found.decisions])
    np.testing.assert_array_equal(found.indices(table), np.arange(len(found)))
    rows = np.random.default_rng(0).integers(len(found), size=50)
    np.testing.assert_array_equal(found.archs(rows), table[rows])


def test_different_architectures_have_different_strings():
    for name in ("nb201", "nb1shot1-1"):
        found = space(name)
        assert len({found.string(arch) for arch in found.archs().tolist()}) == len(found)


def test_the_last_decision_runs_fastest():
    expected = [list(arch) for arch in itertools.product(range(2), range(3), range(4))]
    assert TOY.archs().tolist() == expected
    assert [TOY.index(arch) for arch in expected] == list(range(24))


@every_space
def test_no_indices_give_no_architectures(name):
    found = space(name)
    assert found.archs([]).shape == (0, len(found.decisions))
    assert found.indices(np.empty((0, len(found.decisions)))).shape == (0,)


# ---- what is refused -------------------------------------------------------------------------------------


@every_space
def test_an_index_outside_the_space_is_refused(name):
    found = space(name)
    for index in (-1, len(found), len(found) + 10**12):
        for ask in (found.arch, found.checked_indices):
            with pytest.raises(BadArchitecture, match=rf"^{name}: index {index} is outside 0 … {len(found) - 1}$"):
                ask(index)
    with pytest.raises(BadArchitecture, match=r"index -7 is outside .* \(and 2 more\)"):
        found.archs([0, -7, 1, len(found), 2, -1])
    with pytest.raises(BadArchitecture, match="index -3 is outside"):
        found.sample(np.random.default_rng(0), 1, among=[0, 1, -3])


@settings(deadline=None, max_examples=100)
@given(place=places(), data=st.data())
def test_an_option_that_does_not_exist_is_refused(place, data):
    found, arch = place
    d = data.draw(st.integers(0, len(arch) - 1))
    wrong = list(arch)
    wrong[d] = data.draw(st.sampled_from([-1, len(found.decisions[d]), 127, 128, 256, -256]))
    with pytest.raises(BadArchitecture) as caught:
        found.index(wrong)
    assert f"{found.name}: 1 architecture(s)" in str(caught.value)
    assert str(tuple(wrong)) in str(caught.value)
    with pytest.raises(BadArchitecture) as caught:
        found.indices([arch, wrong, arch, wrong])
    assert f"{found.name}: 2 architecture(s)" in str(caught.value)
    assert str(tuple(wrong)) in str(caught.value)


@every_space
def test_a_wrong_number_of_decisions_is_refused(name):
    found = space(name)
    right = len(found.decisions)
    for wrong in (0, 1, right - 1, right + 1):
        with pytest.raises(BadArchitecture, match=f"^{name}: an architecture has {right} decisions, not {wrong}$"):
            found.index([0] * wrong)


@every_space
@pytest.mark.parametrize("what", ["", "nonsense", "unique-", "unique-nonsense", "unique_skip"])
def test_an_unknown_class_or_subset_is_refused_with_a_list_of_the_known_ones(name, what):
    found = space(name)
    with pytest.raises(BadArchitecture) as caught:
        found.classes(what)
    assert str(caught.value) == f"{name} has no class {what!r}; it has: {', '.join(found.class_names)}"
    with pytest.raises(BadArchitecture) as caught:
        found.subset(what)
    assert str(caught.value) == f"{name} has no subset {what!r}; it has: {', '.join(found.subset_names)}"


def test_a_space_without_classes_says_so():
    with pytest.raises(BadArchitecture, match=r"^toy has no class 'skip'; it has: none$"):
        TOY.classes("skip")
    with pytest.raises(BadArchitecture, match=r"^toy has no subset 'unique-skip'; it has: none$"):
        TOY.subset("unique-skip")


@pytest.mark.parametrize("name", ["nb301", "", "nb1shot1-4", "nb1shot1", "NB201"])
def test_an_unknown_space_is_refused_with_a_list_of_the_known_ones(name):
    with pytest.raises(UserError) as caught:
        space(name)
    assert repr(name) in str(caught.value)
    nearest = [known for known in SPACE_NAMES if f"did you mean {known}?" in str(caught.value)]
    assert nearest or all(known in str(caught.value) for known in SPACE_NAMES)


# ---- classes and subsets ---------------------------------------------------------------------------------


@every_listed_space
def test_a_class_is_numbered_by_its_lowest_index_and_unique_subsets_take_that_member(name):
    found = space(name)
    for kind in found.class_names:
        classes = found.classes(kind)
        assert classes.shape == (len(found),)
        labels, lowest = np.unique(classes, return_index=True)
        np.testing.assert_array_equal(labels, lowest)
        np.testing.assert_array_equal(found.subset(f"unique-{kind}"), labels)


@every_listed_space
def test_subsets_are_ascending_indices(name):
    found = space(name)
    for subset in found.subset_names:
        members = found.checked_indices(found.subset(subset))
        assert (np.diff(members) > 0).all()
        assert 0 < len(members) < len(found)


def test_a_space_has_one_instance_per_process():
    assert all(space(name) is space(name) and space(name).name == name for name in SPACE_NAMES)


# ---- sampling --------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(name=st.sampled_from(SPACE_NAMES), seed=seeds, n=st.integers(0, 200))
def test_a_sample_has_distinct_members_and_follows_the_seed(name, seed, n):
    found = space(name)
    rows = found.sample(np.random.default_rng(seed), n)
    assert rows.dtype == np.int64
    assert rows.shape == (n,) == np.unique(rows).shape
    np.testing.assert_array_equal(found.checked_indices(rows), rows)
    np.testing.assert_array_equal(found.sample(np.random.default_rng(seed), n), rows)


@settings(deadline=None, max_examples=100)
@given(pool=st.sets(st.integers(0, 14_579), min_size=1, max_size=40), seed=seeds, data=st.data())
def test_a_sample_among_some_takes_only_those_and_each_once(pool, seed, data):
    n = data.draw(st.integers(0, len(pool)))
    rows = space("nb1shot1-1").sample(np.random.default_rng(seed), n, among=sorted(pool)).tolist()
    assert len(rows) == len(set(rows)) == n
    assert set(rows) <= pool


@pytest.mark.parametrize("among", [None, [3], [1, 4, 9, 16, 23]])
def test_samples_are_uniform(among):
    rng = np.random.default_rng(2021)
    pool = range(24) if among is None else among
    n = max(1, len(pool) // 3)
    drawn = np.concatenate([TOY.sample(rng, n, among=among) for _ in range(3000)])
    counts = np.bincount(drawn, minlength=24)
    assert counts.sum() == counts[list(pool)].sum()
    assert_even(counts[list(pool)], 3000 * n)


def test_a_sample_cannot_exceed_what_there_is():
    assert sorted(TOY.sample(np.random.default_rng(0), 24)) == list(range(24))
    for n, among in ((25, None), (4, [1, 2, 3])):
        with pytest.raises(ValueError, match="larger sample than population"):
            TOY.sample(np.random.default_rng(0), n, among=among)


@every_space
def test_decision_wise_samples_choose_every_option_evenly_and_independently(name):
    found = space(name)
    table = found.sample_decisions(np.random.default_rng(5), 4000)
    assert table.dtype == np.int8
    assert table.shape == (4000, len(found.decisions))
    assert found.indices(table).shape == (4000,)
    for d, decision in enumerate(found.decisions):
        assert_even(np.bincount(table[:, d], minlength=len(decision)), 4000)
    pairs = table[:, 0].astype(int) * len(found.decisions[1]) + table[:, 1]
    assert_even(np.bincount(pairs, minlength=len(found.decisions[0]) * len(found.decisions[1])), 4000)


# ---- moves -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=200)
@given(place=places(), seed=seeds)
def test_a_mutation_changes_exactly_one_decision(place, seed):
    found, arch = place
    child = found.mutate(arch, Random(seed))
    assert len(changed(arch, child)) == 1
    assert found.arch(found.index(child)) == child


def test_mutation_is_uniform_over_decisions_and_over_other_options():
    rng, arch = Random(8), (0, 1, 2)
    children = [TOY.mutate(arch, rng) for _ in range(6000)]
    by_decision = [[child for child in children if changed(arch, child) == [d]] for d in range(3)]
    assert_even([len(group) for group in by_decision], 6000)
    for d, group in enumerate(by_decision):
        counts = np.bincount([child[d] for child in group], minlength=len(TOY.decisions[d]))
        assert_even(np.delete(counts, arch[d]), len(group))


def test_each_decision_is_mutated_at_the_probability_and_to_another_option():
    rng, arch = Random(3), (0, 1, 2)
    children = [TOY.mutate_each(arch, 0.25, rng) for _ in range(6000)]
    counts = np.bincount([len(changed(arch, child)) for child in children], minlength=4) / 6000
    np.testing.assert_allclose(counts, [0.75**3, 3 * 0.75**2 * 0.25, 3 * 0.75 * 0.25**2, 0.25**3], atol=0.02)
    assert TOY.mutate_each(arch, 0.0, rng) == arch
    assert changed(arch, TOY.mutate_each(arch, 1.0, rng)) == [0, 1, 2]
    others = np.bincount([child[2] for child in children if child[2] != 2], minlength=4)
    assert_even(others[[0, 1, 3]], others.sum())


def test_a_redrawn_decision_may_take_its_old_option_again():
    rng = np.random.default_rng(4)
    archs = np.tile(np.array([0, 1, 2], dtype=np.int8), (6000, 1))
    redrawn = TOY.redraw(archs, 0.5, rng)
    for d, options in enumerate((2, 3, 4)):
        assert (redrawn[:, d] != archs[:, d]).mean() == pytest.approx(0.5 * (1 - 1 / options), abs=0.03)
    np.testing.assert_array_equal(TOY.redraw(archs, 0.0, rng), archs)


@settings(deadline=None, max_examples=100)
@given(place=places())
def test_neighbours_are_all_architectures_at_distance_one(place):
    found, arch = place
    table = found.neighbours(arch)
    assert len(table) == sum(len(decision) - 1 for decision in found.decisions)
    assert len(np.unique(found.indices(table))) == len(table)
    assert all(len(changed(arch, row)) == 1 for row in table)


@settings(deadline=None, max_examples=200)
@given(place=places(parents=2), seed=seeds)
def test_crossover_takes_every_decision_from_a_parent(place, seed):
    found, a, b = place
    child = tuple(found.crossover(a, b, np.random.default_rng(seed)).tolist())
    assert all(option in pair for option, pair in zip(child, zip(a, b, strict=True), strict=True))
    assert found.arch(found.index(child)) == child


def test_crossover_takes_either_parent_equally_often_in_every_combination():
    rng = np.random.default_rng(13)
    a, b = np.zeros((4000, 3), np.int8), np.ones((4000, 3), np.int8)
    children = [tuple(child) for child in TOY.crossover(a, b, rng).tolist()]
    assert_even([children.count(bits) for bits in itertools.product((0, 1), repeat=3)], 4000)


@settings(deadline=None, max_examples=200)
@given(place=places())
def test_the_quick_index_is_the_index(place):
    found, arch = place
    assert found.known_index(arch) == found.index(arch)


@settings(deadline=None, max_examples=100)
@given(place=places(parents=2))
def test_distance_counts_the_decisions_that_differ(place):
    found, a, b = place
    assert found.distance(a, b) == len(changed(a, b)) == found.distance(b, a)


def test_distance_broadcasts_over_leading_axes():
    found = space("nb1shot1-2")
    rng = np.random.default_rng(3)
    a, b = found.sample_decisions(rng, 6), found.sample_decisions(rng, 4)
    table = found.distance(a[:, None], b)
    assert table.shape == (6, 4)
    for (i, x), (j, y) in itertools.product(enumerate(a.tolist()), enumerate(b.tolist())):
        assert table[i, j] == len(changed(x, y))
