"""Fusion of scores by ranks: against plain loops, and what has to hold of any fusion."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from supernet.benchmarks.errors import UserError
from supernet.harness.statistics.added import FreeScore
from supernet.harness.statistics.fusion import WAYS, fuse, mean_of_ranks, over_classes, relative_ranks
from supernet.harness.statistics.metrics import kendall_tau

VALUES = arrays(float, 9, elements=st.one_of(st.integers(-3, 3).map(float), st.just(np.nan)))


def plain_ranks(values):
    """Mean position over all orders of ties, by counting; NaN counts as lower than any number."""
    key = [(-1, 0.0) if np.isnan(v) else (0, v) for v in values]
    return [(sum(b < a for b in key) + (sum(b == a for b in key) + 1) / 2) / len(key) for a in key]


@given(VALUES)
def test_ranks_average_ties_and_put_missing_scores_last(values):
    np.testing.assert_allclose(relative_ranks(values), plain_ranks(values))


@given(VALUES, VALUES)
def test_repeated_scores_count_by_their_mean_rank(a, b):
    expected = np.mean([plain_ranks(a), plain_ranks(b)], axis=0)
    np.testing.assert_allclose(mean_of_ranks([a, b]), expected)
    np.testing.assert_allclose(  # sums of ranks are halves, so that rounding them restores ties
        fuse({"x": np.stack([a, b])}, how="linear"), plain_ranks(np.round(expected, 9)), rtol=1e-12, atol=1e-12
    )


def test_equal_sums_of_ranks_stay_tied_in_any_order_of_draws():
    draws = np.array([rng.permutation(50) for rng in map(np.random.default_rng, range(4))], dtype=float)
    means = mean_of_ranks(draws)
    assert np.array_equal(means, mean_of_ranks(draws[::-1]))
    sums = draws.sum(0)
    assert len(np.unique(means)) == len(np.unique(sums)) < 50


@pytest.mark.parametrize("how", WAYS)
@given(VALUES, VALUES, st.floats(0.1, 4))
def test_fusions_are_their_formulas(how, a, b, weight):
    formula = {
        "log": lambda r, q: np.log(r) + weight * np.log(q),
        "harmonic": lambda r, q: (1 + weight) / (1 / r + weight / q),
        "linear": lambda r, q: (r + weight * q) / (1 + weight),
    }[how]
    expected = [formula(r, q) for r, q in zip(plain_ranks(a), plain_ranks(b), strict=True)]
    np.testing.assert_allclose(fuse({"a": a, "b": b}, {"b": weight}, how), expected)


@pytest.mark.parametrize("how", WAYS)
def test_a_score_alone_keeps_its_order_and_a_better_architecture_never_ranks_lower(how):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=30), rng.normal(size=30)
    assert kendall_tau(fuse({"a": a}, how=how), a) == pytest.approx(1)
    fused = fuse({"a": a, "b": b}, how=how)
    better = (a[:, None] > a) & (b[:, None] > b)
    assert (fused[:, None] > fused)[better].all()


def test_fusions_by_logarithm_and_harmonic_mean_punish_the_worse_rank():
    # One architecture is in the middle by both scores, another best by one and worst by the other.
    a, b = np.array([5.0, 9, 1, 6, 4]), np.array([5.0, 1, 9, 4, 6])
    for how in ("log", "harmonic"):
        fused = fuse({"a": a, "b": b}, how=how)
        assert fused[0] > fused[1]
    linear = fuse({"a": a, "b": b}, how="linear")
    assert linear[0] == pytest.approx(linear[1])


def test_members_of_a_class_share_their_mean():
    np.testing.assert_allclose(over_classes([1.0, 2, 3, 10], [7, 3, 7, 4]), [2, 2, 2, 10])


@pytest.mark.parametrize(
    ("scores", "weights", "how", "word"),
    [
        ({"a": [1.0, 2]}, {}, "median", "median"),
        ({}, {}, "log", "at least one"),
        ({"a": [1.0, 2], "b": [1.0]}, {}, "log", "differ"),
        ({"a": [1.0, 2]}, {"b": 2.0}, "log", "'b'"),
        ({"a": [1.0, 2]}, {"a": 0.0}, "log", "above 0"),
    ],
)
def test_what_cannot_be_fused_is_said(scores, weights, how, word):
    with pytest.raises(UserError, match=word):
        fuse(scores, weights, how)


def test_a_free_score_is_fused_with_its_weight_and_cut_to_some_architectures():
    rng = np.random.default_rng(1)
    size, draws, score = rng.normal(size=20), rng.normal(size=(3, 20)), rng.normal(size=20)
    free = FreeScore("rule", "", {"size": size, "draws": draws}, {"draws": 2.0}, "log", 0.5)
    np.testing.assert_allclose(free.alone, fuse({"size": size, "draws": draws}, {"draws": 2.0}))
    expected = fuse({"size": size, "draws": draws, "s": score}, {"draws": 2.0, "s": 0.5})
    np.testing.assert_allclose(free.fused(score), expected)
    some = np.array([3, 1, 4, 15])
    np.testing.assert_allclose(
        free.take(some).alone, fuse({"size": size[some], "draws": draws[:, some]}, {"draws": 2.0})
    )
