"""What means over a few seeds may be off by, and how settings with few seeds compare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from supernet.harness.statistics import seeds
from supernet.harness.statistics.seeds import Spread

STUDIES = 150
SETTINGS = 16


def equal(rng, count, sd):
    return np.full(count, sd)


def unequal(rng, count, sd):
    """Inverse chi-square with 8 degrees of freedom; the mean variance is sd^2."""
    return sd * np.sqrt(6 / rng.chisquare(8, size=count))


def noisy_base(rng, count, sd):
    return np.where(np.arange(count) == 0, 1.7 * sd, sd)


def study(rng, seeds_, base_seeds, sd=0.08, spread=equal, collapse=0.0, effects=0.0):
    """Taus of a base and of SETTINGS settings; one run in 1/collapse loses 0.3."""
    spreads = spread(rng, SETTINGS + 1, sd)
    base = spreads[0] * rng.normal(size=base_seeds)
    others = np.broadcast_to(effects, SETTINGS)[:, None] + spreads[1:, None] * rng.normal(size=(SETTINGS, seeds_))
    return base - 0.3 * (rng.random(base_seeds) < collapse), others - 0.3 * (rng.random((SETTINGS, seeds_)) < collapse)


def family_wise(seeds_, base_seeds, **about):
    """How often a study without any difference finds one."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(STUDIES):
        base, others = study(rng, seeds_, base_seeds, **about)
        found.append(any(d.clear for d in seeds.compare(base, list(others), bound=None).differences))
    return float(np.mean(found))


# Three standard errors of 150 studies at 0.05 are 0.053.
@pytest.mark.parametrize(
    ("about", "most"),
    [
        ({}, 0.10),
        ({"spread": noisy_base}, 0.10),
        ({"collapse": 0.04}, 0.10),
        ({"spread": unequal}, 0.12),
    ],
    ids=["as assumed", "noisy base", "collapsed runs", "unequal spreads"],
)
def test_studies_without_differences_seldom_find_one(about, most):
    assert family_wise(3, 12, **about) < most


def test_a_rule_that_never_rejects_would_not_pass():
    rng = np.random.default_rng(2)
    effects = np.zeros(SETTINGS)
    effects[:3] = 0.1, 0.2, 0.3
    found = []
    for _ in range(STUDIES):
        base, others = study(rng, 3, 12, effects=effects)
        found.append([d.clear for d in seeds.compare(base, list(others), bound=None).differences[:3]])
    tenth, fifth, third = np.mean(found, axis=0)
    assert 0.05 < tenth < 0.3
    assert fifth > 0.62
    assert third > 0.93


def test_a_well_trained_super_net_shows_smaller_effects():
    rng = np.random.default_rng(3)
    effects = np.zeros(SETTINGS)
    effects[0] = 0.05
    found = [
        seeds.compare(*study(rng, 4, 16, sd=0.03, effects=effects), bound=None).differences[0].clear for _ in range(150)
    ]
    assert 0.35 < np.mean(found) < 0.65


def test_corrected_p_values_are_those_of_dunnett():
    rng = np.random.default_rng(4)
    for seeds_, base_seeds in ((5, 20), (8, 8), (10, 30)):
        base, others = rng.normal(size=base_seeds), rng.normal(size=(6, seeds_))
        others[0] += 1.5
        pooled = (np.square(base - base.mean()).sum() + others.var(1, ddof=1).sum() * (seeds_ - 1)) / (
            df := base_seeds - 1 + 6 * (seeds_ - 1)
        )
        error = np.sqrt(pooled * (1 / seeds_ + 1 / base_seeds))
        p = 2 * distributions.t.sf(np.abs(others.mean(1) - base.mean()) / error, df)
        load = np.full(6, np.sqrt(pooled / base_seeds) / error)
        expected = distributions.dunnett(*others, control=base, rng=np.random.default_rng(0)).pvalue
        assert [seeds.any_as_small(x, load) for x in p] == pytest.approx(expected, abs=0.02)


def test_the_correction_lies_between_none_and_bonferroni_and_knows_its_limits():
    for p in (1e-12, 1e-4, 0.003, 0.04, 0.5, 1.0):
        for count in (1, 2, 16):
            for load in (0.0, 0.3, 0.7, 0.99):
                corrected = seeds.any_as_small(p, np.full(count, load))
                assert p <= corrected <= min(1, count * p) + 1e-9
        assert seeds.any_as_small(p, [0.6]) == pytest.approx(p, rel=1e-6)
    assert seeds.any_as_small(0.01, np.zeros(5)) == pytest.approx(1 - 0.99**5)
    level = seeds.individual_level(0.05, np.full(16, 0.4))
    assert seeds.any_as_small(level, np.full(16, 0.4)) == pytest.approx(0.05)


def test_two_settings_compare_as_by_welch():
    rng = np.random.default_rng(5)
    base, other = rng.normal(size=9), 3 * rng.normal(size=5)
    (found,) = seeds.compare(base, [other], bound=None).differences
    welch = distributions.ttest_ind(other, base, equal_var=False)
    assert found.p == pytest.approx(welch.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval()))
    assert found.p_corrected == pytest.approx(found.p)


def test_the_choice_of_architectures_widens_intervals_and_leaves_effects_alone():
    rng = np.random.default_rng(6)
    base, others = study(rng, 3, 12)
    plain, wide = (seeds.compare(base, list(others), [extra] * SETTINGS) for extra in (0.0, 0.01))
    for a, b in zip(plain.differences, wide.differences, strict=True):
        assert a.value == b.value
        assert b.high - b.low > a.high - a.low
        assert b.p > a.p


def test_missing_seeds_are_no_reason_to_drop_the_others():
    rng = np.random.default_rng(7)
    base, others = study(rng, 3, 12)
    ragged = [others[0][:2], others[1][:1], *others[2:]]
    found = seeds.compare(base, ragged).differences
    assert found[0].p is not None
    assert (found[1].p, found[1].low, found[1].p_corrected) == (None, None, None)
    assert found[1].value == pytest.approx(others[1][0] - base.mean())
    assert found[2].value == pytest.approx(others[2].mean() - base.mean())


def test_one_seed_is_never_tested():
    found = seeds.compare([0.3], [[0.9], [-0.5]])
    assert [(d.p, d.clear) for d in found.differences] == [(None, False)] * 2
    assert (found.detectable, found.omnibus_p, found.typical_sd) == (None, None, None)


def test_equal_values_differ_by_nothing_and_exact_ones_by_what_they_do():
    same, other = seeds.compare([0.5] * 3, [[0.5] * 3, [0.9] * 3]).differences
    assert (same.value, same.p) == (0, 1)
    assert other.value == pytest.approx(0.4)
    assert other.clear


correlations = st.floats(-1, 1, allow_nan=False)


@given(st.lists(correlations, min_size=1, max_size=8), st.floats(0, 1), st.floats(1, 40), st.floats(0, 0.1))
def test_intervals_of_correlations_stay_within_their_bounds(values, variance, df, sampling):
    mean = seeds.mean_of(values, Spread(variance, df), sampling)
    if len(values) < 3:
        assert (mean.low, mean.high) == (None, None)
    else:
        assert -1 <= mean.low <= mean.value <= mean.high <= 1


@given(
    st.lists(correlations, min_size=1, max_size=9),
    st.lists(st.lists(correlations, min_size=1, max_size=4), min_size=1, max_size=5),
)
def test_intervals_of_differences_stay_within_what_is_possible(base, others):
    centre = float(np.mean(base))
    for d in seeds.compare(base, others).differences:
        if d.p is not None:
            assert -1 - centre - 1e-9 <= d.low <= d.value <= d.high <= 1 - centre + 1e-9
            assert 0 <= d.p <= d.p_corrected <= 1
            assert 0 <= d.q <= 1


@given(st.lists(correlations, min_size=3, max_size=9), correlations, st.floats(0, 1), st.floats(1, 40))
def test_intervals_against_a_constant_stay_within_what_is_possible(values, constant, variance, df):
    d = seeds.against_constant(values, constant, Spread(variance, df))
    assert -1 - constant - 1e-9 <= d.low <= d.value <= d.high <= 1 - constant + 1e-9


@pytest.mark.parametrize(("count", "mean"), [(3, 0.24), (12, 0.24), (5, 0.8)])
def test_intervals_of_a_mean_cover_it(count, mean):
    """A base among sixteen settings with the same spread."""
    rng = np.random.default_rng(8)
    covered = []
    for _ in range(250):
        values = [np.clip(mean + 0.077 * rng.normal(size=n), -1, 1) for n in [count, *[3] * SETTINGS]]
        found = seeds.mean_of(values[0], seeds.squeezed(values)[0])
        covered.append(found.low <= mean <= found.high)
    assert 0.92 < np.mean(covered) < 0.995


def test_collapsed_runs_are_found_and_ordinary_ones_are_not():
    rng = np.random.default_rng(9)
    groups = [0.4 + 0.03 * rng.normal(size=3) for _ in range(10)]
    assert seeds.collapsed(groups) == [[]] * 10
    groups[4][1] -= 0.4
    assert seeds.collapsed(groups) == [[1] if k == 4 else [] for k in range(10)]
    assert seeds.collapsed([[0.5, -0.9, 0.5]]) == [[]]
    falsely = [sum(map(len, seeds.collapsed(list(rng.normal(size=(17, 3)))))) for _ in range(100)]
    assert np.mean(falsely) < 0.05
    few = [sum(map(len, seeds.collapsed(list(rng.normal(size=(4, 3)))))) for _ in range(300)]
    assert np.mean(few) < 0.05


def test_a_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(10)
    sizes = [seeds.compare(*study(rng, 3, 12), bound=None).detectable for _ in range(40)]
    effect = float(np.median(sizes))
    found = []
    for _ in range(STUDIES):
        effects = np.zeros(SETTINGS)
        effects[0] = effect
        found.append(seeds.compare(*study(rng, 3, 12, effects=effects), bound=None).differences[0].clear)
    assert 0.68 < np.mean(found) < 0.9
