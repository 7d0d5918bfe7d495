import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from supernet.harness.statistics import metrics
from supernet.harness.statistics.metrics import MetricError

CORRELATIONS = [metrics.kendall_tau, metrics.spearman, metrics.pearson, metrics.weighted_tau]
ALL = [
    *CORRELATIONS,
    lambda x, y: metrics.partial_tau(x, y, np.arange(len(np.atleast_1d(y)))),
    lambda x, y: metrics.sparse_tau_binned(x, y, 0.1),
    lambda x, y: metrics.sparse_tau_positions(x, y, 0.1),
    lambda x, y: metrics.sparse_tau_tolerance(x, y, 0.1),
    lambda x, y: metrics.tau_in_true_top(x, y, 0.5),
    lambda x, y: metrics.tau_in_predicted_top(x, y, 0.5),
    lambda x, y: metrics.precision_at(x, y, 1),
    lambda x, y: metrics.best_rank_at(x, y, 1),
    lambda x, y: metrics.worst_rank_at(x, y, 1),
    lambda x, y: metrics.regret_at(x, y, 1),
    lambda x, y: metrics.surpass_random_paper(x, y, 1, 2),
    lambda x, y: metrics.surpass_random_exact(x, y, 1, 2),
]

values = st.lists(st.integers(0, 8), min_size=3, max_size=12)


@st.composite
def two_rankings(draw):
    x = draw(values)
    y = draw(st.lists(st.integers(0, 8), min_size=len(x), max_size=len(x)))
    assume(len(set(y)) > 1)
    return np.array(x, dtype=float), np.array(y, dtype=float)


# ---- against SciPy ----


@pytest.mark.parametrize("levels", [3, 20, 10**6], ids="{} levels".format)
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (metrics.kendall_tau, scipy.stats.kendalltau),
        (metrics.spearman, scipy.stats.spearmanr),
        (metrics.pearson, scipy.stats.pearsonr),
        (metrics.weighted_tau, scipy.stats.weightedtau),
    ],
    ids=lambda f: f.__name__,
)
def test_correlations_equal_scipy_with_ties(ours, theirs, levels):
    rng = np.random.default_rng(levels)
    x = rng.integers(levels, size=300).astype(float)
    y = x + rng.integers(levels, size=300)
    assert ours(x, y) == pytest.approx(theirs(x, y).statistic, abs=1e-12)


# ---- hand-worked ----


def test_kendall_tau_b_by_hand():
    # Pairs: (1,2) tied in x; (1,3), (2,3) concordant, (1,4) concordant, (2,4) concordant, (3,4) discordant.
    # P = 4, Q = 1, n0 = 6, n1 = 1, n2 = 0.
    assert metrics.kendall_tau([1, 1, 2, 3], [1, 2, 4, 3]) == pytest.approx((4 - 1) / math.sqrt(5 * 6))


def test_partial_tau_by_hand():
    x, y, z = [1, 2, 3, 4], [1, 3, 2, 4], [2, 1, 3, 4]
    # tau(x,y) = tau(x,z) = 4/6; tau(y,z): pairs ab -, ac +, ad +, bc -, bd +, cd + = 2/6.
    expected = (4 / 6 - 4 / 6 * 2 / 6) / math.sqrt((1 - 16 / 36) * (1 - 4 / 36))
    assert metrics.partial_tau(x, y, z) == pytest.approx(expected)
    assert metrics.partial_tau(x, y, x) == 0
    assert metrics.partial_tau(x, y, [5] * 4) == pytest.approx(4 / 6)


def test_sparse_taus_by_hand():
    scores, truth = [1, 2, 3, 4], [90.04, 90.01, 90.26, 91.3]
    # Bins of 0.1: 900, 900, 902, 913. Five pairs differ, all concordant.
    assert metrics.sparse_tau_binned(scores, truth, 0.1) == pytest.approx(5 / math.sqrt(6 * 5))
    # The scores inherit the bins in order: identical rankings.
    assert metrics.sparse_tau_positions(scores, truth, 0.1) == pytest.approx(1)
    # Differences of at least 0.25: all but (90.04, 90.01), (90.04, 90.26), so 4 concordant pairs.
    assert metrics.sparse_tau_tolerance(scores, truth, 0.25) == pytest.approx(4 / math.sqrt(6 * 4))
    # Rounding to whole points puts the last on its own, and an origin of -0.5 does the same by bins.
    assert metrics.sparse_tau_binned(scores, truth, 1, origin=-0.5) == pytest.approx(
        scipy.stats.kendalltau(scores, np.round(truth)).statistic
    )


def test_decimal_accuracies_do_not_fall_below_their_own_bin_edge():
    truth = np.round(np.arange(90, 91, 0.1), 1)
    assert len(set(np.floor(truth / 0.1))) < len(truth)  # the naive bins merge some
    scores = np.arange(len(truth))
    assert metrics.sparse_tau_binned(scores, truth, 0.1) == pytest.approx(1)
    assert metrics.sparse_tau_tolerance(scores, truth, 0.1) == pytest.approx(1)


def test_top_of_the_list_by_hand():
    truth, scores = [10, 9, 8, 7, 6], [1, 5, 4, 3, 2]
    assert metrics.precision_at(scores, truth, 2) == pytest.approx(1 / 2)
    assert metrics.best_rank_at(scores, truth, 2) == pytest.approx(2)
    assert metrics.worst_rank_at(scores, truth, 2) == pytest.approx(3)
    assert metrics.regret_at(scores, truth, 2) == pytest.approx(1)
    assert metrics.regret_at(scores, truth, 5) == 0
    assert metrics.surpass_random_paper(scores, truth, 1, 3) == pytest.approx((4 / 5) ** 3)
    assert metrics.surpass_random_exact(scores, truth, 1, 3) == pytest.approx(4 * 3 * 2 / (5 * 4 * 3))
    assert metrics.surpass_random_exact(scores, truth, 1, 5) == 0


def test_true_top_takes_in_whatever_ties_with_the_last():
    assert metrics.true_top([5, 4, 4, 4, 1], 0.4).tolist() == [True, True, True, True, False]
    assert metrics.true_top(np.arange(30.0), 0.1).sum() == 3


def test_tau_within_the_top():
    truth = np.arange(20.0)
    scores = np.where(truth < 10, truth, -truth)
    assert metrics.tau_in_true_top(scores, truth, 0.5) == pytest.approx(-1)
    assert metrics.tau_in_predicted_top(scores, truth, 0.5) == pytest.approx(1)


# ---- ties by rule ----


@given(two_rankings(), st.integers(1, 5))
def test_ties_at_the_cut_are_the_mean_over_all_ways_to_break_them(rankings, k):
    x, y = rankings
    k = min(k, len(x))
    top = sorted(range(len(x)), key=lambda i: -x[i])
    edge = x[top[k - 1]]
    certain = [i for i in range(len(x)) if x[i] > edge]
    tied = [i for i in range(len(x)) if x[i] == edge]
    ways = [certain + list(way) for way in itertools.combinations(tied, k - len(certain))]
    regret = np.mean([y.max() - max(y[i] for i in way) for way in ways])
    ranks = [1 + (y > v).sum() for v in y]
    assert metrics.regret_at(x, y, k) == pytest.approx(regret)
    assert metrics.best_rank_at(x, y, k) == pytest.approx(np.mean([min(ranks[i] for i in way) for way in ways]))
    assert metrics.worst_rank_at(x, y, k) == pytest.approx(np.mean([max(ranks[i] for i in way) for way in ways]))
    not_worse = [(y <= v).sum() / len(y) for v in y]
    paper = np.mean([max(not_worse[i] for i in way) ** 4 for way in ways])
    assert metrics.surpass_random_paper(x, y, k, 4) == pytest.approx(paper)


@given(two_rankings(), st.integers(1, 5))
def test_precision_is_the_mean_overlap_over_all_ways_to_break_ties(rankings, k):
    x, y = rankings
    k = min(k, len(x))

    def tops(v):
        edge = sorted(v)[-k]
        sure = [i for i in range(len(v)) if v[i] > edge]
        tied = [i for i in range(len(v)) if v[i] == edge]
        return [set(sure) | set(way) for way in itertools.combinations(tied, k - len(sure))]

    expected = np.mean([len(a & b) / k for a in tops(x) for b in tops(y)])
    assert metrics.precision_at(x, y, k) == pytest.approx(expected)


@given(two_rankings(), st.randoms(use_true_random=False))
def test_no_metric_depends_on_the_order_of_the_input(rankings, random):
    x, y = rankings
    order = list(range(len(x)))
    random.shuffle(order)
    for metric in (m for i, m in enumerate(ALL) if i != 4):  # partial tau has its own third variable
        assert metric(x[order], y[order]) == pytest.approx(metric(x, y), abs=1e-9)


@given(two_rankings())
def test_rank_metrics_do_not_depend_on_the_scale_of_the_scores(rankings):
    x, y = rankings
    for metric in (metrics.kendall_tau, metrics.spearman, metrics.weighted_tau):
        assert metric(np.exp(x), y) == pytest.approx(metric(x, y), abs=1e-12)


@given(two_rankings(), st.sampled_from([1.0, 2.0, 3.0]))
def test_tolerance_tau_counts_the_pairs_beyond_the_threshold(rankings, threshold):
    x, y = rankings
    pairs = list(itertools.combinations(range(len(x)), 2))
    kept = [(i, j) for i, j in pairs if abs(y[i] - y[j]) >= threshold]
    excess = sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i, j in kept)
    scale = math.sqrt(sum(x[i] != x[j] for i, j in pairs)) * math.sqrt(len(kept))
    expected = excess / scale if scale else 0
    assert metrics.sparse_tau_tolerance(x, y, threshold) == pytest.approx(expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e160, 1e200, 1e307])
@pytest.mark.parametrize("side", [0, 1], ids=["scores", "truth"])
def test_pearson_does_not_depend_on_the_scale(scale, side):
    rng = np.random.default_rng(0)
    both = [rng.normal(size=40), rng.normal(size=40)]
    plain = scipy.stats.pearsonr(*both).statistic
    both[side] = both[side] * scale
    assert metrics.pearson(*both) == pytest.approx(plain, abs=1e-9)


def test_no_metric_fails_on_the_largest_numbers():
    x = np.array([-1.7e308, 1.7e308, 0.0, 1.0, 2.0, 3.0])
    y = np.array([0.0, 5.0, 1.0, 2.0, 3.0, 4.0])
    for metric in ALL:
        assert np.isfinite(metric(x, y))
    assert metrics.kendall_tau(x, y) == pytest.approx(1)


def test_spearman_within_the_top():
    truth = np.arange(20.0)
    scores = np.where(truth < 10, truth, -truth)
    assert metrics.spearman_in_true_top(scores, truth, 0.5) == pytest.approx(-1)
    assert metrics.spearman_in_true_top(np.ones(20), truth, 0.5) == 0


def test_weighted_tau_by_its_formula():
    """Vigna's definition written out: pairs weighted by 1 / rank + 1 / rank, ranks by either side."""
    rng = np.random.default_rng(0)
    for levels in (4, 1000):
        x, y = rng.integers(levels, size=(2, 30)).astype(float)

        def one(a, b):
            order = np.lexsort((b, a))[::-1]
            rank = np.empty(30)
            rank[order] = np.arange(30)
            weight = 1 / (rank[:, None] + 1) + 1 / (rank + 1)
            sign_a, sign_b = (np.sign(v[:, None] - v) for v in (a, b))
            total = (weight * sign_a * sign_b).sum()
            return total / math.sqrt((weight * sign_a**2).sum() * (weight * sign_b**2).sum())

        assert metrics.weighted_tau(x, y) == pytest.approx((one(x, y) + one(y, x)) / 2)


# ---- nothing undefined in silence ----


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        ([1, np.nan, 2], [1, 2, 3], "not finite, the first nan at 1"),
        ([1, 2, 3], [1, 2, np.inf], "not finite, the first inf at 2"),
        ([1, 2], [1, 2, 3], "one length"),
        ([1], [1], "two or more"),
        ([1, 2, 3], [5, 5, 5], "no order to recover"),
    ],
)
def test_undefined_input_is_an_error_that_says_why(metric, scores, truth, message):
    with pytest.raises(MetricError, match=message):
        metric(scores, truth)


@pytest.mark.parametrize("metric", ALL[:10])
def test_constant_scores_correlate_with_nothing(metric):
    assert metric([7.0, 7.0, 7.0, 7.0], [1.0, 2.0, 3.0, 4.0]) == 0


def test_impossible_cuts_are_refused():
    with pytest.raises(MetricError, match="top 4 of 3"):
        metrics.precision_at([1, 2, 3], [1, 2, 3], 4)
    with pytest.raises(MetricError, match="fraction"):
        metrics.tau_in_true_top([1, 2, 3], [1, 2, 3], 0)
    with pytest.raises(MetricError, match="positive"):
        metrics.sparse_tau_binned([1, 2, 3], [1, 2, 3], 0)
    with pytest.raises(MetricError, match="1 to 3"):
        metrics.surpass_random_exact([1, 2, 3], [1, 2, 3], 1, 4)


# ---- published values on the real table ----


def test_reference_taus_of_nas_bench_201(nb201_truth):
    truth = nb201_truth.accuracy("cifar10", "test", 200, "mean")
    assert metrics.kendall_tau(nb201_truth.params("cifar10"), truth) == pytest.approx(0.5778, abs=5e-5)
    assert metrics.kendall_tau(nb201_truth.accuracy("cifar10", "test", 12, "mean"), truth) == pytest.approx(
        0.700, abs=5e-4
    )
    seeds = [nb201_truth.accuracy("cifar10-valid", "valid", 200, seed) for seed in ("s777", "s888")]
    assert metrics.kendall_tau(*seeds) == pytest.approx(0.9105, abs=5e-5)
