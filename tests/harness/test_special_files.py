"""Pipes and devices in the places of files: they are refused, and nothing waits for them."""

import json
import os
import signal

import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import file_digests
from supernet.benchmarks.plain_yaml import read_yaml
from supernet.benchmarks.truth.shelf import table_for
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.correlation.formats import read_table
from supernet.harness.measured import benchmark as embedded
from supernet.harness.query.reported import reported
from supernet.harness.report import whole
from supernet.harness.report.search.report import identity_of
from supernet.harness.runs import integrity
from supernet.harness.runs.store import Store
from supernet.harness.scoring import partial
from supernet.harness.scoring.ranked import _rows
from supernet.harness.study import make as run
from supernet.harness.study.reading import load_study
from supernet.harness.study.shipped import shipped_recipe
from supernet.harness.training import folder as run_folder
from supernet.heuristics import recipe
from supernet.heuristics.plugins import Plugin


def held(manager):
    with manager:
        pass


class NamedJob:
    hash = "0" * 16


READERS = {
    "YAML": ("x.yaml", read_yaml),
    "a recipe": ("x.yaml", recipe.load),
    "a recipe by its name": ("x.yaml", shipped_recipe),
    "a study": ("x.yaml", load_study),
    "a benchmark": ("x.yaml", lambda path: embedded.load(str(path))),
    "scores in CSV": ("x.csv", lambda path: read_table(path, ("arch",))),
    "scores in JSON": ("x.json", lambda path: read_table(path, ("arch",))),
    "scores in Parquet": ("x.parquet", lambda path: read_table(path, ("arch",))),
    "a table": ("x.parquet", GroundTruth),
    "a table by its name": (
        "x.parquet",
        lambda path: table_for("nb201", Measure("digits", "test", "1", "mean"), str(path)),
    ),
    "a plug-in": ("x.py", Plugin.read),
    "a digest": ("x", lambda path: file_digests(path, "sha256")),
    "a run's log": (run_folder.LOG, lambda path: run_folder.read_log(path.parent)),
    "a run's status": (run_folder.STATUS, lambda path: run_folder.read_status(path.parent)),
    "a finished run's log": ("log.jsonl", integrity.read_log),
    "a finished run's JSON": ("status.json", integrity.read_json),
    "an interrupted ranking": (".scores.partial.npz", partial._read),
    "scores of an epoch": (".scores-1.parquet", run._read_scores),
}
LOCKS = {
    "a run folder's": (".lock", lambda path: held(run_folder.hold(path.parent))),
    "a report's": ("x.lock", lambda path: held(whole._locked(path, path.parent))),
    "a store's": (f".work/{NamedJob.hash}.lock", lambda path: held(Store(path.parents[1]).hold(NamedJob()))),
}


@pytest.fixture(autouse=True)
def soon():
    """Whatever waits is interrupted."""

    def ring(*_):
        raise AssertionError("it waits for a pipe, or reads a device")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_reader_refuses_it(tmp_path, reader, kind):
    name, read = READERS[reader]
    if kind == "pipe":
        os.mkfifo(tmp_path / name)
    else:
        (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises((UserError, OSError, ValueError), match=r"(?i)not a (regular )?file"):
        read(tmp_path / name)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_not_waited_for_where_it_is_a_pipe(tmp_path, lock):
    name, hold = LOCKS[lock]
    (tmp_path / name).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / name)
    with pytest.raises(OSError, match="Not a regular file"):
        hold(tmp_path / name)
    assert not Store(tmp_path).held(NamedJob.hash)


def test_what_only_informs_is_passed_over(tmp_path):
    for name in ("scores.parquet", "comparison.json"):
        os.mkfifo(tmp_path / name)
    assert _rows(tmp_path / "scores.parquet") == 0
    assert identity_of(tmp_path / "comparison.json") is None
    report = tmp_path / "reports" / "a" / "report.json"
    report.parent.mkdir(parents=True)
    os.mkfifo(report)
    assert reported(tmp_path, set()).problems == [
        f"The report {report} cannot be read: Not a regular file (but a folder, pipe, socket or device)."
    ]
    report.unlink()
    report.write_text(json.dumps({}))
    assert reported(tmp_path, set()).problems == []


def test_a_result_of_a_training_is_not_waited_for(tmp_path):
    benchmark = embedded.load("nb201-digits")
    index = int(benchmark.indices()[0])
    os.mkfifo(tmp_path / f"{index}-s0.json")
    with pytest.raises(OSError, match="Not a regular file"):
        embedded.result_of(tmp_path, benchmark, index, 0)
