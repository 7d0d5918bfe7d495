"""A store of runs: a run appears whole or not at all, and no failure of the disk loses what is done."""

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import begin, changed, make, outcome

from supernet.benchmarks.errors import UserError
from supernet.harness.report.study.report import write_report
from supernet.harness.runs import integrity
from supernet.harness.runs import store as files
from supernet.harness.runs.execute import execute
from supernet.harness.runs.state import state_of
from supernet.harness.runs.store import Result, Store
from supernet.harness.training import folder as run_folder

# ---- appearing whole -------------------------------------------------------------------------------------------------


def test_a_run_killed_before_its_rename_is_not_there(spec, store, undisturbed, monkeypatch):
    class Killed(BaseException):
        pass

    def replace(path, target, replace=Path.replace):
        if Path(target) == store.root / spec.hash:
            raise Killed
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(Killed):
            execute(spec, store)
    assert spec.hash not in store
    assert store.hashes() == []
    assert state_of(spec, store) == ("missing", "")
    with pytest.raises(KeyError):
        store.read(spec.hash)
    assert execute(spec, store) == "done"
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
    assert not (store.root / ".work" / spec.hash).exists()


def test_a_finished_run_holds_everything_and_nothing_else(spec, undisturbed):
    result = undisturbed.read(spec.hash)
    assert {path.name for path in result.path.iterdir()} == {
        "spec.json", "recipe.yaml", "environment.json", "ledger.json", "metrics.json", "scores.parquet", "log.jsonl",
        "status.json", "checksums.json",
    }  # fmt: skip
    assert result.spec == json.loads(json.dumps(spec.as_dict()))
    assert (result.state, result.problem, result.hash) == ("done", None, spec.hash)
    assert result.environment["device"] == "cpu"
    assert {"python", "torch", "numpy", "commit"} <= set(result.environment)
    assert [entry["epoch"] for entry in result.log()] == [1, 2, 3]
    assert spec.hash in undisturbed
    assert undisturbed.whole(spec.hash)


def test_a_run_that_is_there_is_not_made_again(spec, copied, monkeypatch):
    monkeypatch.setattr("supernet.harness.study.make.train", None)
    assert execute(spec, copied) == "done"


def test_what_a_kill_after_publishing_left_is_dropped(spec, copied, monkeypatch):
    folder = copied.root / spec.hash
    (folder / "checkpoint.pt").write_bytes(b"left")
    (folder / "teachers" / "one").mkdir(parents=True)
    copied.fail(spec.hash, "an earlier try")
    monkeypatch.setattr("supernet.harness.study.make.train", None)
    assert execute(spec, copied) == "done"
    assert not (folder / "checkpoint.pt").exists()
    assert not (folder / "teachers").exists()
    assert copied.failure(spec.hash) is None


def test_two_processes_that_make_the_same_run_both_end_with_it(spec, store, undisturbed):
    with store.hold(spec):  # so that the run cannot be done before somebody has looked at it
        processes = [begin(make, spec.as_dict(), store.root) for _ in range(2)]
        assert state_of(spec, store)[0] == "running"
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert store.hashes() == [spec.hash]
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
    assert {path.name for path in (store.root / ".work").iterdir()} == {f"{spec.hash}.lock"}
    assert list((store.root / ".failed").iterdir()) == []


# ---- progress and reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", ["0.5", None, True, -1, 2, [0.5]])
def test_progress_is_a_share_and_a_text(share, spec, store):
    (store.root / ".work" / spec.hash).mkdir()
    files.write_json(store.root / ".work" / spec.hash / "progress.json", {"share": share, "text": "scoring"})
    assert store.progress(spec.hash) is None


def test_a_run_in_progress_that_has_been_silent_for_long_says_so(spec, store):
    path = store.root / ".work" / spec.hash / "progress.json"
    with store.hold(spec) as work:
        work.mkdir()
        files.write_json(path, {"share": 0.5, "text": "epoch 2/3"})
        assert state_of(spec, store) == ("running", "epoch 2/3")
        os.utime(path, (time.time() - 3600,) * 2)
        assert state_of(spec, store) == ("running", "epoch 2/3; its process last reported this 60 minutes ago")


def test_a_report_reads_every_run_once(study, copied, monkeypatch, tmp_path):
    monkeypatch.setattr("supernet.harness.report.study.figures.draw", lambda analysis, out: {})
    read, frames = [], []
    run_of, scores_of = Store.read, Result.scores
    monkeypatch.setattr(Store, "read", lambda self, run: (read.append(run), run_of(self, run))[1])
    monkeypatch.setattr(Result, "scores", lambda self: (frames.append(self.hash), scores_of(self))[1])
    write_report(study(), copied, tmp_path / "report", resamples=50)
    assert len(read) == len(set(read)) == 4
    assert sorted(frames) == sorted(read)


def test_a_report_hashes_every_file_once(study, copied, monkeypatch, tmp_path):
    monkeypatch.setattr(integrity, "SETTLED", -1)
    monkeypatch.setattr("supernet.harness.report.study.figures.draw", lambda analysis, out: {})
    hashed = []
    monkeypatch.setattr(integrity, "digest", lambda path, digest=files.digest: (hashed.append(path), digest(path))[1])
    write_report(study(), copied, tmp_path / "report", resamples=50)
    assert len(hashed) == len(set(hashed)) == 4 * 8


# ---- folders that cannot be written to -------------------------------------------------------------------------------


def test_a_results_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(UserError, match=r"results folder .*runs cannot be written to: Not a directory\. Choose"):
        Store(tmp_path / "results" / "runs").prepare()


@pytest.fixture
def mounted(tmp_path):
    """Mount a file system of so many kilobytes in memory; skips where that is not allowed."""
    place = tmp_path / "mounted"
    place.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
        if sys.platform != "linux" or subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
            pytest.skip("no file system can be mounted here")
        return place

    yield mount
    subprocess.run(["umount", "-l", str(place)], stderr=subprocess.DEVNULL)


def test_a_read_only_results_folder_is_named(mounted):
    with pytest.raises(UserError, match=r"cannot be written to: Read-only file system\. Choose another with --results"):
        Store(mounted("ro")).prepare()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_results_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match=r"cannot be written to: Permission denied"):
        Store(tmp_path / "runs").prepare()


WRITERS = [(files, "write_json"), (run_folder, "save"), (Store, "publish")]


@pytest.mark.parametrize("place", WRITERS, ids=lambda place: place[1])
def test_a_full_disk_fails_the_run_alone_and_the_next_try_completes_it(place, copied, spec, undisturbed, monkeypatch):
    shutil.rmtree(copied.root / spec.hash)
    others = copied.hashes()

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(copied.root))

    with monkeypatch.context() as patch:
        patch.setattr(*place, full)
        assert execute(spec, copied) == "failed"
    if place[1] == "publish":
        assert (copied.root / ".work" / spec.hash / "checkpoint.pt").exists(), "nothing is trained again"
    if place[1] != "write_json":  # which writes the note, too
        state, reason = state_of(spec, copied)
        assert state == "failed"
        assert reason == f"No space left on device: {copied.root}. What is done so far is kept."
    assert copied.hashes() == others
    assert all(copied.whole(run) for run in others)
    assert execute(spec, copied) == "done"
    assert state_of(spec, copied)[0] == "done"
    assert copied.failure(spec.hash) is None
    assert outcome(copied, spec.hash) == outcome(undisturbed, spec.hash)


@pytest.mark.parametrize("kilobytes", [40, 200, 420])
def test_on_a_disk_that_is_really_full_the_reason_is_reported(kilobytes, mounted, spec, undisturbed):
    disk = mounted(f"size={kilobytes}k")
    store = Store(disk / "runs")
    assert execute(spec, store) == "failed"
    state, reason = state_of(spec, store)
    assert state == "failed"
    assert "No space left on device" in reason
    assert "What is done so far is kept" in reason
    assert "\n" not in reason
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    assert execute(spec, store) == "done"
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)


def test_many_failures_are_kept_apart(store, spec):
    other = changed(spec, "seed=9")
    store.fail(spec.hash, "one reason", "a trace")
    store.fail(other.hash, "another")
    assert store.failure(spec.hash) == "one reason"
    assert state_of(other, store) == ("failed", "another")
    assert json.loads((store.root / ".failed" / f"{spec.hash}.json").read_text())["trace"] == "a trace"
