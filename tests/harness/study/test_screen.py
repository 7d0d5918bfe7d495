"""Two-level designs: every property is checked by brute force."""

import itertools

import numpy as np
import pytest

from supernet.harness.study.screen import FEWEST, MOST, aliases, two_level_design

SIZES = range(FEWEST, MOST + 1)
RUNS = {4: 8, 8: 16, 12: 24, 16: 32, 20: 40, 24: 48, 32: 64}
"""Most factors -> runs."""


@pytest.mark.parametrize("factors", SIZES)
def test_no_main_effect_is_mixed_with_another_or_with_an_interaction_of_two(factors):
    design = two_level_design(factors)
    runs = next(runs for most, runs in RUNS.items() if factors <= most)
    assert design.shape == (runs, factors)
    assert set(np.unique(design)) == {-1, 1}
    assert not design.sum(axis=0).any()
    for one in range(factors):
        for i, j in itertools.combinations(range(factors), 2):
            assert (design[:, one] * design[:, i] * design[:, j]).sum() == 0
            assert (design[:, i] * design[:, j]).sum() == 0


@pytest.mark.parametrize("factors", SIZES)
def test_the_base_is_the_first_row_and_no_row_comes_twice(factors):
    design = two_level_design(factors)
    assert (design[0] == -1).all()
    assert len({tuple(row) for row in design.tolist()}) == len(design)


def test_three_factors_have_all_combinations():
    rows = {tuple(row) for row in two_level_design(3).tolist()}
    assert rows == set(itertools.product([-1, 1], repeat=3))


@pytest.mark.parametrize("factors", [0, 2, 33])
def test_a_number_of_factors_without_a_design_is_refused(factors):
    with pytest.raises(ValueError, match=f"3 to 32 factors, not {factors}"):
        two_level_design(factors)


@pytest.mark.parametrize("factors", [4, 6, 8, 9, 12, 16])
def test_aliases_are_those_that_the_products_show(factors):
    design = two_level_design(factors)
    found = aliases(design)
    assert found.main == [[] for _ in range(factors)]
    group = {pair: k for k, pairs in enumerate(found.groups) for pair in pairs}
    assert sorted(group) == list(itertools.combinations(range(factors), 2))
    partly = 0
    for one, other in itertools.combinations(group, 2):
        shared = abs((design[:, one[0]] * design[:, one[1]] * design[:, other[0]] * design[:, other[1]]).sum())
        assert (group[one] == group[other]) == (shared == len(design))
        partly += 0 < shared < len(design)
    assert found.partial == (partly > 0) == (factors in (9, 12))


def test_a_design_of_resolution_iii_is_seen():
    a, b = np.array(list(itertools.product([-1, 1], repeat=2))).T
    found = aliases(np.stack([a, b, -a * b], axis=1))
    assert found.main == [[(1, 2)], [(0, 2)], [(0, 1)]]
