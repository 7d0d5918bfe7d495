import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata

from supernet.harness.leaderboard.figures import Part, figures
from supernet.harness.statistics import bootstrap as stats
from supernet.harness.statistics import metrics
from supernet.harness.statistics.metrics import MetricError


def part(seed=0, n=120, first=0):
    rng = np.random.default_rng(seed)
    params = rng.integers(1, 20, n).astype(float)
    truth = 80 + 0.3 * params + rng.normal(size=n)
    return Part(np.arange(first, first + n), np.round(truth + 2 * rng.normal(size=n), 1), truth, params)


def test_figures_are_those_of_the_metrics():
    p = part()
    found = figures([p], resamples=30)
    assert found.tau.value == metrics.kendall_tau(p.scores, p.truth)
    assert found.top10.value == metrics.tau_in_true_top(p.scores, p.truth, 0.1)
    assert found.partial == metrics.partial_tau(p.scores, p.truth, p.params)
    assert found.params_tau == metrics.kendall_tau(p.params, p.truth)
    assert found.regret == metrics.regret_at(p.scores, p.truth, 1)
    assert found.sparse == metrics.sparse_tau_binned(p.scores, p.truth, 1.0)
    both = metrics.kendall_tau(rankdata(p.scores) + rankdata(p.params), p.truth)
    assert found.adds.value == both - found.params_tau
    assert (found.architectures, found.repeats) == (120, 1)


def test_intervals_are_those_of_a_plain_paired_bootstrap():
    p, count = part(), 40
    drawn = np.concatenate(list(stats.resamples(120, count, 3)), axis=1).astype(int)
    fused = rankdata(p.scores) + rankdata(p.params)
    taus, gains = [], []
    for counts in drawn.T:
        rows = np.repeat(np.arange(120), counts)
        tau = [kendalltau(x[rows], p.truth[rows]).statistic for x in (p.scores, fused, p.params)]
        taus.append(tau[0])
        gains.append(tau[1] - tau[2])
    found = figures([p], resamples=count, seed=3)
    np.testing.assert_allclose((found.tau.low, found.tau.high), stats.interval(taus))
    np.testing.assert_allclose((found.adds.low, found.adds.high), stats.interval(gains))


def test_the_parameter_count_adds_nothing_to_itself():
    p = part()
    found = figures([Part(p.rows, p.params, p.truth, p.params)], resamples=20)
    assert (found.adds.value, found.adds.low, found.adds.high) == (0, 0, 0)
    assert found.tau.value == found.params_tau


def test_draws_are_shared_by_equal_architectures_and_truth_alone():
    p, shared = part(), {}
    other = Part(p.rows, p.scores, p.truth[::-1].copy(), p.params)
    noise = Part(p.rows, np.random.default_rng(9).normal(size=120), p.truth, p.params)
    for each in (p, other, noise):
        assert figures([each], resamples=20, shared=shared) == figures([each], resamples=20)
    assert len(shared) == 2


def test_repetitions_have_the_mean_and_an_interval_from_the_third_on():
    parts = [part(seed, first=200 * seed) for seed in range(3)]
    alone = [figures([p], resamples=20) for p in parts]
    found = figures(parts, resamples=20)
    assert found.tau.value == pytest.approx(np.mean([f.tau.value for f in alone]))
    assert found.adds.value == pytest.approx(np.mean([f.adds.value for f in alone]))
    assert found.regret == pytest.approx(np.mean([f.regret for f in alone]))
    assert found.tau.low < found.tau.value < found.tau.high
    assert (found.architectures, found.repeats) == (360, 3)
    two = figures(parts[:2], resamples=20)
    assert two.tau.low is None
    assert two.adds.high is None


def test_few_architectures_have_no_top_or_no_figures():
    assert figures([part(n=60)], resamples=20).top10 is None
    with pytest.raises(MetricError, match="cannot be judged"):
        figures([part(n=5)], resamples=20)
