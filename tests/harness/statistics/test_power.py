"""What designs find before they are run, and what effects are likely to be once they are."""

import numpy as np
import pytest
from scipy import stats as distributions

from supernet.harness.statistics import seeds
from supernet.harness.statistics.power import Design, design_for, detectable, pooled, upper_sd
from supernet.harness.statistics.shrinkage import shrunken


def study(rng, design, sd, effect):
    """Taus of a base and of settings, of which the first differs by `effect`."""
    others = rng.normal(0, sd, (design.comparisons, design.seeds))
    others[0] += effect
    return rng.normal(0, sd, design.base_seeds), list(others)


@pytest.mark.parametrize("design", [Design(11, 12, 3), Design(1, 6, 6), Design(5, 4, 4)], ids=str)
def test_what_a_design_is_said_to_find_is_found_four_times_in_five(design):
    rng = np.random.default_rng(7)
    effect = detectable(0.05, design)
    found = [seeds.compare(*study(rng, design, 0.05, effect), bound=None).differences[0].clear for _ in range(250)]
    assert 0.7 < np.mean(found) < 0.92


def test_a_plan_and_the_study_that_follows_it_agree_on_what_is_detectable():
    rng = np.random.default_rng(8)
    design = Design(11, 12, 3)
    seen = [seeds.compare(*study(rng, design, 0.05, 0), bound=None).detectable for _ in range(40)]
    assert np.mean(seen) == pytest.approx(detectable(0.05, design), rel=0.06)


def test_more_seeds_fewer_comparisons_and_less_noise_find_less():
    found = [
        round(detectable(sd, Design(*design), extra), 3)
        for sd, design, extra in [
            (0.05, (11, 12, 3), 1e-3), (0.05, (11, 12, 3), 0), (0.05, (4, 12, 3), 0), (0.05, (4, 12, 6), 0),
            (0.05, (4, 24, 6), 0), (0.03, (4, 24, 6), 0),
        ]
    ]  # fmt: skip
    assert found == sorted(found, reverse=True)
    assert detectable(0.05, Design(3, 1, 4)) is detectable(0.05, Design(3, 4, 1)) is detectable(0.05, Design(0, 9, 9))


@pytest.mark.parametrize(("effect", "comparisons"), [(0.1, 11), (0.05, 1), (0.03, 4)])
def test_the_design_for_an_effect_finds_it_and_one_seed_less_does_not(effect, comparisons):
    design = design_for(effect, 0.05, comparisons, 1e-6)
    assert detectable(0.05, design, 1e-6) <= effect
    fewer = Design(comparisons, max(8, int(np.ceil((design.seeds - 1) * comparisons**0.5))), design.seeds - 1)
    if comparisons == 1:
        fewer = Design(1, design.seeds - 1, design.seeds - 1)
    assert detectable(0.05, fewer, 1e-6) > effect
    assert design.runs == design.base_seeds + comparisons * design.seeds


def test_no_number_of_seeds_makes_up_for_too_few_architectures():
    assert design_for(0.05, 0.05, 5, sampling=0.02**2) is None


def test_a_true_spread_lies_below_its_upper_bound_four_times_in_five():
    rng = np.random.default_rng(2)
    bounds = [upper_sd(rng.normal(0, 0.05, 9).std(ddof=1), 8) for _ in range(2000)]
    assert np.mean(np.array(bounds) > 0.05) == pytest.approx(0.8, abs=0.03)


def test_a_pooled_spread_weighs_groups_by_their_degrees_of_freedom():
    groups = [np.array([1.0, 2.0, 3.0]), np.array([5.0]), np.array([0.0, 4.0])]
    assert (pooled(groups).variance, pooled(groups).df) == (pytest.approx((2 * 1 + 1 * 8) / 3), 3)
    assert (pooled(groups[1:2]).variance, pooled(groups[1:2]).df) == (0, 0)


# ---- negligible ------------------------------------------------------------------------------------------------------


def test_a_difference_as_large_as_the_margin_is_seldom_shown_to_be_negligible():
    rng, margin, design = np.random.default_rng(3), 0.1, Design(4, 12, 6)
    wrong, right = [], []
    for _ in range(400):
        base, others = study(rng, design, 0.04, 0)
        shifted = [others[0] + margin, others[1] - margin, *others[2:]]
        found = seeds.compare(base, shifted, bound=None).differences
        wrong.append(found[0].negligible(margin) or found[1].negligible(margin))
        right.append(found[2].negligible(margin))
    assert np.mean(wrong) < 0.075
    assert np.mean(right) > 0.6


def test_what_holds_a_difference_is_the_far_end_of_the_simultaneous_90_percent_interval():
    rng = np.random.default_rng(4)
    (d,) = seeds.compare(*study(rng, Design(1, 9, 9), 0.05, 0.02), bound=None).differences
    assert abs(d.value) < d.within < max(abs(d.low), abs(d.high))
    assert seeds.compare([0.1], [[0.2]]).differences[0].within is None


# ---- expected effects ------------------------------------------------------------------------------------------------


def test_expected_differences_are_nearer_to_the_truth():
    rng, raw, drawn = np.random.default_rng(6), 0.0, 0.0
    own = np.full(10, 0.03**2)
    for _ in range(400):
        truth = rng.normal(-0.02, 0.03, 10)
        seen = truth + rng.normal(0, 0.03, 10) + rng.normal(0, 0.01)
        found = shrunken(seen, own)
        raw += np.sum((seen - truth) ** 2)
        drawn += np.sum((found - truth) ** 2)
    assert drawn < 0.75 * raw


def test_expected_differences_are_those_of_a_plain_double_sum():
    """The posterior of two-stage normal data on a grid of mu and T, by brute force."""
    d, v = np.array([0.1, -0.02, 0.05, 0.21]), np.array([4e-3, 1e-3, 2e-3, 4e-3])
    mus, spreads = np.linspace(-1, 1, 801), np.linspace(0, 4 * np.sqrt(d.var() + v.mean()), 61)
    weight, mean = 0.0, np.zeros(4)
    for t in spreads:
        share = t**2 / (t**2 + v)
        centres = share * d + (1 - share) * mus[:, None]
        w = np.prod(distributions.norm.pdf(d, mus[:, None], np.sqrt(v + t**2)), axis=1)
        weight += w.sum()
        mean += w @ centres
    assert shrunken(d, v) == pytest.approx(mean / weight, rel=1e-4)


def test_what_the_choice_of_architectures_adds_to_errors_draws_differences_together():
    base, others = [0.3, 0.31, 0.29], [[0.35, 0.36, 0.34], [0.25, 0.26, 0.24], [0.30, 0.32, 0.31]]
    alone, wide = (seeds.compare(base, others, [extra] * 3).differences for extra in (0.0, 0.05**2))
    assert np.ptp([d.expected for d in wide]) < 0.6 * np.ptp([d.expected for d in alone])
