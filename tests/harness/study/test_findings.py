"""Sentences of findings at the borders of their rules."""

from types import SimpleNamespace

import pytest

from supernet.harness.study.findings import _above, _picks, _proxy


@pytest.mark.parametrize(("value", "said"), [(0.0532, "0.06"), (0.05, "0.05"), (0.131, "0.14"), (0.1, "0.10")])
def test_a_bound_is_rounded_up(value, said):
    assert _above(value) == said


@pytest.mark.parametrize(
    ("regret", "said"), [(0.5, "picks equally well"), (0.4, "also picks better"), (0.6, "picks worse")]
)
def test_equal_regrets_are_no_better_picks(regret, said):
    clear = SimpleNamespace(clear=True, value=0.1)
    row = SimpleNamespace(label="h=v", means={"regret@1": regret}, difference=clear)
    a = SimpleNamespace(base=SimpleNamespace(means={"regret@1": 0.5}), tested=[row], ceiling=None)
    assert f"h=v ranks better and {said}: {regret:.2f} points." in _picks(a)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.9, -0.6, "the more accurate super-nets rank worse."),
        (-0.2, 0.7, "these runs do not show whether accuracy tells which"),
        (-0.3, 0.3, "accuracy hardly tells which"),
        (0.1, 0.4, "accuracy hardly tells which"),
        (0.3, 0.8, "accuracy tells something of which"),
    ],
)
def test_what_accuracy_tells_follows_from_the_interval(low, high, said):
    proxy = SimpleNamespace(settings=9, over_settings=0.5, within=(low + high) / 2, within_low=low, within_high=high)
    assert said in _proxy(SimpleNamespace(proxy=proxy))
