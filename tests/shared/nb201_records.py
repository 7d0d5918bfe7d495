"""Records of three architectures in the official formats, made with the official record classes."""

import bz2
import copy
import os
import pickle
import tarfile
import zipfile
import zlib
from functools import cache

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from nas_201_api.api_utils import ArchResults, ResultsCount

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.truth.import_nb201 import CURVES, import_nb201

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
TASKS = {"cifar100": {"classes": 100}, "imagenet16-120": {"size": 16, "classes": 120}}
"""Data set -> how its images and classes differ from those of CIFAR-10."""


def task_of(dataset):
    return TASKS.get(dataset, {})


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
        params=np.float64(SPACE.params(arch, **task_of(dataset.lower()))[0] / 1e6),
        flop=float(SPACE.flops(arch, **task_of(dataset.lower()))[0] / 1e6),
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


def endless(levels=60):
    """A small pickle: a dictionary with a key of nested pairs, whose hash takes 2 to the power of `levels` steps."""
    pairs = b"".join(b"q\x00h\x00\x86" for _ in range(levels))
    return b"\x80\x02})" + pairs + b"Ns."


def with_pickle(path, stream):
    """A .pth in the zip format that holds this pickle."""
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in (("data.pkl", stream), ("version", b"3\n"), ("byteorder", b"little")):
            packed.writestr("archive/" + name, data)
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
            put(f"{dataset}.params", index, SPACE.params(arch, **task_of(dataset))[0])
            put(f"{dataset}.flops", index, SPACE.flops(arch, **task_of(dataset))[0])
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


class RunsCode:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


class SomeClass:
    pass
