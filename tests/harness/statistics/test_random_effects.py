"""Summaries over studies, against a plain version with the formulas as published, and by simulated coverage."""

import numpy as np
import pytest
from scipy import stats as distributions

from supernet.harness.statistics.random_effects import summarised


def plain(d, s, level=0.95):
    """Paule and Mandel's variance by bisection, and the interval of Hartung and Knapp with its ratio and safeguard."""
    k = len(d)

    def q_of(between):
        w = [1 / (e**2 + between) for e in s]
        mean = sum(a * b for a, b in zip(w, d, strict=True)) / sum(w)
        return sum(a * (b - mean) ** 2 for a, b in zip(w, d, strict=True)), mean, sum(w)

    low, high = 0.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if q_of(middle)[0] > k - 1 else (low, middle)
    between = low if q_of(0.0)[0] > k - 1 else 0.0
    q, mean, total = q_of(between)
    error = np.sqrt(max(1.0, q / (k - 1)) / total)
    half = distributions.t.ppf((1 + level) / 2, k - 1) * error
    fixed = q_of(0.0)[0]
    found = {
        "value": mean, "low": mean - half, "high": mean + half, "between_sd": np.sqrt(between), "q": fixed,
        "i_squared": max(0.0, (fixed - (k - 1)) / fixed), "q_p": 1 - distributions.chi2.cdf(fixed, k - 1),
        "p": 2 * (1 - distributions.t.cdf(abs(mean) / error, k - 1)),
    }  # fmt: skip
    if k >= 3:
        half = distributions.t.ppf((1 + level) / 2, k - 2) * np.sqrt(between + 1 / total)
        found |= {"predicted_low": mean - half, "predicted_high": mean + half}
    return found


@pytest.mark.parametrize("seed", range(12))
def test_every_figure_is_that_of_the_plain_version(seed):
    rng = np.random.default_rng(seed)
    k = 2 + seed % 5
    s = rng.uniform(0.02, 0.1, size=k)
    d = rng.normal(0.1, 0.15 if seed % 2 else 0.01, size=k)
    found, expected = summarised(d, s), plain(d, s)
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=1e-6, abs=1e-9), name
    assert found.studies == k
    assert (found.predicted_low is None) == (found.predicted_high is None) == (k < 3)


def test_both_kinds_of_case_are_among_those_of_the_plain_version():
    assert summarised([0.1, 0.1, 0.11], [0.1, 0.1, 0.1]).between_sd == 0
    assert summarised([0.1, 0.5, -0.3], [0.1, 0.1, 0.1]).between_sd > 0


def test_a_published_example_is_met():
    # Four effects of equal error: the variance between studies is the variance of the effects less that of the noise.
    d, s = np.array([0.0, 0.1, 0.2, 0.5]), 0.05
    found = summarised(d, np.full(4, s))
    assert found.between_sd**2 == pytest.approx(d.var(ddof=1) - s**2)
    assert found.value == pytest.approx(d.mean())
    # Its interval is then that of a plain t test of the four effects.
    t = distributions.ttest_1samp(d, 0)
    assert (found.low, found.high) == pytest.approx(tuple(t.confidence_interval()))
    assert found.p == pytest.approx(t.pvalue)


def test_the_interval_is_never_narrower_than_that_of_a_fixed_effect():
    d, s = np.array([0.1, 0.1, 0.1]), np.array([0.05, 0.06, 0.07])
    found = summarised(d, s)
    fixed = distributions.norm.ppf(0.975) / np.sqrt((1 / s**2).sum())
    assert found.high - found.value > fixed


# Where noise is small beside what studies differ by, intervals cover 95 %. Elsewhere the safeguard makes those of few
# studies cover more. Prediction intervals of few studies are approximate.
@pytest.mark.parametrize(
    ("studies", "between", "noise", "most"),
    [(2, 0.1, 0.001, 0.98), (2, 0.1, 0.05, 1), (3, 0.0, 0.05, 1), (3, 0.1, 0.01, 0.98), (6, 0.1, 0.05, 0.98)],
)
def test_intervals_cover_what_they_should(studies, between, noise, most):
    rng = np.random.default_rng(studies)
    trials, of_mean, of_next = 600, 0, 0
    for _ in range(trials):
        s = noise * rng.uniform(0.7, 1.3, size=studies)
        d = rng.normal(0.05, between, size=studies) + s * rng.normal(size=studies)
        found = summarised(d, s)
        of_mean += found.low <= 0.05 <= found.high
        if found.predicted_low is not None:
            of_next += found.predicted_low <= rng.normal(0.05, between) <= found.predicted_high
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / trials) < of_mean / trials <= most
    if studies >= 3:
        assert of_next / trials > 0.91


@pytest.mark.parametrize(
    ("values", "errors"),
    [([0.1], [0.1]), ([0.1, 0.2], [0.1]), ([0.1, np.nan], [0.1, 0.1]), ([0.1, 0.2], [0.1, 0.0])],
)
def test_what_cannot_be_summarised_is_an_error(values, errors):
    with pytest.raises(ValueError, match=r"studies|finite"):
        summarised(values, errors)
