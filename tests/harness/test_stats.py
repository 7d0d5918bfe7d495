import numpy as np
import pytest
import scipy.stats

from harness import stats
from harness.metrics import MetricError


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
    apart = stats.paired_difference(0.9, 0.5, draws["a"] + 0.4, draws["b"], df=399)
    assert apart.p < 1e-20, "no number of resamples bounds it"


def test_p_values_are_uniform_without_a_difference():
    """Two scores of equal quality: about 5 % of comparisons fall below p = 0.05."""
    rng = np.random.default_rng(1)
    below = 0
    for trial in range(200):
        truth = rng.normal(size=80)
        scores = {name: truth + rng.normal(size=80) for name in "ab"}
        draws = stats.bootstrap(
            {n: stats.kendall_statistic(s, truth) for n, s in scores.items()}, 80, count=200, seed=trial
        )
        taus = {n: scipy.stats.kendalltau(s, truth).statistic for n, s in scores.items()}
        below += stats.paired_difference(taus["a"], taus["b"], draws["a"], draws["b"], df=79).p < 0.05
    assert 2 <= below <= 20


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
