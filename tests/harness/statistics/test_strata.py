"""tau within and between strata, against an enumeration of pairs."""

import itertools

import numpy as np
import pytest

from supernet.harness.statistics import metrics
from supernet.harness.statistics.strata import pairs_within, split_tau, strata_of


def by_pairs(x, y, strata, inside):
    """(concordant less discordant, pairs not tied in x, pairs not tied in y) of the pairs inside strata or not."""
    pairs = [(i, j) for i, j in itertools.combinations(range(len(x)), 2) if (strata[i] == strata[j]) == inside]
    signs = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i, j in pairs]
    return sum(a * b for a, b in signs), sum(a != 0 for a, _ in signs), sum(b != 0 for _, b in signs)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("values", [4, 1000])
def test_within_and_between_are_those_of_the_enumerated_pairs_and_add_up(seed, values):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 40))
    x, y, strata = rng.integers(values, size=n), rng.integers(values, size=n), rng.integers(3, size=n)
    found = split_tau(x, y, strata)
    for tau, part, inside in (
        (found.within, found.from_within, True),
        (found.between, found.from_between, False),
    ):
        excess, of_x, of_y = by_pairs(x, y, strata, inside)
        whole = np.add(by_pairs(x, y, strata, True), by_pairs(x, y, strata, False))
        assert part == pytest.approx(excess / np.sqrt(float(whole[1]) * float(whole[2])))
        assert tau == pytest.approx(excess / np.sqrt(float(of_x) * float(of_y)))
    assert found.from_within + found.from_between == pytest.approx(metrics.kendall_tau(x, y))


def test_strata_without_pairs_have_no_tau():
    x, y = np.array([1.0, 3.0, 2.0, 4.0]), np.arange(4)
    alone = split_tau(x, y, np.arange(4))
    assert (alone.within, alone.from_within) == (None, 0)
    assert alone.between == pytest.approx(metrics.kendall_tau(x, y))
    together = split_tau(x, y, np.zeros(4, dtype=np.int64))
    assert (together.between, together.from_between) == (None, 0)
    assert together.within == pytest.approx(metrics.kendall_tau(x, y))


def test_a_score_that_is_the_size_ranks_nothing_within():
    rng = np.random.default_rng(0)
    size = rng.integers(6, size=100)
    strata, equal = strata_of(size)
    assert equal
    found = split_tau(size, size + 0.1 * rng.random(100), strata)
    assert found.within is None
    assert found.between == 1


def test_few_values_are_strata_of_their_own_and_many_are_tenths():
    values = np.repeat([5.0, 7.0, 9.0], [20, 5, 15])
    strata, equal = strata_of(values)
    assert (strata.tolist(), equal) == ([0] * 20 + [1] * 5 + [2] * 15, True)
    assert pairs_within(strata) == pytest.approx((190 + 10 + 105) / 780)
    strata, equal = strata_of(np.random.default_rng(0).permutation(100))
    assert (np.bincount(strata).tolist(), equal) == ([10] * 10, False)
    tied = np.repeat(np.arange(12), 3)
    strata, equal = strata_of(tied)
    assert not equal
    assert all(len(set(strata[tied == value])) == 1 for value in range(12))
