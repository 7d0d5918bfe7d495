"""Tests between algorithms, and the sentences that report them."""

import itertools
import re
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from scipy import stats

from supernet.benchmarks.truth.table import Measure
from supernet.harness.search.analysis import Entry, Outcome, _regret_interval
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.contrasts import (
    LEAST,
    Contrast,
    contrast,
    false_discovery,
    omnibus,
    rank_sum_p,
    smallest_p,
    welch,
    with_holm,
    with_q,
)
from supernet.harness.search.findings import findings, headline
from supernet.harness.search.ledger import Budget
from supernet.harness.search.published import CIFAR10, PUBLISHED

MAIN = Measure("digits", "test", "1", "s0")


def brute(a, b):
    """Every division of the ranks, one by one."""
    ranks = stats.rankdata(np.concatenate([a, b]))
    sums = np.array([sum(chosen) for chosen in itertools.combinations(ranks, len(a))])
    far = np.abs(sums - sums.mean())
    return np.mean(far >= abs(ranks[: len(a)].sum() - sums.mean()) - 1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_rank_sums_are_those_of_all_divisions(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 6, rng.integers(2, 8)) / 7, rng.integers(0, 8, rng.integers(2, 8)) / 7  # with ties
    assert rank_sum_p(a, b) == pytest.approx(brute(a, b))
    x, y = rng.normal(size=9), rng.normal(0.8, 1, size=11)
    assert rank_sum_p(x, y) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)
    assert rank_sum_p(y, x) == pytest.approx(rank_sum_p(x, y))


def test_rank_sums_of_many_are_those_of_a_normal_distribution():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=400), rng.normal(0.2, 1, size=300)
    assert rank_sum_p(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="asymptotic").pvalue)
    assert rank_sum_p(a[:30], b[:31]) == pytest.approx(
        stats.mannwhitneyu(a[:30], b[:31], method="exact").pvalue, rel=0.05
    )


@pytest.mark.parametrize(("first", "second"), [(1, 1), (3, 3), (5, 4), (8, 8)])
def test_no_p_is_below_the_smallest(first, second):
    least = rank_sum_p(np.arange(first) + 100.0, np.arange(second) * 1.0)
    assert least == pytest.approx(smallest_p(first, second)) == pytest.approx(min(1, 2 / comb(first + second, first)))


def test_equal_results_do_not_differ():
    same = np.full(9, 94.37)
    found = contrast("a", "b", same, same)
    assert (found.difference, found.low, found.high, found.better, found.p) == (0, 0, 0, 0.5, 1)
    assert not with_q([found])[0].clear
    assert omnibus({"a": same, "b": same}).p == 1
    one_apart = contrast("a", "b", same, same - 0.1)
    assert with_holm([one_apart])[0].clear


@pytest.mark.parametrize("seeds", [1, 2, 3, LEAST - 1])
def test_few_seeds_are_not_tested(seeds):
    high, low = np.arange(seeds) + 90.0, np.arange(20) * 1.0
    for found in with_holm([contrast("a", "b", high, low), contrast("b", "a", low, high)]):
        assert found.p is found.adjusted is None
        assert not found.clear
        assert np.isnan(found.low) == (seeds == 1)


def test_intervals_are_welchs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=9), rng.normal(0, 3, size=14)
    wanted = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    assert welch(a, b) == pytest.approx((wanted.low, wanted.high))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_clear_has_an_interval_without_zero(seed):
    rng = np.random.default_rng(seed)
    a, b = np.minimum(0, rng.normal(-0.3, 1, 9)) ** 3, np.minimum(0, rng.normal(0.3, 1, 12))
    for found in with_q([contrast("a", "b", a, b)]):
        assert not found.clear or found.low > 0 or found.high < 0
    around = Contrast("a", "b", 9, 9, 0.1, -0.01, 0.2, 0.9, 0.001, 0.001)
    assert not around.clear
    assert replace(around, low=0.01).clear
    assert not replace(around, low=0.01, better=0.4).clear  # ranks say the opposite


def test_the_family_against_random_search_keeps_its_level():
    """Of regrets as searches have them: skewed, with many that are exactly 0."""
    rng = np.random.default_rng(0)
    wrong = tried = 0
    for _ in range(250):
        draws = np.maximum(0, rng.exponential(size=(5, LEAST)) - 0.3)
        family = with_holm([contrast(str(k), "random", -draws[k], -draws[0]) for k in range(1, 5)])
        wrong += any(c.clear for c in family)
        tried += 1
    assert 0 < wrong / tried < 0.08


def test_the_family_has_power():
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(60):
        draws = rng.exponential(size=(5, 10))
        draws[4] *= 0.1
        found += with_holm([contrast(str(k), "random", -draws[k], -draws[0]) for k in range(1, 5)])[3].clear
    assert found / 60 > 0.6


def test_false_discovery_rates_step_up():
    assert false_discovery([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert false_discovery([]) == []


def test_all_algorithms_at_once():
    rng = np.random.default_rng(2)
    many = {str(k): rng.normal(0.3 * k, 1, 9) for k in range(4)}
    assert omnibus(many).p == pytest.approx(stats.kruskal(*many.values()).pvalue)
    few = {name: values[:3] for name, values in many.items()}
    found = omnibus(few)
    assert found.permuted
    assert found.p == pytest.approx(stats.kruskal(*few.values()).pvalue, abs=0.05)
    assert omnibus({"a": np.ones(3)}) is None
    assert omnibus({"a": np.ones(3), "b": np.ones(1)}) is None


def test_permutations_keep_their_level():
    rng = np.random.default_rng(0)
    found = [omnibus({str(k): rng.exponential(size=2) for k in range(5)}, seed).p for seed in range(120)]
    assert np.mean(np.array(found) < 0.2) == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_intervals_of_mean_regret_stay_above_zero_and_cover(seeds):
    draws = np.maximum(0, np.random.default_rng(0).exponential(size=(seeds, 4000)) - 0.2)
    true = np.exp(-0.2)
    low, high = _regret_interval(draws)
    mean = draws.mean(0)
    assert (low >= 0).all()
    assert ((low <= mean) & (mean <= high)).all()
    assert np.mean((low <= true) & (true <= high)) > 0.85
    assert [end.tolist() for end in _regret_interval(np.zeros((3, 1)))] == [[0.0], [0.0]]
    assert np.isnan(_regret_interval(np.ones((1, 2)))).all()


# ---- sentences ---------------------------------------------------------------------------------------------------


def outcome(finals, best=90.0):
    entries = [
        Entry(name, name.upper(), "", False, final={str(MAIN): np.array(v, float)}) for name, v in finals.items()
    ]
    values = {entry.name: entry.final[str(MAIN)] for entry in entries if len(entry.final[str(MAIN)])}
    names = [name for name in values if name != "random"] if "random" in values else []
    versus = with_holm([contrast(name, "random", values[name], values["random"]) for name in names])
    pairs = with_q([contrast(a, b, values[a], values[b]) for a, b in itertools.combinations(values, 2)])
    chosen = Comparison("nb201", "digits", ("random",), Budget("queries", 10), 3)
    return Outcome(chosen, (MAIN,), best, entries, [], versus, pairs, omnibus(values), None, None, [])


def test_one_search_each_is_described_and_not_compared():
    said = findings(outcome({"random": [80], "rea": [88], "drnas": [89]}))
    assert said[0].startswith("This is one search of each algorithm.")
    rest = " ".join(said[1:])
    assert rest == (
        "Mean digits test accuracies of the algorithms go from 80.00 % to 89.00 %; the highest is 1.00 points below "
        "the best known (90.00 %)."
    )


def test_three_seeds_distinguish_nothing_and_name_no_best():
    said = findings(outcome({"random": [80, 81, 82], "rea": [88, 87, 89], "drnas": [89, 88, 87]}))
    assert said[0] == (
        "No algorithm could be tested against random search with 3 seeds each: tests need 8 seeds of both "
        "algorithms. A "
        "rank test of 3 against 3 searches cannot give a p-value below 0.1, before any correction for 2 tests."
    )
    assert not any("The highest mean" in sentence for sentence in said)
    assert "(Kruskal and Wallis' test, by permutations: p = " in said[1]


def test_the_headline_names_what_is_clear():
    rng = np.random.default_rng(0)
    finals = {
        "random": 80 + rng.normal(size=10), "rea": 85 + rng.normal(size=10), "bad": 75 + rng.normal(size=10),
        "same": 80 + rng.normal(size=10), "few": [88.0, 88.5],
    }  # fmt: skip
    said = headline(outcome(finals))
    interval = r"\d\.\d\d \[SIGN\d\.\d\d, SIGN\d\.\d\d\]\)"
    better, worse = r"\(REA \+" + interval.replace("SIGN", r"\+"), "\\(BAD −" + interval.replace("SIGN", "−")
    assert re.fullmatch(
        f"Of 3 algorithms tested against random search, 1 is clearly better {better} and 1 is clearly worse {worse}, "
        r"points of accuracy\. 1 algorithm has too few seeds for a test\.",
        said,
    ), said
    del finals["few"]
    whole = findings(outcome(finals))
    assert any(re.search(r"The highest mean .* is that of REA: .*; clearly above all others\.", s) for s in whole)


def test_nothing_clear_is_said_so():
    rng = np.random.default_rng(3)
    same = outcome({name: 80 + rng.normal(size=12) for name in ("random", "rea", "bohb")})
    assert (
        headline(same) == "No algorithm is distinguishable from random search with 12 seeds each (2 algorithms tested)."
    )
    assert not any("clearly above all" in sentence for sentence in findings(same))


def test_without_random_search_and_alone():
    assert headline(outcome({})) == "No search is done yet."
    assert headline(outcome({"rea": [88.0]})) == (
        "REA: mean digits test accuracy 88.00 % over 1 search, 2.00 points below the best known (90.00 %)."
    )
    two = headline(outcome({"rea": np.arange(9) + 70.0, "bohb": np.arange(9) + 80.0}))
    assert two.startswith("Of 1 pair of algorithms tested, 1 differs clearly (false discovery rate 5 %)")


# ---- published numbers -------------------------------------------------------------------------------------------


def test_published_rows_are_possible_and_of_one_cell_where_they_say_so(nb201_truth):
    names = ("cifar10", "cifar100", "imagenet16-120")
    table = [nb201_truth.accuracy(name, "test", "200", "mean") for name in names]
    one_cell = 0
    for name, row in PUBLISHED.items():
        values = (row.cifar10, row.cifar100, row.imagenet16)
        for (mean, deviation), known in zip(values, table, strict=True):
            assert known.min() <= mean <= known.max() + 0.006, name
            if deviation == 0:  # one cell each time: the table has it
                assert (np.abs(known - mean) < 0.006).any(), (name, mean)
        if row.searched == CIFAR10 and all(deviation == 0 for _, deviation in values):
            near = [np.abs(known - mean) < 0.006 for (mean, _), known in zip(values, table, strict=True)]
            assert np.logical_and.reduce(near).any(), name
            one_cell += 1
    assert one_cell == 2  # DARTS of first and of second order
