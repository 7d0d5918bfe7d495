"""The NAS-Bench-201 importer on files in the official formats, made here with the official record classes."""

import bz2
import copy
import errno
import hashlib
import io
import json
import os
import pickle
import tarfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from nas_201_api.api_utils import ArchResults, ResultsCount

from benchmarks.errors import BadTable
from benchmarks.spaces import NB201
from benchmarks.truth import import_nb201 as module
from benchmarks.truth.import_nb201 import CURVES, Record, RestrictedUnpickler, import_nb201
from benchmarks.truth.table import GroundTruth
from benchmarks.truth.verify import verify

SPACE = NB201()
STRINGS = [SPACE.string(arch) for arch in SPACE.archs().tolist()]
NATS = "NATS-tss-v1_0-3ffb9-simple"

SETS = {
    "cifar10-valid": {"x-valid": "valid", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"ori-test": "heldout", "x-valid": "valid", "x-test": "test"},
    "ImageNet16-120": {"ori-test": "heldout", "x-valid": "valid", "x-test": "test"},
}
"""Data set -> evaluation set in the record -> split in the table."""
AT_THE_END = {
    ("cifar10-valid", "ori-test"),
    *((d, s) for d in ("cifar100", "ImageNet16-120") for s in ("x-valid", "x-test")),
}
"""What a record of 200 epochs evaluates after the last one alone."""
SEEDS = {
    (0, 12): {"cifar10-valid": (111, 777), "cifar10": (111,), "cifar100": (111,), "ImageNet16-120": (111,)},
    (0, 200): {"cifar10-valid": (777, 888, 999), "cifar10": (888,), "cifar100": (777, 888), "ImageNet16-120": (777,)},
    (7, 12): {"cifar10-valid": (777,)},
    (7, 200): {"cifar10-valid": (888,), "cifar10": (777, 888, 999)},
    (15624, 12): {"cifar10": (111,)},
    (15624, 200): {"cifar100": (777, 888, 999)},
}
"""(architecture, epochs) -> data set -> seeds of the runs."""
INDICES = (0, 7, 15624)


# ---- what the records say, and the records themselves ----------------------------------------------------------


@cache
def curve(*of, epochs):
    """Numbers between 1 and 99, one per epoch, that this thing alone has."""
    return np.random.default_rng(zlib.crc32(repr(of).encode())).uniform(1, 99, epochs).tolist()


def accuracies(index, dataset, epochs, seed, where):
    return curve("accuracy", index, dataset, epochs, seed, where, epochs=epochs)


def losses(index, dataset, epochs, seed, where):
    return curve("loss", index, dataset, epochs, seed, where, epochs=epochs)


def seconds(index, dataset, epochs, seed):
    return curve("seconds", index, dataset, epochs, seed, epochs=1)[0]


def latencies(index, dataset, epochs, seed):
    return [value / 1000 for value in curve("latency", index, dataset, epochs, seed, epochs=2)]


def evaluated(dataset, epochs, where):
    """The epochs after which a set was evaluated."""
    return [epochs - 1] if epochs == 200 and (dataset, where) in AT_THE_END else list(range(epochs))


def run(index, dataset, epochs, seed):
    of = (index, dataset, epochs, seed)
    arch = SPACE.archs([index])
    result = ResultsCount(
        name=dataset,
        state_dict=None,
        train_accs=None,
        train_losses=None,
        params=np.float64(SPACE.params(arch, dataset.lower())[0] / 1e6),
        flop=float(SPACE.flops(arch, dataset.lower())[0] / 1e6),
        arch_config={"channel": 16, "num_cells": 5, "arch_str": STRINGS[index], "class_num": 10},
        seed=f"{seed:04}",
        epochs=epochs,
        latency=[np.float64(value) for value in latencies(*of)],
    )
    result.update_train_info(
        dict(enumerate(accuracies(*of, "train"))), None, dict(enumerate(losses(*of, "train"))), None
    )
    result.reset_pseudo_train_times(seconds(*of))
    for where in SETS[dataset]:
        at = evaluated(dataset, epochs, where)
        result.update_OLD_eval(
            where,
            {epoch: accuracies(*of, where)[epoch] for epoch in at},
            {epoch: losses(*of, where)[epoch] for epoch in at},
        )
        result.reset_pseudo_eval_times(where, 1.5)
    return result


@cache
def _info(index):
    info = {}
    for name, epochs in (("less", 12), ("full", 200)):
        results = ArchResults(index, STRINGS[index])
        for dataset, seeds in SEEDS[index, epochs].items():
            for seed in seeds[::-1]:
                results.update(dataset, seed, run(index, dataset, epochs, seed))
        results.clear_net_done = True
        info[name] = results.state_dict()
    return info


def content(indices=INDICES):
    """What the official .pth holds, for these architectures."""
    return {
        "meta_archs": list(STRINGS),
        "arch2infos": {index: copy.deepcopy(_info(index)) for index in indices},
        "evaluated_indexes": set(indices),
    }


def save(path, held, zipped=True):
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    return path


def packed(index, change=lambda states: None):
    """A record of the NATS-Bench archive."""
    info = copy.deepcopy(_info(index))
    states = {"12": info["less"], "200": info["full"]}
    change(states)
    return bz2.compress(pickle.dumps(states, protocol=4))


def archive(folder, name=NATS, indices=INDICES):
    (folder / name).mkdir()
    for index in indices:
        (folder / name / f"{index:06}.pickle.pbz2").write_bytes(packed(index))
    (folder / name / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"archs": STRINGS})))
    return folder / name


def tar_of(folder, suffix=".tar", mode="w"):
    path = folder.with_name(folder.name + suffix)
    with tarfile.open(path, mode) as tar:
        tar.add(folder, folder.name)
    return path


def expected():
    """Column -> row -> value of everything that the records say."""
    columns = {}

    def put(name, index, value):
        columns.setdefault(name, {})[index] = value

    for (index, epochs), by_dataset in SEEDS.items():
        for original, seeds in by_dataset.items():
            dataset = original.lower()
            for where, split in {"train": "train", **SETS[original]}.items():
                last = [accuracies(index, original, epochs, seed, where)[-1] for seed in seeds]
                put(f"{dataset}.{split}.e{epochs}.mean", index, sum(last) / len(last))
                for seed, value in zip(seeds, last, strict=True):
                    put(f"{dataset}.{split}.e{epochs}.s{seed}", index, value)
            arch = SPACE.archs([index])
            put(f"{dataset}.params", index, SPACE.params(arch, dataset)[0])
            put(f"{dataset}.flops", index, SPACE.flops(arch, dataset)[0])
            measured = [latencies(index, original, epochs, seed) for seed in seeds]
            put(f"{dataset}.latency_seconds", index, np.mean(measured))
            spent = [epochs * seconds(index, original, epochs, seed) for seed in seeds]
            put(f"{dataset}.train_seconds.e{epochs}", index, np.mean(spent))
    return columns


def assert_holds_the_records(table):
    columns = expected()
    assert set(table.columns) == {"index", "arch", *columns}
    assert table.read("index").to_pylist() == list(range(15625))
    assert table.keys() == STRINGS
    for name, by_row in columns.items():
        values = table.read(name).to_numpy(zero_copy_only=False)
        assert np.flatnonzero(~np.isnan(values)).tolist() == sorted(by_row), name
        for row, value in by_row.items():
            assert values[row] == pytest.approx(value, rel=1e-12), (name, row)


def assert_holds_the_curves(path):
    stored = pq.read_table(path)
    assert stored.schema.equals(CURVES)
    found = {}
    for row in stored.to_pylist():
        key = (row["index"], row["dataset"], row["epochs"], row["seed"], row["series"])
        assert key not in found
        found[key] = row["values"]
    wanted = {}
    for (index, epochs), by_dataset in SEEDS.items():
        for dataset, seeds in by_dataset.items():
            for seed in seeds:
                for where, split in {"train": "train", **SETS[dataset]}.items():
                    for what, values in (("accuracy", accuracies), ("loss", losses)):
                        series = np.full(epochs, np.nan)
                        at = evaluated(dataset, epochs, where)
                        series[at] = np.array(values(index, dataset, epochs, seed, where))[at]
                        wanted[index, dataset.lower(), str(epochs), f"s{seed}", f"{split}.{what}"] = series
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, rtol=1e-6, err_msg=str(key))


def refused(source, folder, match, earlier=True, **how):
    """Importing raises BadTable with one paragraph like this, and leaves the target's folder as it was."""
    target = folder / "target" / "nb201.parquet"
    target.parent.mkdir(exist_ok=True)
    there = {"nb201.parquet": b"an earlier table", "nb201.curves.parquet": b"its curves"} if earlier else {}
    for name, held in there.items():
        (target.parent / name).write_bytes(held)
    with pytest.raises(BadTable, match=match) as error:
        import_nb201(source, target, **{"allow_partial": True, **how})
    text = str(error.value)
    assert source.name in text
    assert text.isprintable()
    assert "weights_only" not in text
    assert {file.name: file.read_bytes() for file in target.parent.iterdir()} == there


@pytest.fixture
def in_process(monkeypatch):
    """Decodes archives without starting processes."""
    monkeypatch.setattr(module, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))


# ---- the .pth --------------------------------------------------------------------------------------------------


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
    assert table.about | {"content_sha256": ""} == {
        "space": "nb201",
        "family": "NAS-Bench-201 records",
        "accuracy_unit": "percent",
        "source": "records.pth",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "content_sha256": "",
    }
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
        for i, p in enumerate(SPACE.params(SPACE.archs(), "cifar10"))
        if i not in lacking
    ]


def test_a_complete_source_makes_a_complete_table(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "read_pth", lambda source: iter(everything()))
    source = tmp_path / "records.pth"
    source.write_bytes(b"stands for a complete one")
    seen = []
    table = import_nb201(source, tmp_path / "nb201.parquet", progress=lambda *at: seen.append(at))
    assert table.read("cifar10.params").type == "int64"
    assert table.params("cifar10").tolist() == SPACE.params(SPACE.archs(), "cifar10").tolist()
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


class RunsCode:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


class SomeClass:
    pass


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
        refused(source, tmp_path, "is no intact NAS-Bench-201 file")


@pytest.mark.parametrize("held", [b"no benchmark at all", b"PK\x03\x04 and so on", bytes(10), bytes(10000)])
@pytest.mark.parametrize("earlier", [True, False])
def test_another_file_is_refused(tmp_path, held, earlier):
    source = tmp_path / "records.pth"
    source.write_bytes(held)
    refused(source, tmp_path, "is no intact NAS-Bench-201 file|holds no NATS-Bench records", earlier)


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
INTACT = "is no intact NAS-Bench-201 file"
RECORD = "architecture 7 is no NAS-Bench-201 record"
PERCENT = r"cifar10\.test\.e200\.s888 has values outside 0 … 100 percent"
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
        "architecture 15625 is no NAS-Bench-201 record .*outside 0 … 15624",
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
    "another data set": (renamed_data, "'svhn', which is no data set of the benchmark"),
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


def test_the_name_of_an_official_file_has_to_match_its_md5_sum(tmp_path):
    source = save(tmp_path / "NAS-Bench-201-v1_1-000000.pth", content())
    digest = hashlib.md5(source.read_bytes(), usedforsecurity=False).hexdigest()
    refused(source, tmp_path, f"MD5 sum is {digest}, which does not end in 000000")
    right = source.rename(tmp_path / f"NAS-Bench-201-v1_1-{digest[-6:]}.pth")
    assert_holds_the_records(import_nb201(right, tmp_path / "nb201.parquet", allow_partial=True))


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


# ---- the NATS-Bench archive ------------------------------------------------------------------------------------


def test_an_archive_is_imported_by_worker_processes(tmp_path):
    table = import_nb201(archive(tmp_path), tmp_path / "nats.parquet", allow_partial=True)
    assert_holds_the_records(table)
    assert_holds_the_curves(tmp_path / "nats.curves.parquet")
    assert table.about | {"content_sha256": ""} == {
        "space": "nb201",
        "family": "NATS-Bench tss records",
        "accuracy_unit": "percent",
        "source": NATS,
        "content_sha256": "",
    }


def test_what_a_worker_process_refuses_is_said_here(tmp_path):
    source = archive(tmp_path, indices=[7])
    marker = tmp_path / "it-ran"
    (source / "000008.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"12": RunsCode(marker)})))
    target = tmp_path / "target" / "nats.parquet"
    with pytest.raises(BadTable, match=r"000008\.pickle\.pbz2: the pickle asks for \w+\.system"):
        import_nb201(source, target, allow_partial=True)
    assert os.listdir(target.parent) == []
    assert not marker.exists()


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz")])
def test_a_tar_holds_the_same_as_its_folder(tmp_path, in_process, suffix, mode):
    folder = archive(tmp_path)
    one = import_nb201(folder, tmp_path / "one.parquet", allow_partial=True)
    two = import_nb201(tar_of(folder, suffix, mode), tmp_path / "two.parquet", allow_partial=True)
    assert_holds_the_records(two)
    assert two.about == one.about | {"source": NATS + suffix}
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


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_truncated_tar_is_refused(tmp_path, in_process, compression):
    source = tar_of(archive(tmp_path, indices=[0]), f".tar.{compression}", f"w:{compression}")
    whole = source.read_bytes()
    for part in (0.5, 0.8):  # within the record
        source.write_bytes(whole[: int(len(whole) * part)])
        refused(source, tmp_path, "cannot be read to its end, it may be truncated|is no intact")


def decoded(data, index=7):
    return module._decode(("where", index, data))


def test_a_record_without_change_decodes():
    record = decoded(packed(7))
    wanted = {name: rows[7] for name, rows in expected().items() if 7 in rows}
    assert record.values == pytest.approx(wanted, rel=1e-12)


def test_numpy_scalars_of_old_records_decode():
    data = pickle.dumps({"a": np.float64(1.25), "b": np.float32(0.5), "c": np.int64(-7)}, protocol=3)
    for name in (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"):
        spelled = data.replace(b"cnumpy._core.multiarray\n", name)
        assert RestrictedUnpickler(io.BytesIO(spelled)).load() == {"a": 1.25, "b": 0.5, "c": -7}


def test_no_damage_of_a_record_goes_unnoticed():
    data = packed(7)
    for position in np.linspace(0, len(data) - 2, 20).astype(int):  # the last bits are padding
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(BadTable, match="where is damaged"):
            decoded(bytes(damaged))
    for length in (0, 1, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(BadTable, match="where is damaged"):
            decoded(data[:length])


def test_a_record_of_the_size_search_space_is_refused_whatever_its_name():
    def rename(states):
        states["01"], states["90"] = states.pop("12"), states.pop("200")

    with pytest.raises(BadTable, match=r"where is no NAS-Bench-201 record \(KeyError: '12'\)"):
        decoded(packed(7, rename))


def test_a_record_under_the_name_of_another_is_refused():
    with pytest.raises(BadTable, match=r"where is about .* but architecture 8 is"):
        decoded(packed(7), index=8)


class Calls:
    """Pickles as a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "bad",
    [
        Calls(os.system, "exit 1"),
        Calls(eval, "1 + 1"),
        Calls(getattr, {}, "pop"),
        Calls(bytearray, 10**12),
        eval,
        SomeClass,
        SomeClass(),
        np.zeros(3),
        np.dtype("O"),
        np.dtype([("a", "f8")]),
        Calls(np.float64(0).__reduce__()[0], np.dtype("O"), b"12345678"),
        np.str_("text"),
        np.datetime64(0, "s"),
        torch.zeros(2),
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_a_record_that_asks_for_anything_but_plain_data_is_refused(bad, protocol):
    data = bz2.compress(pickle.dumps({"12": bad}, protocol=protocol))
    with pytest.raises(BadTable, match=r"^where: (the pickle asks for|the NumPy type|a NumPy scalar) .*"):
        decoded(data)


def test_a_record_cannot_change_numpy_itself():
    swapped = np.dtype("f8").newbyteorder(">")
    with pytest.raises(BadTable):
        decoded(bz2.compress(pickle.dumps(swapped)))
    assert np.dtype("f8").isnative


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
