"""Damaged runs are named, left out of results, and made again."""

import json
import os
import shutil

import pandas as pd
import pytest
from tiny import outcome

from supernet.harness.query.database import Database
from supernet.harness.runs import integrity
from supernet.harness.runs import store as files
from supernet.harness.runs.compared import ComparedStore
from supernet.harness.runs.execute import execute
from supernet.harness.runs.state import state_of
from supernet.harness.runs.store import Damaged


def garble(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


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


def test_a_damaged_run_is_put_aside_and_made_again(spec, copied, undisturbed):
    garble(copied.root / spec.hash / "metrics.json")
    assert execute(spec, copied) == "done"
    assert outcome(copied, spec.hash) == outcome(undisturbed, spec.hash)
    (aside,) = (copied.root / ".damaged").iterdir()
    assert aside.name.startswith(spec.hash)
    assert (aside / "scores.parquet").exists()
    assert len(copied.results()[0]) == len(undisturbed.results()[0])
