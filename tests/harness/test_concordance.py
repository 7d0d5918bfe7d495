import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from supernet.harness.statistics import concordance
from supernet.harness.statistics.concordance import Concordance


def repeated(values, counts):
    return np.repeat(values, counts.astype(int))


def pairs_excess(x, y):
    """The definition: every pair, one by one."""
    return sum(np.sign(x[i] - x[j]) * np.sign(y[i] - y[j]) for i in range(len(x)) for j in range(i))


small = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=25)


@given(small, st.randoms(use_true_random=False))
def test_excess_counts_every_pair_of_the_resample(points, random):
    x, y = np.array(points).T
    counts = np.array([random.randrange(4) for _ in points])
    excess = Concordance(x, y).excess(counts[:, None])[0]
    assert excess == pairs_excess(repeated(x, counts), repeated(y, counts))


@pytest.mark.parametrize("bucket", [2, 7, 128], ids="bucket {}".format)
@pytest.mark.parametrize("levels", [(2, 1000), (1000, 3), (40, 40), (10**6, 10**6)], ids=str)
def test_tau_equals_scipy_on_every_resample(monkeypatch, bucket, levels):
    monkeypatch.setattr(concordance, "BUCKET", bucket)
    rng = np.random.default_rng(0)
    x = rng.integers(levels[0], size=600)
    y = x * levels[1] // levels[0] + rng.integers(levels[1], size=600)
    counts = np.stack([np.bincount(rng.integers(600, size=600), minlength=600) for _ in range(5)], axis=1)
    expected = [kendalltau(repeated(x, c), repeated(y, c)).statistic for c in counts.T]
    np.testing.assert_allclose(Concordance(x, y).tau(counts), expected, rtol=0, atol=1e-12)
    assert Concordance(x, y).tau()[0] == pytest.approx(kendalltau(x, y).statistic, abs=1e-12)


def test_a_constant_side_has_tau_zero():
    assert Concordance(np.zeros(50), np.arange(50)).tau()[0] == 0
    assert Concordance(np.arange(50), np.zeros(50)).tau()[0] == 0


@settings(max_examples=20)
@given(st.integers(2, 400), st.integers(1, 30))
def test_perfect_agreement_and_reversal(n, levels):
    x = np.arange(n) * levels // n
    expected = 1.0 if x.max() > 0 else 0.0
    assert Concordance(x, x).tau()[0] == pytest.approx(expected)
    assert Concordance(x, -x).tau()[0] == pytest.approx(-expected)
