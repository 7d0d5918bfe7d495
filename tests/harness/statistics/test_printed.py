"""Numbers, intervals and p-values as text."""

import pytest

from supernet.harness.statistics.printed import p_decimals, p_relation, p_text


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
