"""What a mean over few repeats may be off by."""

import numpy as np
import pytest

from harness.repeats import NOTHING, Prior, over_repeats, prior_of_differences

STUDIES = 400


def equal(rng, settings):
    return np.ones(settings)


def unequal(rng, settings):
    return np.sqrt(5 / rng.chisquare(5, size=settings))


def noisy_base(rng, settings):
    return np.where(np.arange(settings) == 0, 2.0, 1.0)


def study(rng, settings, repeats, spread, shared):
    """Values without any true difference: (settings, repeats). `shared` is what repeats do to all settings alike."""
    noise = spread(rng, settings)[:, None] * rng.normal(size=(settings, repeats))
    return shared * rng.normal(size=repeats) + noise


def missed(settings, repeats, spread, shared, moderate):
    """How often 95 % intervals of differences from the first setting leave out the truth, which is 0."""
    rng = np.random.default_rng(1)
    wrong = []
    for number in range(STUDIES):
        values = study(rng, settings, repeats, spread, shared)
        prior = prior_of_differences(values) if moderate else NOTHING
        for row in (values - values[0])[1:8]:
            draws = over_repeats(row, np.full((repeats, 300), row.mean()), prior, seed=number)
            low, high = np.quantile(draws, [0.025, 0.975])
            wrong.append(not low <= 0 <= high)
    return np.mean(wrong)


@pytest.mark.parametrize("shared", [0.0, 5.0])
@pytest.mark.parametrize("spread", [equal, unequal])
@pytest.mark.parametrize("repeats", [2, 3, 5])
@pytest.mark.parametrize("settings", [3, 6, 17])
def test_intervals_leave_out_the_truth_as_often_as_they_say(settings, repeats, spread, shared):
    assert 0.01 < missed(settings, repeats, spread, shared, True) < 0.06


@pytest.mark.parametrize("repeats", [3, 5])
def test_noise_of_the_base_is_not_taken_for_differences(repeats):
    assert missed(17, repeats, noisy_base, 1.0, True) < 0.09


def test_without_a_prior_too():
    assert 0.03 < missed(6, 3, unequal, 1.0, False) < 0.07


def test_many_settings_make_intervals_of_three_repeats_narrower():
    rng = np.random.default_rng(3)
    values = study(rng, 16, 3, equal, 2.0)
    prior = prior_of_differences(values)
    widths = [
        [np.ptp(np.quantile(over_repeats(row, np.zeros((3, 2000)), p), [0.025, 0.975])) for p in (NOTHING, prior)]
        for row in (values - values[0])[1:]
    ]
    plain, moderated = np.median(widths, axis=0)
    assert moderated < 0.7 * plain


def test_the_prior_recovers_variance_and_degrees_of_freedom_that_made_the_settings():
    rng = np.random.default_rng(4)
    values = study(rng, 4000, 5, lambda rng, n: 2 * np.sqrt(6 / rng.chisquare(6, size=n)), shared=9)
    values[0] = values.mean(0)  # without noise of its own
    prior = prior_of_differences(values)
    assert prior.variance == pytest.approx(8, rel=0.05)
    assert prior.df == pytest.approx(6, rel=0.15)


TURNED = np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1], [-1, 1, 0], [0, -1, 1], [1, 0, -1]])


def test_equal_variances_are_worth_half_of_the_other_degrees_of_freedom():
    prior = prior_of_differences(TURNED + 3.0 * np.arange(6)[:, None] + np.array([5, 0, 2]))
    assert prior == Prior(pytest.approx(2 * 2 * 6 / (2 * 5)), 2 * 4 / 2)


def test_a_base_noisier_than_others_counts_as_it_is():
    louder = prior_of_differences(TURNED * np.array([2, 1, 1, 1, 1, 1])[:, None])
    left = TURNED * np.array([2.0, 1, 1, 1, 1, 1])[:, None]
    left -= left.mean(0)
    of_base = np.square(left[0]).sum() / (2 * 5 / 6)
    assert of_base < louder.variance < 2 * of_base


def test_two_settings_or_one_repeat_say_nothing():
    rng = np.random.default_rng(6)
    assert prior_of_differences(rng.normal(size=(2, 5))) == NOTHING
    assert prior_of_differences(rng.normal(size=(9, 1))) == NOTHING
    assert prior_of_differences(np.zeros((0, 0))) == NOTHING
    assert prior_of_differences(np.tile(rng.normal(size=5), (9, 1))) == NOTHING


def test_one_repeat_is_as_uncertain_as_others_say():
    draws = np.full((1, 20000), 0.2)
    assert over_repeats(np.array([0.2]), draws).tolist() == draws[0].tolist()
    low, high = np.quantile(over_repeats(np.array([0.2]), draws, Prior(4, 10)), [0.025, 0.975])
    assert (low, high) == pytest.approx((0.2 - 2 * 2.228, 0.2 + 2 * 2.228), rel=0.05)


def test_no_difference_in_any_repeat_adds_nothing_to_the_draws():
    draws = np.array([[0.1, 0.2, 0.3]])
    same = over_repeats(np.array([0.0, 0.0]), np.tile(draws, (2, 1)), Prior(1, 5))
    assert same.tolist() == pytest.approx(draws[0].tolist())


def test_equal_values_by_coincidence_are_not_certain():
    draws = np.full((2, 2000), 0.04)
    assert np.ptp(over_repeats(np.array([0.04, 0.04]), draws, Prior(1, 5))) > 1
