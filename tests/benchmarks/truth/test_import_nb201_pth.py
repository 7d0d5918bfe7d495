"""The NAS-Bench-201 importer on the official .pth, made here."""

import errno
import hashlib
import os
import struct
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from nb201_records import (
    SPACE,
    STRINGS,
    RunsCode,
    SomeClass,
    _info,
    accuracies,
    assert_holds_the_curves,
    assert_holds_the_records,
    content,
    endless,
    expected,
    refused,
    save,
    with_pickle,
)

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth import import_nb201 as imports
from supernet.benchmarks.truth import nb201_sources as module
from supernet.benchmarks.truth.import_nb201 import import_nb201
from supernet.benchmarks.truth.nb201_records import Record
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.truth.verify import verify

READ_PTH = module.read_pth


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Read the file here, where no new process has to import torch first."""
    monkeypatch.setattr(module, "read_pth", module.records_of_pth)


def test_another_process_reads_the_same(tmp_path):
    source = save(tmp_path / "records.pth", content([0, 7]))
    there, here = list(READ_PTH(source)), list(module.records_of_pth(source))
    assert [(r.index, r.values) for r in there] == [(r.index, r.values) for r in here]
    for one, other in zip(there, here, strict=True):
        np.testing.assert_equal(one.curves, other.curves)
    with pytest.raises(BadTable, match="is not an intact NAS-Bench-201 file"):
        list(READ_PTH(save(tmp_path / "other.pth", {"meta_archs": []})))


def test_a_pickle_that_takes_for_ever_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_SECONDS", 1)
    monkeypatch.setattr(module, "read_pth", READ_PTH)
    refused(with_pickle(tmp_path / "records.pth", endless()), tmp_path, "much more time than an official file")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_everything_in_the_pth_comes_out_as_recorded(tmp_path, zipped):
    source = save(tmp_path / "records.pth", content(), zipped)
    seen = []
    target = tmp_path / "new" / "folder" / "nb201.parquet"
    table = import_nb201(source, target, allow_partial=True, progress=lambda *at: seen.append(at))
    assert_holds_the_records(table)
    assert_holds_the_curves(target.with_name("nb201.curves.parquet"))
    assert sorted(os.listdir(target.parent)) == ["nb201.curves.parquet", "nb201.parquet"]
    assert seen[-1] == (3, 15625)
    assert table.path == target
    assert table.about | dict.fromkeys(("source_check", "content_sha256", "about_sha256"), "") == {
        "space": "nb201",
        "family": "NAS-Bench-201 records",
        "accuracy_unit": "percent",
        "source": "records.pth",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "source_check": "",
        "content_sha256": "",
        "about_sha256": "",
    }
    assert "nothing vouches for the file" in table.about["source_check"]
    assert [what for what, right, _ in verify(table) if not right and not what.startswith("best")] == []


def test_numpy_scalars_of_old_files_are_read(tmp_path):
    """Files written before NumPy 2 name its module numpy.core."""
    source = save(tmp_path / "records.pth", content(), zipped=False)
    written = source.read_bytes()
    new, old = b"cnumpy._core.multiarray\nscalar\n", b"cnumpy.core.multiarray\nscalar\n"
    assert written.count(new if np.__version__ >= "2" else old) == 1
    source.write_bytes(written.replace(new, old))
    assert_holds_the_records(import_nb201(source, tmp_path / "nb201.parquet", allow_partial=True))


def test_an_earlier_table_is_replaced_with_its_curves(tmp_path):
    for name in ("nb201.parquet", "nb201.curves.parquet"):
        (tmp_path / name).write_bytes(b"earlier")
    import_nb201(save(tmp_path / "records.pth", content()), tmp_path / "nb201.parquet", allow_partial=True)
    assert_holds_the_records(GroundTruth(tmp_path / "nb201.parquet"))
    assert_holds_the_curves(tmp_path / "nb201.curves.parquet")


def test_what_a_record_did_not_measure_is_left_out(tmp_path):
    held = content([7])
    for states in held["arch2infos"][7].values():
        for result in states["all_results"].values():
            result.update(latency=None, train_times=None, eval_times={})
    table = import_nb201(save(tmp_path / "records.pth", held), tmp_path / "nb201.parquet", allow_partial=True)
    wanted = {name for name, rows in expected().items() if 7 in rows and "_seconds" not in name}
    assert set(table.columns) == {"index", "arch", *wanted}


def everything(lacking=()):
    return [
        Record(i, {"cifar10.params": float(p), "cifar10.test.e200.mean": i / 200}, [])
        for i, p in enumerate(SPACE.params(SPACE.archs()))
        if i not in lacking
    ]


def test_a_complete_source_makes_a_complete_table(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_pth", lambda source: iter(everything()))
    source = tmp_path / "records.pth"
    source.write_bytes(b"stands for a complete one")
    seen = []
    table = import_nb201(source, tmp_path / "nb201.parquet", progress=lambda *at: seen.append(at))
    assert table.read("cifar10.params").type == "int64"
    assert table.params("cifar10").tolist() == SPACE.params(SPACE.archs()).tolist()
    assert table.accuracy("cifar10", "test", 200, "mean").tolist() == [i / 200 for i in range(15625)]
    assert seen == sorted(seen)
    assert seen[-1] == (15625, 15625)


def test_a_source_that_lacks_one_architecture_is_incomplete(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_pth", lambda source: iter(everything(lacking=[9000])))
    source = tmp_path / "records.pth"
    source.write_bytes(b"stands for one that is not")
    match = r"15,624 of the 15,625 .* incomplete.*--allow-partial"
    refused(source, tmp_path, match, allow_partial=False)
    refused(source, tmp_path / "target", match, earlier=False, allow_partial=False)


@pytest.mark.parametrize("place", ["top", "key", "record"])
@pytest.mark.parametrize(
    ("kind", "zipped"),
    [("code", True), ("code", False), ("class", True), ("function", True), ("array", False)],
)
def test_a_pth_that_asks_for_code_is_refused_and_nothing_runs(tmp_path, zipped, place, kind):
    marker = tmp_path / "it-ran"
    bad = {"code": RunsCode(marker), "class": SomeClass(), "function": eval, "array": np.zeros(2)}[kind]
    held = content([7])
    if place == "key":
        held["more"] = bad
    elif place == "record":
        held["arch2infos"][7]["full"]["all_results"]["cifar10", 888]["params"] = bad
    source = save(tmp_path / "records.pth", bad if place == "top" else held, zipped)
    refused(source, tmp_path, "contain code, which is never run")
    assert not marker.exists()
    if kind == "code":  # a loader that trusts the file does run it
        torch.load(source, weights_only=False)
        assert marker.exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_truncated_pth_is_refused_wherever_it_is_cut(tmp_path, zipped):
    source = save(tmp_path / "records.pth", content([7]), zipped)
    whole = source.read_bytes()
    for length in (0, 1, 2, 100, len(whole) // 3, len(whole) // 2, len(whole) - 500, len(whole) - 1):
        source.write_bytes(whole[:length])
        refused(source, tmp_path, "is not an intact NAS-Bench-201 file")


@pytest.mark.parametrize("held", [b"no benchmark at all", b"PK\x03\x04 and so on", bytes(10), bytes(10000)])
@pytest.mark.parametrize("earlier", [True, False])
def test_another_file_is_refused(tmp_path, held, earlier):
    source = tmp_path / "records.pth"
    source.write_bytes(held)
    refused(source, tmp_path, "is not an intact NAS-Bench-201 file|holds no NATS-Bench records", earlier)


def test_a_source_that_is_not_there_is_refused(tmp_path):
    refused(tmp_path / "missing.pth", tmp_path, "No such file")


def _run(held, name="full", dataset="cifar10", seed=888, index=7):
    return held["arch2infos"][index][name]["all_results"][dataset, seed]


def swapped_archs(held):
    held["meta_archs"][3], held["meta_archs"][4] = held["meta_archs"][4], held["meta_archs"][3]


def swapped_budgets(held):
    info = held["arch2infos"][7]
    info["less"], info["full"] = info["full"], info["less"]


def renamed_data(held):
    states = held["arch2infos"][7]["full"]
    states["dataset_seed"]["svhn"] = [777]
    states["all_results"]["svhn", 777] = states["all_results"]["cifar10", 777]


def renamed_set(held):
    _run(held)["eval_names"] = ["y-test"]
    _run(held)["eval_acc1es"]["y-test@199"] = _run(held)["eval_losses"]["y-test@199"] = 50.0
    _run(held)["eval_times"] = {}


ORDER = "does not list the 15,625 architectures in the official order"
INTACT = "is not an intact NAS-Bench-201 file"
RECORD = "architecture 7 is not a NAS-Bench-201 record"
PERCENT = "architecture 7: cifar10, 200 epochs, seed 888 has the accuracy .*outside 0 … 100 percent"
TIME = "architecture 7: cifar10, 200 epochs, seed 888 (took|has the latency) .*, which cannot be"
ALTERED = {
    "the order of the architectures": (swapped_archs, ORDER),
    "fewer architectures": (lambda held: held["meta_archs"].pop(), ORDER),
    "no list of architectures": (lambda held: held.update(meta_archs=7), ORDER),
    "no architectures": (lambda held: held.pop("meta_archs"), INTACT),
    "no records": (lambda held: held.pop("arch2infos"), INTACT),
    "a list of records": (lambda held: held.update(arch2infos=list(held["arch2infos"].values())), INTACT),
    "unlike keys": (lambda held: held["arch2infos"].update(x=held["arch2infos"][7]), INTACT),
    "empty records": (lambda held: held["arch2infos"].clear(), "holds no architecture's results"),
    "a record of another architecture": (
        lambda held: held["arch2infos"][7]["full"].update(arch_str=STRINGS[8]),
        "architecture 7 is about .* but architecture 7 is",
    ),
    "records of two architectures exchanged": (
        lambda held: held["arch2infos"].update({7: _info(0)}),
        "architecture 7 is about",
    ),
    "an index beyond the last": (
        lambda held: held["arch2infos"].update({15625: held["arch2infos"][7]}),
        "architecture 15625 is not a NAS-Bench-201 record .*outside 0 … 15624",
    ),
    "no 12-epoch record": (lambda held: held["arch2infos"][7].pop("less"), RECORD),
    "no 200-epoch record": (lambda held: held["arch2infos"][7].pop("full"), RECORD),
    "a record that is none": (lambda held: held["arch2infos"].update({7: [1, 2]}), RECORD),
    "a record without runs": (
        lambda held: held["arch2infos"][7]["full"].pop("dataset_seed"),
        "architecture 7 has no runs of 200 epochs",
    ),
    "a run that is missing": (
        lambda held: held["arch2infos"][7]["full"]["all_results"].pop(("cifar10", 888)),
        RECORD,
    ),
    "training budgets exchanged": (swapped_budgets, "architecture 7 has other runs than those of 12 epochs"),
    "another data set": (renamed_data, "'svhn', which is not a data set of the benchmark"),
    "another evaluation set": (renamed_set, RECORD),
    "params of another network": (
        lambda held: _run(held).update(params=_run(held)["params"] + 3e-6),
        r"cifar10\.params of 1 architecture\(s\), the first 7, is not what the network has",
    ),
    "flops of another network": (
        lambda held: _run(held).update(flop=_run(held)["flop"] + 3e-6),
        r"cifar10\.flops of 1 architecture\(s\), the first 7, is not what the network has",
    ),
    "no params": (lambda held: _run(held).update(params=None), RECORD),
    "accuracy above 100": (lambda held: _run(held)["eval_acc1es"].update({"ori-test@199": 100.01}), PERCENT),
    "accuracy below 0": (lambda held: _run(held)["eval_acc1es"].update({"ori-test@199": -0.01}), PERCENT),
    "infinite accuracy": (lambda held: _run(held)["eval_acc1es"].update({"ori-test@199": np.inf}), PERCENT),
    "an accuracy that is no number": (lambda held: _run(held)["eval_acc1es"].update({"ori-test@3": np.nan}), PERCENT),
    "a training accuracy above 100": (lambda held: _run(held)["train_acc1es"].update({3: 1e9}), PERCENT),
    "a negative time": (lambda held: _run(held)["train_times"].update({3: -1000.0}), TIME),
    "an infinite time": (lambda held: _run(held)["train_times"].update({3: np.inf}), TIME),
    "a time that is no number": (lambda held: _run(held)["eval_times"].update({"ori-test@3": np.nan}), TIME),
    "an infinite latency": (lambda held: _run(held)["latency"].append(np.inf), TIME),
    "a negative latency": (lambda held: _run(held)["latency"].append(-0.5), TIME),
    "negative params": (
        lambda held: _run(held).update(params=-1.0),
        "is not what the network has",
    ),
    "infinite flops": (lambda held: _run(held).update(flop=np.inf), RECORD),
    "two runs of one seed": (
        lambda held: held["arch2infos"][7]["full"]["dataset_seed"]["cifar10"].append(888),
        "do not have distinct seeds",
    ),
    "a file's name for a record": (lambda held: held["arch2infos"][7].update(full="/etc/hostname"), RECORD),
    "a truth value for a number": (
        lambda held: held.update(arch2infos={True: held["arch2infos"][7]}),
        "its records are not numbered",
    ),
    "no accuracy after the last epoch": (lambda held: _run(held)["eval_acc1es"].pop("ori-test@199"), RECORD),
    "text for an accuracy": (lambda held: _run(held)["eval_acc1es"].update({"ori-test@199": "high"}), RECORD),
    "text for a loss": (lambda held: _run(held)["train_losses"].update({5: "low"}), RECORD),
    "no text for names": (lambda held: _run(held).update(eval_names=7), RECORD),
}


@pytest.mark.parametrize("altered", ALTERED)
def test_an_altered_pth_is_refused(tmp_path, altered):
    change, match = ALTERED[altered]
    held = content([7])
    change(held)
    refused(save(tmp_path / "records.pth", held), tmp_path, match)


@pytest.mark.parametrize("held", [[], "text", 7, None, torch.zeros(2)], ids=lambda held: type(held).__name__)
def test_a_pth_of_something_else_is_refused(tmp_path, held):
    refused(save(tmp_path / "records.pth", held), tmp_path, INTACT)


def test_the_name_of_an_official_file_has_to_match_its_md5_sum(tmp_path, monkeypatch):
    source = save(tmp_path / "NAS-Bench-201-v1_1-000000.pth", content())
    digest = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    refused(source, tmp_path, f"MD5 sum is {digest}, which does not end in 000000")
    right = source.rename(tmp_path / f"NAS-Bench-201-v1_1-{digest[-6:]}.pth")
    table = import_nb201(right, tmp_path / "nb201.parquet", allow_partial=True)
    assert_holds_the_records(table)
    assert f"ends in {digest[-6:]}" in table.about["source_check"]
    other = right.rename(tmp_path / "renamed.pth")
    monkeypatch.setitem(imports.OFFICIAL_MD5, digest, "NAS-Bench-201-v9_9-000000.pth")
    table = import_nb201(other, tmp_path / "nb201.parquet", allow_partial=True)
    assert "the published one of NAS-Bench-201-v9_9-000000.pth" in table.about["source_check"]


def flip_a_value(data):
    """One bit of one accuracy in the pickle."""
    value = accuracies(7, "cifar10", 200, 888, "ori-test")[-1]
    at = data.find(struct.pack(">d", value))
    assert at > 0
    data[at + 1] ^= 1


def mark_as_folder(data):
    """The attribute of every entry in the zip directory that makes torch read nothing for it."""
    at = 0
    while (at := data.find(b"PK\1\2", at)) >= 0:
        data[at + 38] |= 0x10
        at += 4


@pytest.mark.parametrize("damage", [flip_a_value, mark_as_folder])
def test_a_zip_that_does_not_agree_with_its_checksums_is_refused(tmp_path, damage):
    source = save(tmp_path / "renamed.pth", content([7]))
    data = bytearray(source.read_bytes())
    damage(data)
    source.write_bytes(data)
    refused(source, tmp_path, "is not an intact NAS-Bench-201 file .ValueError: its entry")


@pytest.mark.parametrize("change", ["deflated", "twice"])
def test_a_zip_that_torch_did_not_write_is_refused(tmp_path, change):
    whole = zipfile.ZipFile(save(tmp_path / "whole.pth", content([7])))
    source = tmp_path / "renamed.pth"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED if change == "deflated" else zipfile.ZIP_STORED) as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
        if change == "twice":
            with pytest.warns(UserWarning, match="Duplicate"):
                packed.writestr(name, b"")
    refused(source, tmp_path, "not stored as torch does|two of one name")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "renamed.pth")
    refused(tmp_path / "renamed.pth", tmp_path, "cannot be read: it is not a regular file")


def test_a_file_that_does_not_fit_into_memory_says_what_to_import_instead(tmp_path, monkeypatch):
    def too_large(*_, **__):
        raise MemoryError

    source = save(tmp_path / "records.pth", {})
    monkeypatch.setattr(torch, "load", too_large)
    refused(source, tmp_path, "does not fit into this machine's memory.*NATS-Bench archive")


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("writer", ["table", "curves"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, writer):
    source = save(tmp_path / "records.pth", content([7]))
    target = tmp_path / "target" / "nb201.parquet"
    if writer == "table":
        monkeypatch.setattr(pq, "write_table", full_disk)
    else:
        monkeypatch.setattr(pq.ParquetWriter, "write_table", full_disk)
    with pytest.raises(OSError, match="No space left"):
        import_nb201(source, target, allow_partial=True)
    assert os.listdir(target.parent) == []
