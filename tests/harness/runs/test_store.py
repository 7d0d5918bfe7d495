import errno
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from tiny import begin, changed, make, outcome, wait_for

from supernet.benchmarks.errors import UserError
from supernet.harness.query.database import Database
from supernet.harness.report.study.report import write_report
from supernet.harness.runs import integrity
from supernet.harness.runs import store as files
from supernet.harness.runs.compared import ComparedStore
from supernet.harness.runs.execute import execute
from supernet.harness.runs.state import state_of
from supernet.harness.runs.store import Damaged, Result, Store
from supernet.harness.training import folder as run_folder


@pytest.fixture
def copied(undisturbed, tmp_path):
    """A store of its own with the finished runs of the tiny study."""
    shutil.copytree(undisturbed.root, tmp_path / "runs")
    return Store(tmp_path / "runs")


def garble(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


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
    copied.fail(spec.hash, "an earlier try")
    monkeypatch.setattr("supernet.harness.study.make.train", None)
    assert execute(spec, copied) == "done"
    assert not (folder / "checkpoint.pt").exists()
    assert copied.failure(spec.hash) is None


def test_two_processes_that_make_the_same_run_both_end_with_it(spec, store, undisturbed):
    processes = [begin(make, spec.as_dict(), store.root) for _ in range(2)]
    wait_for(lambda: state_of(spec, store)[0] == "running")
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert store.hashes() == [spec.hash]
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
    assert {path.name for path in (store.root / ".work").iterdir()} == {f"{spec.hash}.lock"}
    assert list((store.root / ".failed").iterdir()) == []


# ---- damage ----------------------------------------------------------------------------------------------------------

DAMAGE = {
    "an altered byte": (lambda run: garble(run / "scores.parquet"), "scores.parquet was altered"),
    "a number changed by hand": (
        lambda run: (run / "metrics.json").write_text('{"kendall_tau": 1.0}'),
        "metrics.json was altered",
    ),
    "a missing file": (lambda run: (run / "ledger.json").unlink(), "No such file or directory (ledger.json)"),
    "no checksums": (lambda run: (run / "checksums.json").unlink(), "No such file or directory (checksums.json)"),
    "unreadable checksums": (lambda run: (run / "checksums.json").write_text("{"), "damaged: Expecting property name"),
    "bytes for checksums": (lambda run: (run / "checksums.json").write_bytes(b"\xff"), "'utf-8' codec can't decode"),
    "empty checksums": (
        lambda run: (run / "checksums.json").write_text("{}"),
        "environment.json, ledger.json, log.jsonl, metrics.json, spec.json, status.json is not",
    ),
    "a list for checksums": (lambda run: (run / "checksums.json").write_text("[]"), "damaged:"),
    "an empty folder": (lambda run: (shutil.rmtree(run), run.mkdir()), "No such file or directory (checksums.json)"),
    "garbage under right checksums": (lambda run: resigned(run, "metrics.json", "{garbage"), "damaged: Expecting"),
}


def resigned(run, name, text):
    (run / name).write_text(text)
    sums = json.loads((run / "checksums.json").read_text())
    files.write_json(run / "checksums.json", sums | {name: files.digest(run / name)})


def written(name, content):
    """A part with other contents, under a right checksum."""
    return lambda run: resigned(run, name, content if isinstance(content, str) else json.dumps(content))


def edited(name, change):
    """A part whose JSON is changed in place, under a right checksum."""

    def damage(run):
        content = json.loads((run / name).read_text())
        change(content)
        resigned(run, name, json.dumps(content))

    return damage


def summed(**entries):
    """Other entries among the checksums: SHA-256 of a file of this name, or whatever is given."""

    def damage(run):
        sums = json.loads((run / "checksums.json").read_text())
        files.write_json(
            run / "checksums.json", sums | {name.replace("_", "/"): sum_ for name, sum_ in entries.items()}
        )

    return damage


def replaced(name, make):
    """A part that something else stands for."""

    def damage(run):
        (run / name).unlink()
        make(run / name)

    return damage


def with_frame(change):
    """Other scores, under a right checksum."""

    def damage(run):
        frame = pd.read_parquet(run / "scores.parquet")
        change(frame).to_parquet(run / "scores.parquet")
        sums = json.loads((run / "checksums.json").read_text())
        files.write_json(run / "checksums.json", sums | {"scores.parquet": files.digest(run / "scores.parquet")})

    return damage


NESTED = "[" * 100_000 + "]" * 100_000
JSON_PARTS = ("spec.json", "status.json", "metrics.json", "ledger.json", "environment.json")
SHAPES = {
    f"{name} is {what}": (written(name, text), "damaged: ")
    for name in JSON_PARTS
    for what, text in {
        "a list": "[]", "null": "null", "a number": "1", "a text": '"a"', "nested": NESTED, "a mixture": '{"a": [{}]}',
        "nested objects": '{"a":' * 5000 + "1" + "}" * 5000, "not a number": '{"a": NaN}', "infinite": '{"a": 1e999}',
        "huge": '{"a": 1' + "0" * 400 + "}", "beyond huge": '{"a": 1' + "0" * 9000 + "}", "no JSON": "\0",
    }.items()
}  # fmt: skip
DAMAGE |= SHAPES | {
    "another learning rate": (
        edited("spec.json", lambda spec: spec["recipe"]["training"].update(learning_rate=9.9)), "describes another run"
    ),
    "another sample": (edited("spec.json", lambda spec: spec.update(sample="all")), "describes another run"),
    "another table": (edited("spec.json", lambda s: s["truth"].update(digest="0")), "describes another run"),
    "a plug-in": (edited("spec.json", lambda s: s.update(plugins=[{"path": "x", "sha256": "0"}])), "another run"),
    "plug-ins of another shape": (edited("spec.json", lambda spec: spec.update(plugins={"a": 1})), "plugins is"),
    "a plug-in without a digest": (edited("spec.json", lambda spec: spec.update(plugins=["x"])), "has no SHA-256"),
    "no recipe": (edited("spec.json", lambda spec: spec.pop("recipe")), "recipe.training.epochs is None"),
    "a recipe that is a list": (edited("spec.json", lambda spec: spec.update(recipe=[])), "training.epochs is None"),
    "a search": (edited("spec.json", lambda spec: spec.update(kind="search")), "space is None"),
    "another state": (edited("status.json", lambda status: status.update(state="half")), "its state is 'half'"),
    "a state that is a list": (edited("status.json", lambda status: status.update(state=["done"])), "its state is"),
    "no state": (edited("status.json", lambda status: status.pop("state")), "its state is None"),
    "scores, yet diverged": (edited("status.json", lambda s: s.update(state="diverged")), "it diverged, but"),
    "a problem that is a list": (edited("status.json", lambda status: status.update(problem=[1])), "its problem is"),
    "of another run": (edited("status.json", lambda status: status.update(run="f" * 16)), "it holds the run 'ffff"),
    "no tau": (edited("metrics.json", lambda metrics: metrics.pop("kendall_tau")), "has no kendall_tau"),
    "a tau that is a text": (edited("metrics.json", lambda metrics: metrics.update(kendall_tau="1")), "not a number"),
    "no taus": (edited("metrics.json", lambda metrics: metrics.pop("kendall_tau_by_epoch")), "by_epoch is None"),
    "no cost": (edited("ledger.json", lambda ledger: ledger.pop("train_seconds")), "has no train_seconds"),
    "a cost that is true": (edited("ledger.json", lambda ledger: ledger.update(train_seconds=True)), "not a number"),
    "an environment of lists": (edited("environment.json", lambda found: found.update(torch=["2"])), "not a text"),
    "a log of lists": (written("log.jsonl", "[]\n"), "log.jsonl holds []"),
    "a log of texts": (written("log.jsonl", '{"epoch": 1, "loss": "low"}\n'), "log.jsonl, line 1"),
    "a log with a gap": (written("log.jsonl", '{"epoch": 1}\n{"epoch": 3}\n'), "log.jsonl, line 2"),
    "a nested log": (written("log.jsonl", NESTED), "nested too deeply"),
    "scores that are no Parquet file": (written("scores.parquet", "index,score\n"), "Parquet magic bytes"),
    "scores without a column": (with_frame(lambda f: f.drop(columns="true")), "0 columns called true"),
    "scores that are texts": (with_frame(lambda f: f.assign(accuracy="high")), "accuracy holds"),
    "no scores": (with_frame(lambda frame: frame[:0]), "scores.parquet has no rows"),
    "a sum of a device": (summed(_dev_zero="0" * 64), "which is not a file of a run"),
    "a sum of a file elsewhere": (summed(**{".._.._secret": "0" * 64}), "which is not a file of a run"),
    "a sum that is a number": (summed(**{"metrics.json": 1}), "which is not a SHA-256"),
    "a link": (replaced("metrics.json", lambda path: path.symlink_to("/dev/zero")), "is not a regular file"),
    "a link to itself": (replaced("ledger.json", lambda path: path.symlink_to(path)), "is not a regular file"),
    "a pipe": (replaced("checksums.json", os.mkfifo), "is not a regular file"),
    "a folder": (replaced("scores.parquet", lambda path: path.mkdir()), "is not a regular file"),
    "a file without a sum": (lambda run: (run / "trace.parquet").write_bytes(b""), "trace.parquet has no checksum"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_run_is_named_and_skipped(kind, spec, study, copied):
    damage, message = DAMAGE[kind]
    whole = len(copied.results()[0])
    damage(copied.root / spec.hash)
    with pytest.raises(Damaged) as error:
        copied.read(spec.hash)
    assert message in str(error.value)
    assert str(copied.root / spec.hash) in str(error.value)
    assert len(str(error.value)) < 700
    assert "\n" not in str(error.value)
    found, problems = copied.results()
    assert len(found) == whole - 1
    assert problems == [str(error.value)]
    assert state_of(spec, copied) == ("damaged", str(error.value))
    assert not copied.whole(spec.hash)


def test_damaged_runs_take_no_others_out_of_the_database(copied):
    damaged = copied.hashes()[:3]
    for run, kind in zip(damaged, ("a log of lists", "scores without a column", "metrics.json is nested"), strict=True):
        DAMAGE[kind][0](copied.root / run)
    with Database(copied) as database:
        assert len(database.problems) == 3
        rows = database.query("SELECT * FROM runs JOIN scores USING (hash) JOIN epochs USING (hash)")
        assert set(rows["hash"]) == {copied.hashes()[3]}


INCONSISTENT = {
    "metrics that are too good": edited("metrics.json", lambda metrics: metrics.update(kendall_tau=0.99)),
    "other scores": with_frame(lambda frame: frame.assign(accuracy=frame["true"])),
    "fewer scores": with_frame(lambda frame: frame.groupby("epoch").head(10)),
    "an epoch less": with_frame(lambda frame: frame[frame["epoch"] == 3]),
    "an epoch less of training": written("log.jsonl", '{"epoch": 1}\n{"epoch": 2}\n'),
    "another version": edited("spec.json", lambda spec: spec.update(format=1)),
}


@pytest.mark.parametrize("kind", INCONSISTENT)
def test_a_run_that_contradicts_itself_counts_as_damaged_where_conclusions_are_drawn(kind, spec, copied, study):
    INCONSISTENT[kind](copied.root / spec.hash)
    compared = ComparedStore(copied.root)
    assert state_of(spec, compared)[0] == "damaged"
    assert [state_of(other, compared)[0] for _, other in study().plan()].count("done") == 3
    assert not compared.whole(spec.hash)


@pytest.mark.parametrize("text", ["[]", "null", "3", '{"problem": 3}', '{"problem": null}', "{", NESTED, "\0", "{}"])
def test_notes_of_another_shape_are_ignored(text, spec, store):
    (store.root / ".failed" / f"{spec.hash}.json").write_text(text)
    (store.root / ".work" / spec.hash).mkdir()
    (store.root / ".work" / spec.hash / "progress.json").write_text(text)
    assert store.failure(spec.hash) is None
    assert store.progress(spec.hash) is None
    assert state_of(spec, store) == ("missing", "")
    with store.hold(spec):
        assert state_of(spec, store) == ("running", "")
    with Database(store) as database:
        assert len(database.query("SELECT * FROM failures")) == 1


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
        assert state_of(spec, store) == ("running", "epoch 2/3; its process last said so 60 minutes ago")


def test_files_are_hashed_once_as_long_as_they_do_not_change(spec, copied, monkeypatch):
    monkeypatch.setattr(integrity, "SETTLED", -1)
    hashed = []
    monkeypatch.setattr(integrity, "digest", lambda path, digest=files.digest: (hashed.append(path), digest(path))[1])
    first = copied.read(spec.hash)
    first.metrics.clear()
    assert copied.read(spec.hash).metrics, "what a reader does to its copy stays there"
    assert len(hashed) == len(set(hashed)) == 8
    path = copied.root / spec.hash / "metrics.json"
    before = path.stat()
    path.write_text(path.read_text().replace("1", "2"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(Damaged, match=r"metrics\.json was altered"):
        copied.read(spec.hash)


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


def test_a_damaged_run_is_put_aside_and_made_again(spec, copied, undisturbed):
    garble(copied.root / spec.hash / "metrics.json")
    assert execute(spec, copied) == "done"
    assert outcome(copied, spec.hash) == outcome(undisturbed, spec.hash)
    (aside,) = (copied.root / ".damaged").iterdir()
    assert aside.name.startswith(spec.hash)
    assert (aside / "scores.parquet").exists()
    assert len(copied.results()[0]) == len(undisturbed.results()[0])


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
def test_on_a_disk_that_is_really_full_the_reason_is_said(kilobytes, mounted, spec, undisturbed):
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
