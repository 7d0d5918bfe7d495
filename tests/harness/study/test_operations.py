"""Over-ranked operations, and accuracy as a sign of a good ranking."""

import numpy as np
import pytest
from made_up_scores import RESAMPLES, noisy, over_uses, truth_of

from supernet.benchmarks.spaces import space
from supernet.harness.statistics import metrics
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import gather
from supernet.harness.study.operations import sampling, with_excess
from supernet.harness.study.results import Row

# ---- what is over-ranked ---------------------------------------------------------------------------------------------

NONE, SKIP, CONV1, CONV3, POOL = "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"


def test_over_ranking_agrees_with_a_computation_by_hand():
    within = space("nb201")
    archs = [(0,) * 6, (1,) * 6, (3,) * 6, (3, 3, 3, 1, 1, 1)]
    indices = np.array([within.index(arch) for arch in archs])
    true = np.array([10.0, 20.0, 40.0, 30.0])
    predicted = np.array([0.0, 1.0, 1 / 3, 2 / 3])
    # True percentiles 0, 33.3, 100, 66.7: skip_connect is over-ranked by 66.7 in six of nine uses, the 3x3
    # convolution under-ranked by 66.7 in six of nine.
    found = over_uses(within, indices, true, predicted)
    raw = {name: pair[0] for name, pair in found.items()}
    assert raw == pytest.approx({NONE: 0.0, SKIP: 6 / 9 * 200 / 3, CONV3: -6 / 9 * 200 / 3})
    # Spearman's rho is 0.2: regression to the mean alone displaces by -0.8 (true percentile - 50).
    expected = {
        NONE: 0.0 - 40.0,
        SKIP: 6 / 9 * 200 / 3 - np.mean([-0.8 * (v - 50) for v in [100 / 3] * 6 + [200 / 3] * 3]),
        CONV3: -6 / 9 * 200 / 3 - np.mean([-0.8 * (v - 50) for v in [100.0] * 6 + [200 / 3] * 3]),
    }
    assert {name: pair[1] for name, pair in found.items()} == pytest.approx(expected)


def test_ties_share_their_place():
    within = space("nb201")
    indices = np.array([within.index((op,) * 6) for op in (1, 2, 3)])
    found = over_uses(within, indices, np.array([1.0, 2.0, 2.0]), np.array([0.0, 0.5, 1.0]))
    assert {name: pair[0] for name, pair in found.items()} == pytest.approx({SKIP: 0.0, CONV1: -25.0, CONV3: 25.0})


def test_noise_and_constant_scores_favour_no_operation():
    within = space("nb201")
    rng = np.random.default_rng(0)
    indices = within.sample(rng, 2000)
    y = (within.archs(indices) == 3).sum(axis=1) + 0.3 * rng.normal(size=2000)
    constant = over_uses(within, indices, y, np.full(2000, 0.5))
    assert max(abs(pair[0]) for pair in constant.values()) > 5
    assert max(abs(pair[1]) for pair in constant.values()) < 1e-9
    noisy_ranks = (y + 2 * rng.normal(size=2000)).argsort().argsort() / 1999
    found = over_uses(within, indices, y, noisy_ranks)
    assert abs(found[CONV3][0]) > 5
    assert max(abs(pair[1]) for pair in found.values()) < 2.5


def test_a_perfect_ranking_over_ranks_nothing(many, put, store):
    chosen = many({"channels": [8]})
    put(chosen, lambda label, seed, y: y**2)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert found.base.over_ranked == pytest.approx(dict.fromkeys((NONE, SKIP, CONV1, CONV3, POOL), 0.0))
    assert found.base.tau.value == found.base.seed_tau == 1.0


def test_an_operation_that_scores_too_well_is_named(many, put, store):
    chosen = many({"channels": [8]})
    uses = (space("nb201").archs(truth_of(chosen.plan()[0][1])["index"].to_numpy()) == 4).sum(axis=1)
    put(chosen, lambda label, seed, y: y + 40 * uses)
    found = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert max(found.base.excess, key=lambda name: found.base.excess[name].value) == POOL
    (sentence,) = (s for s in found.findings if s.startswith("Beyond regression to the mean"))
    assert f"averages over the uses of each operation: {POOL} +" in sentence


def test_displacements_that_have_nothing_to_do_with_operations_make_none_of_them_clear():
    """All seeds displace the same architectures, so that the spread between seeds alone would call nearly all clear."""
    within, clear = space("nb201"), 0
    for draw in range(40):
        rng = np.random.default_rng(draw)
        indices = within.sample(rng, 100)
        y = (within.archs(indices) == 3).sum(axis=1) + rng.normal(size=100)
        common = y + y.std() * 0.8 * rng.normal(size=100)
        scores = {"base": {seed: common + 0.3 * y.std() * rng.normal(size=100) for seed in range(8)}}
        (row,) = with_excess(within, indices, y, [Row("base", "as given", "base", "", {})], scores)
        clear += any(mean.low * mean.high > 0 for mean in row.excess.values())
    assert clear <= 5


def test_the_variance_of_a_mean_over_uses_is_that_of_many_samples_of_architectures():
    rng, draws = np.random.default_rng(0), []
    for _ in range(2_000):
        use = rng.integers(0, 4, 80).astype(float)
        common = rng.normal(0, 5, 80)
        beyond = common + rng.normal(0, 3, (4, 80))
        draws.append((np.average(common, weights=use), sampling(beyond, use)))
    means, variances = np.array(draws).T
    assert variances.mean() == pytest.approx(means.var(), rel=0.1)


# ---- accuracy as a sign of a good ranking ----------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_accuracy_of_super_nets_is_correlated_with_tau_over_settings_and_within_them(sign, many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}, seeds=[0, 1, 2])
    order = {setting.label: k for k, setting in enumerate(chosen.settings(None))}

    def made_up(label, seed, y):
        rng = np.random.default_rng([seed, order[label]])
        scores = y + (24 - 3 * order[label]) * rng.normal(size=len(y))
        return scores - scores.mean() + 50 + sign * order[label] + 0.1 * rng.normal()

    put(chosen, made_up)
    found = analyse(gather(chosen, store), resamples=20)
    taus = [row.tau.value for row in found.rows]
    accuracies = [row.means["supernet_accuracy"] for row in found.rows]
    assert found.proxy.over_settings == pytest.approx(metrics.kendall_tau(accuracies, taus))
    assert found.proxy.over_settings * sign > 0.5
    assert (found.proxy.settings, found.proxy.runs) == (8, 24)
    assert found.proxy.within_low < 0 < found.proxy.within_high
    (sentence,) = (s for s in found.findings if s.startswith("Over 8 settings"))
    assert "do not show whether accuracy tells which trained super-net ranks better" in sentence


def test_seven_settings_are_too_few_for_a_proxy(many, put, store):
    chosen = many({"path-dropout": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}, seeds=[0])
    put(chosen, noisy(8))
    assert analyse(gather(chosen, store), resamples=20).proxy is None
