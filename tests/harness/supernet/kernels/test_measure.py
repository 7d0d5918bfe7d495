"""The table of times."""

import json

import pytest
import torch

from supernet.harness.supernet.kernels import choice, eager, measure, table


def test_every_operation_is_timed(monkeypatch):
    monkeypatch.setattr(measure, "REPEATS", 1)
    monkeypatch.setattr(measure, "COPIED", 1 << 16)
    rows = table("cpu", shapes=[(2, 4, 3, 3)], dtypes=[torch.float32], candidates=["eager"])
    assert {row["operation"] for row in rows} == set(choice.CANDIDATES) - {"cells"}
    assert {(*row["shape"], row["dtype"], row["candidate"]) for row in rows} == {(2, 4, 3, 3, "float32", "eager")}
    json.dumps(rows)
    assert all(row["microseconds"] > 0 and row["first_seconds"] > 0 for row in rows)
    values = 2 * 4 * 3 * 3
    assert [row["bytes"] for row in rows if row["operation"] == "avg_pool3x3"] == [4 * 4 * values]


def test_the_share_of_the_roofline_is_time_at_the_bandwidth_by_time_taken(monkeypatch):
    monkeypatch.setattr(measure, "copy_bandwidth", lambda device: 1e6)
    monkeypatch.setattr(measure, "_seconds", lambda run, device: 2e-3)
    row = next(r for r in table("cpu", [(2, 4, 3, 3)], [torch.bfloat16], ["eager"]) if r["operation"] == "avg_pool3x3")
    assert row["microseconds"] == pytest.approx(2000)
    assert row["bytes"] == 4 * 2 * 72
    assert row["roofline"] == pytest.approx(576 / 1e6 / 2e-3)


def test_candidates_that_cannot_run_here_are_left_out(monkeypatch):
    monkeypatch.setattr(choice, "without_triton", lambda: "it is not installed")
    assert table("cpu", [(1, 4, 2, 2)], [torch.float32], ["triton"]) == []


def test_a_candidate_that_fails_leaves_its_error(monkeypatch):
    def broken(x):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(eager, "avg_pool3x3", broken)
    rows = [r for r in table("cpu", [(1, 4, 2, 2)], [torch.float32], ["eager"]) if "error" in r]
    assert [(r["operation"], r["error"]) for r in rows] == [("avg_pool3x3", "RuntimeError: no such instruction")]


def test_no_measurement_begins_after_the_time():
    assert table("cpu", [(1, 4, 2, 2)], [torch.float32], ["eager"], seconds=0) == []
