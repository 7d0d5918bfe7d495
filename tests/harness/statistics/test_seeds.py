"""What means over a few seeds may be off by, and how settings with few seeds compare."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from supernet.harness.statistics import dunnett, seeds, spreads
from supernet.harness.statistics.spreads import Spread
from supernet.harness.statistics.two_means import TwoMeans

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


def family_wise(seeds_, base_seeds, studies=STUDIES, **about):
    """How often a study without any difference finds one."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(studies):
        base, others = study(rng, seeds_, base_seeds, **about)
        found.append(any(d.clear for d in seeds.compare(base, list(others), bound=None).differences))
    return float(np.mean(found))


# The levels of 4,000 studies are 0.036, 0.034, 0.033 and 0.059; of 150, three standard errors are about 0.05.
@pytest.mark.parametrize(
    ("about", "level"),
    [
        ({}, 0.036),
        ({"spread": noisy_base}, 0.034),
        ({"collapse": 0.04}, 0.033),
        ({"spread": unequal}, 0.059),
    ],
    ids=["as assumed", "noisy base", "collapsed runs", "unequal spreads"],
)
def test_studies_without_differences_seldom_find_one(about, level):
    assert family_wise(3, 12, **about) < level + 3 * np.sqrt(level * (1 - level) / STUDIES)


def test_errors_are_those_of_small_levels_and_not_only_of_five_percent():
    """The share of p-values below 0.003, at which sixteen comparisons are decided, where settings differ in spread."""
    rng, p = np.random.default_rng(12), []
    for _ in range(STUDIES):
        base, others = study(rng, 3, 12, spread=unequal)
        p += [d.p for d in seeds.compare(base, list(others), bound=None).differences]
    # 0.0035 of many studies; 2,400 p-values of which those of one study are related: three standard errors are 0.004.
    assert np.mean(np.array(p) < 0.003) < 0.0035 + 0.004
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.07


def test_a_rule_that_never_rejects_would_not_pass():
    rng = np.random.default_rng(2)
    effects = np.zeros(SETTINGS)
    effects[:3] = 0.1, 0.2, 0.3
    found = []
    for _ in range(STUDIES):
        base, others = study(rng, 3, 12, effects=effects)
        found.append([d.clear for d in seeds.compare(base, list(others), bound=None).differences[:3]])
    tenth, fifth, third = np.mean(found, axis=0)
    # Of many studies 0.10, 0.70 and 0.98; two and a half standard errors of 150 are 0.06, 0.09 and 0.03.
    assert 0.04 < tenth < 0.2
    assert fifth > 0.61
    assert third > 0.95


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
        assert [dunnett.any_as_small(x, load) for x in p] == pytest.approx(expected, abs=0.02)


def test_the_correction_lies_between_none_and_bonferroni_and_knows_its_limits():
    for p in (1e-12, 1e-4, 0.003, 0.04, 0.5, 1.0):
        for count in (1, 2, 16):
            for load in (0.0, 0.3, 0.7, 0.99):
                corrected = dunnett.any_as_small(p, np.full(count, load))
                assert p <= corrected <= min(1, count * p) + 1e-9
        assert dunnett.any_as_small(p, [0.6]) == pytest.approx(p, rel=1e-6)
    assert dunnett.any_as_small(0.01, np.zeros(5)) == pytest.approx(1 - 0.99**5)
    level = dunnett.individual_level(0.05, np.full(16, 0.4))
    assert dunnett.any_as_small(level, np.full(16, 0.4)) == pytest.approx(0.05)


def simulated_tail(difference, base, own, base_df, own_df):
    """P-value from draws of both variances: their estimates times the first df / chi-square of the second."""
    rng, count = np.random.default_rng(0), 400_000
    variances = base * base_df[0] / rng.chisquare(base_df[1], count) + own * own_df[0] / rng.chisquare(own_df[1], count)
    return 2 * distributions.norm.sf(difference / np.sqrt(variances)).mean()


@pytest.mark.parametrize("squeezed", [True, False])
@pytest.mark.parametrize(("base_df", "own_df"), [(11, 2), (11, 18), (2, 2), (4, 60)])
def test_p_values_average_over_what_the_variances_can_be(base_df, own_df, squeezed):
    base, own = 0.5, 1.3
    means = TwoMeans(
        np.array([base]), np.array([float(base_df)]), np.array([own]), np.array([float(own_df)]), np.zeros(1), squeezed
    )
    for difference in (0.5, 2.0, 4.0):
        (p,) = means.p(np.array([difference]))
        if squeezed:
            expected = simulated_tail(difference, base, own, (base_df, base_df), (own_df, own_df))
        else:
            of_own = simulated_tail(difference, base, own, (base_df, base_df + 2), (own_df, own_df))
            of_base = simulated_tail(difference, base, own, (base_df, base_df), (own_df, own_df + 2))
            expected = (own * of_own + base * of_base) / (own + base)
        assert p == pytest.approx(expected, rel=0.02)
    for level in (0.4, 0.05, 0.003):
        assert means.p(means.half_widths(level)) == pytest.approx([level], rel=1e-3)


def test_one_known_variance_leaves_students_test():
    """A base of hardly any variance: one sample against a number."""
    values = np.array([0.3, -0.1, 0.4, 0.2])
    (found,) = seeds.compare(np.full(9, 0.05) + 1e-7 * np.arange(9), [values], bound=None).differences
    assert found.p == pytest.approx(distributions.ttest_1samp(values, 0.05).pvalue, rel=1e-3)


def test_tests_of_one_change_keep_their_level():
    """Three seeds against twelve; Welch's test rejects in 0.07 of cases here."""
    rng, count = np.random.default_rng(13), 3000
    base, own = rng.normal(size=(count, 12)), rng.normal(size=(count, 3))
    means = TwoMeans(
        base.var(1, ddof=1) / 12,
        np.full(count, 11.0),
        own.var(1, ddof=1) / 3,
        np.full(count, 2.0),
        np.zeros(count),
        False,
    )
    p = means.p(own.mean(1) - base.mean(1))
    for one in range(3):
        assert seeds.compare(base[one], [own[one]], bound=None).differences[0].p == pytest.approx(p[one])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / count))


def test_the_choice_of_architectures_widens_intervals_and_leaves_effects_alone():
    rng = np.random.default_rng(6)
    base, others = study(rng, 3, 12)
    plain, wide = (seeds.compare(base, list(others), [extra] * SETTINGS) for extra in (0.0, 0.01))
    for a, b in zip(plain.differences, wide.differences, strict=True):
        assert a.value == b.value
        assert b.high - b.low > a.high - a.low
        assert b.p > a.p


def test_standard_errors_are_those_of_seeds_and_architectures():
    rng = np.random.default_rng(3)
    base, others = rng.normal(size=12), list(rng.normal(size=(2, 9)))
    found = seeds.compare(base, others, [0.04, 0.09], bound=None).differences  # two settings: nothing is squeezed
    for d, other, sampling in zip(found, others, (0.04, 0.09), strict=True):
        assert d.se == pytest.approx(np.sqrt(base.var(ddof=1) / 12 + other.var(ddof=1) / 9 + sampling))
    assert seeds.compare(base, [[0.5]]).differences[0].se is None
    alone = seeds.against_constant([0.1, 0.2, 0.3], 0.0, Spread(0.03, 2), 0.02)
    assert alone.se == pytest.approx(np.sqrt(0.03 / 3 + 0.02))


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
    assert (found.detectable, found.omnibus_p, found.pooled.df) == (None, None, 0)


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
        found = seeds.mean_of(values[0], spreads.squeezed(values)[0])
        covered.append(found.low <= mean <= found.high)
    assert 0.92 < np.mean(covered) < 0.995


def test_the_common_variance_and_its_worth_are_those_of_the_largest_likelihood():
    rng = np.random.default_rng(11)
    df = np.tile([2.0, 3.0], 400)
    law = distributions.f(df, 6.0)
    found = spreads._common(0.5 * law.rvs(random_state=rng), df)
    assert found.variance == pytest.approx(0.5, rel=0.1)
    assert found.df == pytest.approx(6, rel=0.2)
    alike = 0.5 * rng.chisquare(2, size=16) / 2
    worth = [spreads._common(0.5 * rng.chisquare(2, size=16) / 2, [2.0] * 16).df for _ in range(40)]
    assert np.median(worth) == pytest.approx(16)
    assert spreads._common(alike, [2.0] * 16).variance == pytest.approx(alike.mean())
    assert spreads._common([0.1, 0.2], [2.0, 2.0]) == Spread(0.0, 0.0)


def test_collapsed_runs_are_found_and_ordinary_ones_are_not():
    rng = np.random.default_rng(9)
    groups = [0.4 + 0.03 * rng.normal(size=3) for _ in range(10)]
    assert spreads.collapsed(groups) == [[]] * 10
    groups[4][1] -= 0.4
    assert spreads.collapsed(groups) == [[1] if k == 4 else [] for k in range(10)]
    assert spreads.collapsed([[0.5, -0.9, 0.5]]) == [[]]
    falsely = [sum(map(len, spreads.collapsed(list(rng.normal(size=(17, 3)))))) for _ in range(100)]
    assert np.mean(falsely) < 0.05
    few = [sum(map(len, spreads.collapsed(list(rng.normal(size=(4, 3)))))) for _ in range(300)]
    assert np.mean(few) < 0.05


def test_a_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(10)
    sizes = [seeds.compare(*study(rng, 3, 12), bound=None).detectable for _ in range(20)]
    effect = float(np.median(sizes))
    found = []
    for _ in range(STUDIES):
        effects = np.zeros(SETTINGS)
        effects[0] = effect
        found.append(seeds.compare(*study(rng, 3, 12, effects=effects), bound=None).differences[0].clear)
    # 0.76 of many studies: three standard errors of 150 are 0.1.
    assert 0.66 < np.mean(found) < 0.9
