"""The NAS-Bench-201 importer on the NATS-Bench archive, made here."""

import bz2
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from nb201_records import (
    NATS,
    RunsCode,
    archive,
    assert_holds_the_curves,
    assert_holds_the_records,
    endless,
    refused,
    tar_of,
)

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth import nb201_sources as module
from supernet.benchmarks.truth.import_nb201 import CURVES, import_nb201


def test_an_archive_is_imported_by_worker_processes(tmp_path):
    table = import_nb201(archive(tmp_path), tmp_path / "nats.parquet", allow_partial=True)
    assert_holds_the_records(table)
    assert_holds_the_curves(tmp_path / "nats.curves.parquet")
    assert table.about | dict.fromkeys(("content_sha256", "about_sha256"), "") == {
        "space": "nb201",
        "family": "NATS-Bench tss records",
        "accuracy_unit": "percent",
        "source": NATS,
        "source_check": "each record agrees with its bzip2 checksum; no checksum of the archive is published",
        "content_sha256": "",
        "about_sha256": "",
    }


def test_the_import_reports_what_a_worker_process_refuses(tmp_path):
    source = archive(tmp_path, indices=[7])
    marker = tmp_path / "it-ran"
    (source / "000008.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"12": RunsCode(marker)})))
    target = tmp_path / "target" / "nats.parquet"
    with pytest.raises(BadTable, match=r"000008\.pickle\.pbz2: the pickle asks for \w+\.system"):
        import_nb201(source, target, allow_partial=True)
    assert os.listdir(target.parent) == []
    assert not marker.exists()


def test_a_record_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_SECONDS", 1)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    source = tmp_path / "NATS-tss"
    source.mkdir()
    (source / "000008.pickle.pbz2").write_bytes(bz2.compress(endless()))
    refused(source, tmp_path, "needs more than 1 s")


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz")])
def test_a_tar_holds_the_same_as_its_folder(tmp_path, in_process, suffix, mode):
    folder = archive(tmp_path)
    one = import_nb201(folder, tmp_path / "one.parquet", allow_partial=True)
    two = import_nb201(tar_of(folder, suffix, mode), tmp_path / "two.parquet", allow_partial=True)
    assert_holds_the_records(two)
    assert two.about == one.about | {"source": NATS + suffix, "about_sha256": two.about["about_sha256"]}
    assert pq.read_table(tmp_path / "one.curves.parquet").num_rows > 0
    assert_holds_the_curves(tmp_path / "two.curves.parquet")


def test_an_incomplete_archive_is_refused(tmp_path, in_process):
    refused(archive(tmp_path), tmp_path, "holds 3 of the 15,625 architectures", allow_partial=False)


def test_the_size_search_space_is_refused(tmp_path):
    source = archive(tmp_path, "NATS-sss-v1_0-50262-simple", [7])
    refused(source, tmp_path, "size search space")
    refused(tar_of(source), tmp_path, "size search space")


def test_a_folder_or_tar_without_records_is_refused(tmp_path):
    source = archive(tmp_path, indices=[])
    refused(source, tmp_path, "holds no NATS-Bench records")
    refused(tar_of(source), tmp_path, "holds no NATS-Bench records")


# ---- processes -------------------------------------------------------------------------------------------------

WORKERS = """
import os, sys, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from supernet.benchmarks.truth.nb201_sources import _begin

if __name__ == "__main__":
    begin = {"initializer": _begin, "initargs": (os.getpid(), 20)}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), **begin) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(3600)
"""


def alive(process):
    """Whether a process runs, which a dead one that nobody waits for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_when_the_import_is_killed(tmp_path):
    (tmp_path / "pool.py").write_text(WORKERS)
    parent = subprocess.Popen([sys.executable, tmp_path / "pool.py"], stdout=subprocess.PIPE, text=True)
    worker = int(parent.stdout.readline())
    assert alive(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(worker)


def test_what_a_killed_import_left_is_removed_by_the_next(tmp_path, in_process):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in ("nats.parquet", "nats.curves.parquet"):
        (tmp_path / f".{name}.{gone.pid}.partial").write_bytes(b"half")
    import_nb201(archive(tmp_path), tmp_path / "nats.parquet", allow_partial=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["nats.curves.parquet", "nats.parquet"]


def test_real_records_agree_with_the_real_table(data_dir, nb201_truth, tmp_path, in_process):
    if not (data_dir / NATS).is_dir():
        pytest.skip(f"no {NATS} in $SUPERNET_DATA")
    table = import_nb201(data_dir / NATS, tmp_path / "nats.parquet", allow_partial=True)
    common = [name for name in nb201_truth.columns if name in table.columns and name not in ("index", "arch")]
    assert set(nb201_truth.columns) <= {*table.columns}
    rows = [0, 11, 284]
    for name in common:
        found, wanted = (t.read(name).to_numpy(zero_copy_only=False)[rows] for t in (table, nb201_truth))
        if name.endswith((".params", ".flops")):
            assert found.tolist() == wanted.tolist(), name
        elif ".train_seconds." in name:
            np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5, err_msg=name)
    assert np.isnan(np.delete(table.readings("cifar10", "test", 200, "mean"), rows)).all()
    curves = pq.read_table(tmp_path / "nats.curves.parquet")
    assert curves.schema.equals(CURVES)
    assert set(curves["index"].to_pylist()) == set(rows)
    assert json.loads(pq.read_schema(table.path).metadata[b"ground_truth"])["source"] == NATS
