import numpy as np
import pytest
from scipy import stats

from supernet.harness.statistics.chance import above_chance, at_chance, p_values

RNG = np.random.default_rng(0)


def test_p_values_are_those_of_exact_binomial_tests():
    for right in (0, 10, 17, 100):
        expected = stats.binomtest(right, 100, 0.1, alternative="greater").pvalue
        assert p_values([right], 100, 10)[0] == pytest.approx(expected)
    assert p_values([float("nan")], 100, 10)[0] == 1.0


@pytest.mark.parametrize(
    ("count", "images", "classes"), [(60, 1000, 10), (15625, 1000, 10), (400, 100, 100), (4, 50, 4)]
)
def test_guessing_is_at_chance(count, images, classes):
    accuracy = 100 * RNG.binomial(images, 1 / classes, count) / images
    assert above_chance(accuracy, images, classes) <= 0.08
    assert at_chance(accuracy, images, classes)


@pytest.mark.parametrize(
    ("accuracy", "share"),
    [
        (np.full(50, 40.0), 1.0),
        (np.r_[np.full(30, 10.0), np.full(20, 20.0)], 0.4),
        (np.r_[np.full(98, 10.0), 60.0, 60.0], 0.02),
    ],
    ids=["all are good", "some are good", "two of a hundred are very good"],
)
def test_what_clearly_learned_is_not_at_chance(accuracy, share):
    assert above_chance(accuracy, 1000, 10) == pytest.approx(share)
    assert not at_chance(accuracy, 1000, 10)
