import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from supernet.harness.correlation import grouped
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics.metrics import MetricError


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    x = rng.integers(9, size=60).astype(float)
    return x, x + rng.integers(9, size=60)


@pytest.mark.parametrize(
    ("statistic", "reference"),
    [
        (stats.kendall_statistic, scipy.stats.kendalltau),
        (stats.spearman_statistic, scipy.stats.spearmanr),
        (stats.pearson_statistic, scipy.stats.pearsonr),
    ],
    ids=["kendall", "spearman", "pearson"],
)
def test_statistics_of_counts_equal_scipy_on_the_drawn_architectures(sample, statistic, reference):
    x, y = sample
    (counts,) = stats.resamples(60, 12, seed=3)
    drawn = [np.repeat(np.arange(60), c.astype(int)) for c in counts.T]
    expected = [reference(x[i], y[i]).statistic for i in drawn]
    np.testing.assert_allclose(statistic(x, y)(counts), expected, atol=1e-9)


def test_constant_resamples_give_zero_by_rule():
    counts = np.array([[3, 0], [0, 2], [0, 1]], dtype=np.float32)  # the first draws one architecture only
    x, y = [1.0, 2.0, 3.0], [1.0, 2.0, 3.0]
    for statistic in (stats.kendall_statistic, stats.spearman_statistic, stats.pearson_statistic):
        assert statistic(x, y)(counts).tolist() == pytest.approx([0, 1])


def test_resamples_are_reproducible_and_of_full_size():
    chunks = list(stats.resamples(100, 150, seed=1))
    assert sum(c.shape[1] for c in chunks) == 150
    assert all((c.sum(axis=0) == 100).all() for c in chunks)
    again = list(stats.resamples(100, 150, seed=1))
    assert all((a == b).all() for a, b in zip(chunks, again, strict=True))
    assert not (chunks[0] == next(stats.resamples(100, 150, seed=2))).all()


def test_bootstrap_spread_matches_the_sampling_spread():
    """Draw many samples of 200 from a large population: the bootstrap of one must guess that spread."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=5000)
    scores = truth + 1.5 * rng.normal(size=5000)
    taus = []
    for _ in range(300):
        rows = rng.choice(5000, 200, replace=False)
        taus.append(scipy.stats.kendalltau(scores[rows], truth[rows]).statistic)
    draws = stats.bootstrap({"tau": stats.kendall_statistic(scores[rows], truth[rows])}, 200, count=600)["tau"]
    assert draws.std() == pytest.approx(np.std(taus), rel=0.25)


def test_members_restrict_the_pairs(sample):
    x, y = sample
    members = y > np.median(y)
    (counts,) = stats.resamples(60, 5, seed=0)
    expected = stats.kendall_statistic(x[members], y[members])(counts[members])
    np.testing.assert_array_equal(stats.kendall_statistic(x, y, members)(counts), expected)


def test_paired_difference_is_tighter_than_independent_ones_and_zero_for_twins():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=400)
    base = truth + rng.normal(size=400)
    other = base + 0.1 * rng.normal(size=400)
    draws = stats.bootstrap({n: stats.kendall_statistic(s, truth) for n, s in (("a", base), ("b", other))}, 400)
    paired = stats.paired_difference(0.5, 0.5, draws["a"], draws["b"])
    assert paired.high - paired.low < 0.5 * (np.ptp(np.quantile(draws["a"], [0.025, 0.975])))
    twin = stats.paired_difference(0.5, 0.5, draws["a"], draws["a"])
    assert (twin.value, twin.low, twin.high, twin.p) == (0, 0, 0, 1)
    apart = stats.paired_difference(0.9, 0.1, draws["a"] + 1, draws["b"])
    assert apart.p == apart.smallest_p == pytest.approx(2 / 1001)


def test_p_values_are_uniform_without_a_difference():
    """Two scores of equal quality: about 5 % of comparisons fall below p = 0.05."""
    rng = np.random.default_rng(1)
    counted = by_error = 0
    for trial in range(200):
        truth = rng.normal(size=80)
        scores = {name: truth + rng.normal(size=80) for name in "ab"}
        draws = stats.bootstrap(
            {n: stats.kendall_statistic(s, truth) for n, s in scores.items()}, 80, count=200, seed=trial
        )
        a, b = (scipy.stats.kendalltau(s, truth).statistic for s in scores.values())
        counted += stats.paired_difference(a, b, draws["a"], draws["b"]).p < 0.05
        by_error += stats.difference_of_correlations(a, b, draws["a"], draws["b"], df=79).p < 0.05
    assert 2 <= counted <= 22
    assert 2 <= by_error <= 20


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([0.9, 0.8]) == [1, 1]
    assert stats.holm([]) == []


def test_ceiling_is_the_mean_over_pairs_of_repeats_on_shared_architectures():
    nan = np.nan
    repeats = {"a": [1, 2, 3, 4], "b": [1, 2, 4, 3], "c": [nan, nan, 1, 2]}
    tau, pairs = stats.ceiling(repeats)
    assert [(a, b, n) for a, b, _, n in pairs] == [("a", "b", 4), ("a", "c", 2), ("b", "c", 2)]
    assert tau == pytest.approx(np.mean([4 / 6, 1, -1]))
    with pytest.raises(MetricError, match="two repeats"):
        stats.ceiling({"a": [1, 2]})


# ---- intervals of bounded measures ----

correlations = st.one_of(st.sampled_from([-1.0, 0.0, 1.0]), st.floats(-1, 1))


@given(st.lists(correlations, min_size=1, max_size=6), st.floats(0, 0.7), st.integers(0, 99), st.floats(0.5, 0.999))
def test_no_interval_of_a_mean_over_repeats_leaves_its_bounds(taus, spread, seed, level):
    rng = np.random.default_rng(seed)
    values = np.array(taus)
    draws = np.clip(values[:, None] + spread * rng.normal(size=(len(taus), 40)), -1, 1)
    mean = grouped._mean_tau(values, draws, level)
    if len(taus) == 2:
        assert (mean.low, mean.high) == (None, None)
        return
    assert -1 <= mean.low <= mean.high <= 1
    if len(taus) > 2:
        assert mean.low - 1e-12 <= values.mean() <= mean.high + 1e-12


@given(st.integers(0, 10_000), st.integers(10, 40), st.integers(2, 5))
def test_no_bootstrap_interval_leaves_its_bounds(seed, n, levels):
    rng = np.random.default_rng(seed)
    y = rng.integers(levels, size=n).astype(float)
    y[:2] = 0, 1
    scores = {"a": np.round(y + rng.normal(size=n)), "b": -y}
    kinds = (stats.kendall_statistic, stats.spearman_statistic, stats.pearson_statistic)
    found = stats.bootstrap(
        {f"{k}{kind.__name__}": kind(x, y) for k, x in scores.items() for kind in kinds}, n, count=30
    )
    for draws in found.values():
        assert -1 <= draws.min() <= draws.max() <= 1
    for kind in kinds:
        a, b = (found[f"{k}{kind.__name__}"] for k in "ab")
        for value in (-1.0, 0.3, 1.0):
            difference = stats.difference_of_correlations(0.2, value, a, b)
            assert -1 - value <= difference.low <= difference.high <= 1 - value
            assert 0 <= difference.p <= 1


def coverage(repeats, shared, trials=250):
    """How often the interval of the mean over repeats holds the mean over all seeds and architectures."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(trials):
        common = 0.05 * rng.normal() if shared else 0.0
        own = np.zeros(repeats) if shared else 0.05 * rng.normal(size=repeats)
        taus = 0.5 + common + own + 0.03 * rng.normal(size=repeats)
        resampled = 0.05 * rng.normal(size=(1 if shared else repeats, 400))
        mean = grouped._mean_tau(taus, taus[:, None] + resampled + np.zeros((repeats, 1)), 0.95)
        hits.append(mean.low <= 0.5 <= mean.high)
    return np.mean(hits)


@pytest.mark.parametrize("shared", [True, False], ids=["common architectures", "own architectures"])
@pytest.mark.parametrize("repeats", [3, 5])
def test_intervals_of_means_over_repeats_cover(repeats, shared):
    assert 0.91 < coverage(repeats, shared) < 0.99


def test_architectures_of_their_own_are_not_counted_twice():
    rng = np.random.default_rng(1)
    taus = np.array([0.48, 0.5, 0.52])
    apart = grouped._mean_tau(taus, taus[:, None] + 0.02 * rng.normal(size=(3, 4000)), 0.95)
    reach = scipy.stats.t.ppf(0.975, 2) * 0.02 / math.sqrt(3)
    assert apart.high - apart.low == pytest.approx(2 * reach, rel=0.05)
    common = grouped._mean_tau(taus, taus[:, None] + 0.2 * rng.normal(size=(1, 4000)), 0.95)
    assert common.high - common.low > 5 * (apart.high - apart.low)


def test_two_repeats_have_no_interval_and_one_that_of_its_architectures():
    draws = np.random.default_rng(0).uniform(0.3, 0.6, size=(2, 500))
    assert grouped._mean_tau(np.array([0.4, 0.5]), draws, 0.95).low is None
    alone = grouped._mean_tau(np.array([0.4]), draws[:1], 0.95)
    assert (alone.low, alone.high) == stats.interval(draws[0])


def test_p_values_have_no_floor_of_resamples():
    rng = np.random.default_rng(0)
    draws = 0.1 * rng.normal(size=200)
    found = stats.difference_of_correlations(0.55, 0.1, draws + 0.55, np.full(200, 0.1))
    assert found.p == pytest.approx(2 * scipy.stats.norm.sf(0.45 / draws.std(ddof=1)))
    assert stats.p_value(0.45, 0.1, 9) == pytest.approx(2 * scipy.stats.t.sf(4.5, 9))
    assert (stats.p_value(0, 0), stats.p_value(0.1, 0)) == (1, 0)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1.0, 1e200, 1e307])
def test_resampled_pearson_does_not_depend_on_scale(sample, scale):
    x, y = sample
    (counts,) = stats.resamples(60, 12, seed=3)
    np.testing.assert_allclose(
        stats.pearson_statistic(x * scale, y)(counts), stats.pearson_statistic(x, y)(counts), atol=1e-12
    )


def test_few_architectures_are_refused():
    with pytest.raises(MetricError, match="9 architectures cannot be judged"):
        stats.enough(stats.LEAST - 1)
    stats.enough(stats.LEAST)


# ---- the ceiling ----


@pytest.mark.parametrize(("single", "repeats", "expected"), [(0.915, 3, 0.965), (0.807, 3, 0.920), (0.766, 3, 0.903),
                                                             (0.803, 2, 0.900), (0.766, 1, 0.834)])  # fmt: skip
def test_attainable_tau_by_hand(single, repeats, expected):
    r = math.sin(math.pi * single / 2)
    by_hand = 2 / math.pi * math.asin(math.sqrt(repeats * r / (1 + (repeats - 1) * r)))
    assert stats.attainable_tau(single, repeats) == pytest.approx(by_hand)
    assert stats.attainable_tau(single, repeats) == pytest.approx(expected, abs=0.001)


def test_attainable_tau_at_the_ends():
    assert stats.attainable_tau(1, 3) == pytest.approx(1)
    assert stats.attainable_tau(0, 3) == stats.attainable_tau(-0.3, 3) == 0
    assert stats.attainable_tau(0.5, 10_000) > 0.98


@pytest.mark.parametrize("noise", [0.3, 1.0])
@pytest.mark.parametrize("repeats", [1, 3])
def test_attainable_tau_is_what_a_perfect_ranker_reaches(noise, repeats):
    rng = np.random.default_rng(0)
    expected = rng.normal(size=4000)
    readings = expected + noise * rng.normal(size=(3, 4000))
    single = np.mean([scipy.stats.kendalltau(a, b).statistic for a, b in itertools.combinations(readings, 2)])
    reached = scipy.stats.kendalltau(expected, readings[:repeats].mean(axis=0)).statistic
    assert stats.attainable_tau(single, repeats) == pytest.approx(reached, abs=0.015)


@pytest.mark.parametrize("law", ["normal", "skewed"])
@pytest.mark.parametrize("noise", [0.1, 0.3, 0.7])
def test_attainable_tau_in_the_top_is_what_a_perfect_ranker_reaches(law, noise):
    rng = np.random.default_rng(1)
    expected = rng.normal(size=4000) if law == "normal" else -rng.gamma(1, size=4000)
    reached = []
    for _ in range(10):
        mean = expected + noise / math.sqrt(3) * rng.normal(size=4000)
        top = mean >= np.quantile(mean, 0.9)
        reached.append(scipy.stats.kendalltau(expected[top], mean[top]).statistic)
    found = stats.attainable_in_top(expected + noise * rng.normal(size=(3, 4000)), 3)
    assert found == pytest.approx(np.mean(reached), abs=0.06)


@pytest.mark.parametrize("repeats", [1, 3])
def test_failed_repeats_of_poor_architectures_do_not_reach_the_top(repeats):
    rng = np.random.default_rng(0)
    expected = np.sort(rng.normal(size=1000))
    readings = expected + 0.4 * rng.normal(size=(3, 1000))
    readings[:, :60] -= 40 * (rng.random((3, 60)) < 0.5)
    mean = expected + 0.4 / math.sqrt(repeats) * rng.normal(size=(20, 1000))
    reached = [
        scipy.stats.kendalltau(expected[top], m[top]).statistic for m in mean for top in [m >= np.quantile(m, 0.9)]
    ]
    assert stats.attainable_in_top(readings, repeats) == pytest.approx(np.mean(reached), abs=0.08)


def test_too_few_in_the_top_have_no_ceiling():
    readings = np.random.default_rng(0).normal(size=(2, 90))
    assert stats.attainable_in_top(readings, 2) is None
    assert stats.attainable_in_top(np.where(np.arange(180) < 90, np.nan, 1.0) + np.zeros((2, 1)), 2) is None


def test_bootstrap_intervals_cover():
    """Samples of 50 from a population: a 95 % interval holds the population's tau about as often."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    scores = np.round(truth + 1.5 * rng.normal(size=4000), 1)
    population = scipy.stats.kendalltau(scores, truth).statistic
    hits = []
    for trial in range(200):
        rows = rng.choice(4000, 50, replace=False)
        draws = stats.bootstrap({"t": stats.kendall_statistic(scores[rows], truth[rows])}, 50, count=200, seed=trial)
        low, high = stats.interval(draws["t"])
        hits.append(low <= population <= high)
    assert 0.90 < np.mean(hits) < 0.99
