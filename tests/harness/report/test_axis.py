"""Scales of plots in tables."""

import pytest

from supernet.harness.report.html.axis import Axis


@pytest.mark.parametrize("labels", [2, 4, 6])
@pytest.mark.parametrize("reach", [10 ** (k / 20) for k in range(-40, 41)])
def test_an_axis_has_labels_enough_to_show_its_scale_and_no_crowd(reach, labels):
    axis = Axis([-reach, reach], labels=labels)
    assert 2 <= len(axis.ticks) <= 9
    assert 0 in axis.ticks
    assert axis.low <= axis.ticks[0] < axis.ticks[-1] <= axis.high
