"""Numbers, intervals and p-values as text."""

import pytest

from supernet.harness.statistics.bootstrap import Estimate
from supernet.harness.statistics.printed import (
    p_decimals,
    p_relation,
    p_text,
    plain_interval,
    plus_minus,
    with_interval,
)
from supernet.harness.statistics.seeds import Mean


def test_a_value_with_its_interval():
    assert with_interval(Estimate(0.7, 0.694, 0.706)) == "0.700 [0.694, 0.706]"
    assert with_interval(Estimate(-0.1, -0.15, 0.05), "+.2f") == "−0.10 [−0.15, +0.05]"
    assert with_interval(Mean(0.7, None, None, 2)) == "0.700", "two seeds have no interval"
    assert with_interval(None) == "–"


def test_a_value_with_its_interval_in_plain_characters():
    assert plain_interval(Estimate(-0.1, -0.15, 0.05), "+.2f") == "-0.10 [-0.15, +0.05]"
    assert plain_interval(Mean(0.7, None, None, 2)) == "0.700"


def test_a_mean_with_its_deviation():
    assert plus_minus(93.784, 0.36) == "93.78 ± 0.36"
    assert [plus_minus(93.784, None), plus_minus(None, None)] == ["93.78", "–"]


@pytest.mark.parametrize(
    ("p", "text", "relation", "decimals"),
    [
        (0.0, "< 0.0001", "< 0.0001", "<0.001"),
        (0.0001, "0.0001", "= 0.0001", "<0.001"),
        (0.0344, "0.034", "= 0.034", "0.034"),
        (1.0, "1", "= 1", "1.000"),
    ],
)
def test_p_values_in_the_three_forms_of_the_reports(p, text, relation, decimals):
    assert (p_text(p), p_relation(p), p_decimals(p)) == (text, relation, decimals)


def test_a_sentence_may_tell_fewer_p_values_apart():
    assert [p_relation(p, 0.001) for p in (0.0005, 0.001)] == ["< 0.001", "= 0.001"]
