"""The table of times."""

import pytest
import torch

from supernet.harness.supernet.kernels import choice, measure, table


def test_every_operation_is_timed(monkeypatch):
    monkeypatch.setattr(measure, "REPEATS", 1)
    monkeypatch.setattr(measure, "COPIED", 1 << 16)
    rows = table("cpu", shapes=[(2, 4, 3, 3)], dtypes=[torch.float32], candidates=["eager"])
    assert {row.operation for row in rows} == set(choice.CANDIDATES)
    assert {(row.shape, row.dtype, row.candidate) for row in rows} == {((2, 4, 3, 3), "float32", "eager")}
    assert all(row.microseconds > 0 and row.first_seconds > 0 for row in rows)
    values = 2 * 4 * 3 * 3
    assert [row.bytes for row in rows if row.operation == "avg_pool3x3"] == [4 * 4 * values]


def test_the_share_of_the_roofline_is_time_at_the_bandwidth_by_time_taken(monkeypatch):
    monkeypatch.setattr(measure, "copy_bandwidth", lambda device: 1e6)
    monkeypatch.setattr(measure, "_seconds", lambda run, device: 2e-3)
    row = next(r for r in table("cpu", [(2, 4, 3, 3)], [torch.bfloat16], ["eager"]) if r.operation == "avg_pool3x3")
    assert row.microseconds == pytest.approx(2000)
    assert row.bytes == 4 * 2 * 72
    assert row.roofline == pytest.approx(576 / 1e6 / 2e-3)


def test_candidates_that_cannot_run_here_are_left_out(monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    assert table("cpu", [(1, 4, 2, 2)], [torch.float32], ["triton"]) == []
