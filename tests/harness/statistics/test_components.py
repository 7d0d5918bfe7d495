"""Variance components, what groups explain, and means over blocks."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as distributions

from supernet.harness.statistics.blocks import blocked
from supernet.harness.statistics.components import basis, common_share, components, jackknife, lmg


def test_components_are_those_of_the_analysis_of_variance():
    v = np.random.default_rng(0).normal(size=(30, 4)) + np.random.default_rng(1).normal(size=(30, 1))
    rows, columns, grand = v.mean(axis=1), v.mean(axis=0), v.mean()
    items = 4 * np.square(rows - grand).sum() / 29
    rest = np.square(v - rows[:, None] - columns + grand).sum() / (29 * 3)
    assert components(v) == pytest.approx(((items - rest) / 4, rest))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_a_known_share_is_recovered_without_bias(share):
    rng = np.random.default_rng(0)
    found = [
        common_share(math.sqrt(share) * rng.normal(size=(300, 1)) + math.sqrt(1 - share) * rng.normal(size=(300, 3)))
        for _ in range(60)
    ]
    assert np.mean([mean.value for mean in found]) == pytest.approx(share, abs=0.02)
    assert found[0].low is None, "three seeds have no interval"


def test_the_jackknife_covers_the_share_of_these_items():
    rng = np.random.default_rng(0)
    features, common = rng.normal(size=(200, 24)) / math.sqrt(24), rng.normal(size=(200, 1))
    share = common.var(ddof=1) / (common.var(ddof=1) + 1)
    hits = []
    for _ in range(150):
        mean = common_share(common + features @ rng.normal(size=(24, 12)))
        hits.append(mean.low <= share <= mean.high)
    assert np.mean(hits) > 0.85


def test_no_variance_or_one_seed_has_no_share():
    assert common_share(np.zeros((10, 3))) is None
    assert common_share(np.arange(10.0)[:, None]) is None


def test_the_jackknife_of_a_mean_is_its_t_interval():
    v = np.random.default_rng(0).normal(size=9)
    found = jackknife(float(v.mean()), [float(np.delete(v, k).mean()) for k in range(9)])
    half = distributions.t.ppf(0.975, 8) * v.std(ddof=1) / 3
    assert (found.low, found.high) == pytest.approx((v.mean() - half, v.mean() + half))
    assert jackknife(1.0, [1.0] * 4).low is None


def test_lmg_is_the_mean_over_all_orders():
    rng = np.random.default_rng(0)
    common = rng.normal(size=(80, 1))
    groups = {name: common + rng.normal(size=(80, k)) for name, k in (("a", 1), ("b", 3), ("c", 2), ("d", 1))}
    y = sum(columns.sum(axis=1) for columns in groups.values()) + rng.normal(size=80)

    def r2(subset):
        if not subset:
            return 0.0
        columns = np.hstack([groups[name] for name in subset])
        return 1 - np.square(y - columns @ np.linalg.lstsq(columns, y, rcond=None)[0]).sum() / np.square(y).sum()

    orders = list(itertools.permutations(groups))
    for name, found in lmg(list(groups), r2).items():
        added = [r2(order[: order.index(name) + 1]) - r2(order[: order.index(name)]) for order in orders]
        assert float(found) == pytest.approx(np.mean(added))
    assert sum(map(float, lmg(list(groups), r2).values())) == pytest.approx(r2(tuple(groups)))


def test_a_basis_spans_dependent_columns_once():
    columns = np.random.default_rng(0).normal(size=(20, 3))
    found = basis(np.hstack([columns, columns.sum(axis=1, keepdims=True)]))
    assert found.shape == (20, 3)
    assert found @ (found.T @ columns) == pytest.approx(columns)
    assert basis(np.zeros((5, 0))).shape == (5, 0)
    assert basis(np.zeros((5, 2))).shape == (5, 0)


def test_blocks_weigh_the_same_and_pool_their_variance():
    a, b = [0.1, 0.2, 0.3, 0.2], [0.5, 0.7]
    found = blocked([a, [], b])
    assert found.value == pytest.approx((0.2 + 0.6) / 2)
    variance = (0.02 + 0.02) / 4
    error = math.sqrt(variance * (1 / 4 + 1 / 2)) / 2
    assert found.high - found.value == pytest.approx(distributions.t.ppf(0.975, 4) * error)
    assert found.p == pytest.approx(2 * distributions.t.sf(0.4 / error, 4))
    assert found.blocks_p == pytest.approx(distributions.f_oneway(a, b).pvalue)
    assert (found.runs, found.blocks) == (6, 2)


def test_blocks_of_one_run_are_not_tested():
    found = blocked([[0.1], [0.3]])
    assert (found.value, found.low, found.p) == (pytest.approx(0.2), None, None)
    assert blocked([[], []]) is None
    assert blocked([[0.0, 0.0], [0.0, 0.0]]).p == 1


def test_differences_that_are_equal_in_all_runs_are_no_certainty():
    found = blocked([[0.0444, 0.0444]])
    assert (found.value, found.low, found.high, found.p) == (pytest.approx(0.0444), None, None, None)
    assert blocked([[0.1, 0.1], [-0.1, -0.1]]).p is None


def test_blocks_that_differ_at_random_are_seldom_clear():
    rng = np.random.default_rng(0)
    # The settings' own levels, which are blocks, do not enter the error.
    p = [blocked([rng.normal(size=count) for count in (12, 3, 3, 3)]).p for _ in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.033)
