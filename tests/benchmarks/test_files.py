import os
import subprocess
import sys

import pytest

from supernet.benchmarks import files


def test_a_failed_write_leaves_the_old_content_and_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, {"a": float("nan")})
    with pytest.raises(OSError, match="absent"), files.whole(path) as partial:
        partial.write_bytes((tmp_path / "absent").read_bytes())
    assert path.read_text() == '{\n "a": 1\n}\n'
    assert os.listdir(tmp_path) == ["a.json"]


def test_content_and_rename_reach_the_disk_before_the_write_is_done(tmp_path, monkeypatch):
    calls = []
    fsync, rename = os.fsync, type(tmp_path).replace
    monkeypatch.setattr(os, "fsync", lambda d: (calls.append(os.readlink(f"/proc/self/fd/{d}")), fsync(d))[1])
    monkeypatch.setattr(type(tmp_path), "replace", lambda a, b: (calls.append("rename"), rename(a, b))[1])
    files.write_bytes(tmp_path / "b", b"1")
    assert [c if c == "rename" else os.path.basename(c) for c in calls] == [
        f".b.{os.getpid()}.partial", "rename", tmp_path.name,
    ]  # fmt: skip
    calls.clear()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_text("x")
    files.replace(tmp_path / "d", tmp_path / "e")
    assert [os.path.basename(c) for c in calls] == ["d", "x", "rename", tmp_path.name]


def test_what_killed_writers_left_is_removed_and_what_living_ones_write_is_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead, alive = tmp_path / f".c.{gone.pid}.partial", tmp_path / f".c.{os.getppid()}.partial"
    other = tmp_path / f".cc.{gone.pid}.partial"
    for path in (dead, alive, other):
        path.write_text("half")
    files.write_text(tmp_path / "c", "whole")
    assert not dead.exists()
    assert alive.exists()
    assert other.exists()
