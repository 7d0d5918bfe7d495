import itertools

import numpy as np
import pytest
from scipy import stats as distributions

from supernet.harness.statistics import linear
from supernet.harness.statistics.bootstrap import holm
from supernet.harness.study.screen import two_level_design

LEVEL = 0.95


def columns(design):
    return np.column_stack([np.ones(len(design)), design])


def fitted(x, groups):
    return linear.Fit.of(x, linear.means_of(groups))


def full(factors):
    return np.array(list(itertools.product([-1, 1], repeat=factors)))


# ---- the fit ---------------------------------------------------------------------------------------------------------


def test_contrasts_and_their_errors_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    x, y = columns(rng.normal(size=(12, 4))), rng.normal(size=12)
    fit = linear.Fit.of(x, y)
    expected, squares, _, _ = np.linalg.lstsq(x, y, rcond=None)
    assert (fit.residual.variance, fit.residual.df) == (pytest.approx(squares[0] / 7), 7)
    contrast = np.array([0, 2, -1, 0, 0.5])
    weights = fit.weights(contrast)
    found = linear.estimate(weights, y, linear.error_of(fit, y[:, None]), LEVEL)
    error = np.sqrt(squares[0] / 7 * contrast @ np.linalg.inv(x.T @ x) @ contrast)
    t = distributions.t(7)
    assert found.value == pytest.approx(contrast @ expected)
    assert found.error == pytest.approx(error)
    assert (found.low, found.high) == pytest.approx(found.value + error * t.ppf([0.025, 0.975]))
    assert found.p == pytest.approx(2 * t.sf(abs(found.value) / error))


def test_what_the_values_do_not_tell_has_no_weights():
    x = columns(np.array([[1, 1, 0], [-1, -1, 1], [1, 1, -1], [-1, -1, 0]]))
    fit = linear.Fit.of(x, [1.0, 2, 3, 4])
    assert fit.weights([0, 1, 0, 0]) is None
    assert fit.weights([0, 1, -1, 0]) is None
    assert fit.weights([0, 1, 1, 0]) @ fit.values == pytest.approx(-1.5)
    assert fit.weights([0, 0, 0, 1]) @ fit.values == pytest.approx(-2)


def test_what_all_values_share_adds_to_the_error_and_to_its_degrees_of_freedom():
    y = np.array([1.0, 2, 4, 3])
    error = linear.Error(linear.SEEDS, np.full(4, 0.1), 5)
    weights = np.array([0.5, 0.5, -0.5, -0.5])
    plain, wider = (linear.estimate(weights, y, error, LEVEL, sampling) for sampling in (0.0, 0.3))
    assert plain.error**2 == pytest.approx(0.1)
    assert wider.error**2 == pytest.approx(0.4)
    assert (wider.high - wider.low) / 2 == pytest.approx(distributions.t.ppf(0.975, 5 * 16) * wider.error)
    unknown = linear.estimate(weights, y, None, LEVEL)
    assert (unknown.value, unknown.error, unknown.low, unknown.p) == (-2, None, None, None)


# ---- where the error comes from --------------------------------------------------------------------------------------


def groups_of(counts, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=count) for count in counts]


@pytest.mark.parametrize(
    ("factors", "counts", "source", "df"),
    [
        (4, [1] * 16, linear.RESIDUAL, 11),
        (4, [8, *[1] * 15], linear.RESIDUAL, 11),  # a base of many seeds alone does not speak for the others
        (4, [20, *[1] * 15], linear.RESIDUAL, 11),
        (4, [3] * 16, linear.SEEDS, 32),
        (2, [2] * 4, linear.SEEDS, 4),
        (2, [5, 1, 1, 1], linear.SEEDS, 4),  # the residuals have one degree of freedom
        (2, [2, 2, 1, 1], linear.LENTH, 1),
        (3, [1] * 8, linear.RESIDUAL, 4),
    ],
)
def test_the_error_comes_from_what_can_tell_it(factors, counts, source, df):
    x, groups = columns(full(factors)), groups_of(counts)
    error = linear.error_of(fitted(x, groups), groups)
    assert (error.source, error.df) == (source, df)
    pooled = sum((len(v) - 1) * v.var(ddof=1) for v in groups if len(v) > 1) / max(1, sum(counts) - len(counts))
    if source == linear.SEEDS:
        assert error.variances == pytest.approx(pooled / np.array(counts))
    if source == linear.RESIDUAL:
        y = [v.mean() for v in groups]
        assert error.variances == pytest.approx(np.linalg.lstsq(x, y, rcond=None)[1][0] / df)


def test_nothing_tells_the_error_of_a_saturated_design_that_is_not_orthogonal():
    groups = groups_of([1] * 3)
    assert linear.error_of(fitted(columns(full(2)[:3]), groups), groups) is None


FILTRATION = [
    21.625, 3.125, 9.875, 14.625, 0.125, -18.125, 16.625, 2.375, -0.375, -1.125, 1.875, 4.125, -1.625, -2.625, 1.375,
]  # fmt: skip
"""Effects of a 2^4 factorial on a filtration rate (Montgomery, Design and Analysis of Experiments)."""


def test_lenths_pseudo_standard_error_is_that_of_a_text_book():
    found = linear.lenth(FILTRATION)
    assert np.sqrt(found.variance) == pytest.approx(2.625)
    assert found.df == 5


def test_lenths_error_leaves_out_the_columns_that_are_not_in_the_fit():
    """All seven contrasts of three factors count, those beyond the fit too, whatever their basis."""
    rng = np.random.default_rng(0)
    three, y = full(3), rng.normal(size=8)
    pairs = [three[:, i] * three[:, j] for i, j in itertools.combinations(range(3), 2)]
    whole = np.column_stack([np.ones(8), three, *pairs, three.prod(axis=1)])
    expected = linear.lenth(whole[:, 1:].T @ y / np.sqrt(8))
    error = linear.error_of(linear.Fit.of(whole[:, :-1], y), y[:, None])
    assert (error.source, error.df) == (linear.LENTH, pytest.approx(7 / 3))
    assert error.variances == pytest.approx(expected.variance)


# ---- level -----------------------------------------------------------------------------------------------------------

DRAWS = 300


def p_values(x, effects, groups_per_draw):
    """Of the main effects in every draw: (draws, effects)."""
    out = []
    for groups in groups_per_draw:
        fit = fitted(x, groups)
        error = linear.error_of(fit, groups)
        contrasts = 2 * np.eye(x.shape[1])[1 : effects + 1]
        out.append([linear.estimate(fit.weights(c), fit.values, error, LEVEL).p for c in contrasts])
    return np.array(out)


def at_most(rate, count, expected):
    """Whether a rate is no larger than expected, but for chance of one in a thousand."""
    return rate * count <= distributions.binom.isf(1e-3, count, expected)


@pytest.mark.parametrize("interactions", [0.0, 0.5])
@pytest.mark.parametrize("base_seeds", [1, 6])
def test_a_screen_without_effects_finds_them_as_rarely_as_it_says(base_seeds, interactions):
    """Interactions of two factors are no effect on average, however large: they make the test careful."""
    rng = np.random.default_rng(0)
    design = two_level_design(10)
    shift = interactions * design[:, 0] * design[:, 1] - interactions * design[:, 2] * design[:, 7]
    draws = [
        [shift[k] + rng.normal(size=base_seeds if k == 0 else 1) for k in range(len(design))] for _ in range(DRAWS)
    ]
    p = p_values(columns(design), 10, draws)
    assert at_most((p < 0.05).mean(), p.size, 0.05)
    families = np.array([min(holm(row.tolist())) < 0.05 for row in p])
    assert at_most(families.mean(), DRAWS, 0.05)
    if not interactions:
        assert (p < 0.05).mean() > 0.03
        assert families.mean() > 0.015


def test_a_replicated_grid_holds_its_level():
    rng = np.random.default_rng(1)
    x = columns(full(2))
    p = p_values(x, 2, rng.normal(size=(DRAWS, 4, 3)))
    assert (p < 0.05).mean() > 0.03
    assert at_most((p < 0.05).mean(), p.size, 0.05)


def test_lenths_test_is_careful_and_still_finds_what_is_large():
    rng = np.random.default_rng(2)
    three = full(3)
    pairs = [three[:, i] * three[:, j] for i, j in itertools.combinations(range(3), 2)]
    x = columns(np.column_stack([three, *pairs]))
    noise = rng.normal(size=(DRAWS, 8, 1))
    p = p_values(x, 3, noise)
    assert at_most((p < 0.05).mean(), p.size, 0.05)
    found = p_values(x, 3, noise + 5 * three[:, :1])
    assert (found[:, 0] < 0.05).mean() > 0.7


def test_lack_of_fit_is_exact_for_equal_seeds_and_sees_interactions():
    rng = np.random.default_rng(3)
    design = two_level_design(4)
    x = columns(design)
    noise = rng.normal(size=(DRAWS, 8, 3))
    p = np.array([linear.lack_of_fit(fitted(x, groups), groups) for groups in noise])
    assert distributions.kstest(p, "uniform").pvalue > 0.01
    bent = noise + 3 * (design[:, 0] * design[:, 1])[:, None]
    assert np.median([linear.lack_of_fit(fitted(x, groups), groups) for groups in bent]) < 1e-3
    assert linear.lack_of_fit(fitted(x, noise[0][:, :1]), noise[0][:, :1]) is None
