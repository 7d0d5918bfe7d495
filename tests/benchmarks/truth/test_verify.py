"""Verification: the right check fails for each way in which a table can be wrong."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supernet.benchmarks.files import file_digests
from supernet.benchmarks.spaces import NB201, SPACE_NAMES, nb101, space
from supernet.benchmarks.spaces.nb101 import Cells
from supernet.benchmarks.truth.about import METADATA_KEY
from supernet.benchmarks.truth.shelf import EMBEDDED
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.verify import verify

ABOUT = {"space": "nb201", "family": "NATS-Bench tss records", "accuracy_unit": "percent"}
SPACE = NB201()
BEST = "best cifar10 test, 200 epochs, mean"
CHECKS = ["readable", "contents", "official order", "cifar10.params", "imagenet16-120.flops", "accuracies", BEST]


@pytest.fixture(scope="module")
def right():
    """Columns of a table with nothing wrong, whose best value is the published one."""
    accuracy = np.linspace(0, 94.3733, len(SPACE))
    partly = np.where(np.arange(len(SPACE)) % 3 == 0, np.nan, accuracy)
    return {
        "index": np.arange(len(SPACE), dtype=np.int32),
        "arch": [SPACE.string(arch) for arch in SPACE.archs().tolist()],
        "cifar10.params": SPACE.params(SPACE.archs()),
        "imagenet16-120.flops": SPACE.flops(SPACE.archs(), size=16, classes=120),
        "cifar10.test.e200.mean": accuracy,
        "cifar10.test.e200.s777": partly,
        "cifar10.train_seconds.e200": accuracy * 100,
    }


def verdict(path, columns, about=ABOUT):
    """(names of all checks, names of those that fail)."""
    write_table(path, columns, about)
    checks = list(verify(GroundTruth(path)))
    assert all(detail for _, _, detail in checks)
    return [what for what, _, _ in checks], [what for what, right, _ in checks if not right]


def test_a_right_table_passes_every_check(right, tmp_path):
    assert verdict(tmp_path / "t.parquet", right) == (CHECKS, [])


def test_costs_that_a_partial_table_does_not_have_are_not_held_against_it(right, tmp_path):
    params = right["cifar10.params"].astype(float)
    params[5:] = np.nan
    assert verdict(tmp_path / "t.parquet", {**right, "cifar10.params": params}) == (CHECKS, [])


def test_results_of_ones_own_are_not_compared_with_the_published_best(right, tmp_path):
    columns = {**right, "cifar10.test.e200.mean": right["cifar10.test.e200.mean"] / 2}
    about = {**ABOUT, "family": "proxies trained here"}
    assert verdict(tmp_path / "t.parquet", columns, about) == (CHECKS[:-1], [])


def altered(values, row, value):
    values = np.array(values)
    values[row] = value
    return values


def swapped(values):
    return [values[1], values[0], *values[2:]]


@pytest.mark.parametrize(
    ("column", "change", "failing"),
    [
        ("arch", swapped, ["official order"]),
        ("arch", lambda v: [*v[:-1], v[0]], ["official order"]),
        ("cifar10.params", lambda v: altered(v, 15000, v[15000] + 1), ["cifar10.params"]),
        ("imagenet16-120.flops", lambda v: altered(v, 0, v[0] - 1), ["imagenet16-120.flops"]),
        ("cifar10.test.e200.s777", lambda v: altered(v, 1, 100.001), ["accuracies"]),
        ("cifar10.test.e200.s777", lambda v: altered(v, 1, -0.001), ["accuracies"]),
        ("cifar10.test.e200.s777", lambda v: altered(v, 1, np.inf), ["accuracies"]),
        ("cifar10.test.e200.mean", lambda v: altered(v, 5, 94.39), [BEST]),
        ("cifar10.test.e200.mean", lambda v: v / 100, [BEST]),
        ("cifar10.test.e200.mean", lambda v: v + 100, ["accuracies", BEST]),
    ],
)
def test_each_fault_fails_its_own_check(right, tmp_path, column, change, failing):
    assert verdict(tmp_path / "t.parquet", {**right, column: change(right[column])}) == (CHECKS, failing)


def test_the_columns_outside_0_to_100_are_named(right, tmp_path):
    write_table(
        tmp_path / "t.parquet", {**right, "cifar10.test.e200.s777": right["cifar10.test.e200.mean"] + 50}, ABOUT
    )
    details = {what: detail for what, _, detail in verify(GroundTruth(tmp_path / "t.parquet"))}
    assert "cifar10.test.e200.s777" in details["accuracies"]
    assert "cifar10.test.e200.mean" not in details["accuracies"]


def test_a_value_changed_after_the_import_fails_the_digest(right, tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, right, ABOUT)
    stored = pq.read_table(path)
    place = stored.column_names.index("cifar10.test.e200.mean")
    values = altered(right["cifar10.test.e200.mean"], 7, 0.125)
    pq.write_table(stored.set_column(place, stored.field(place), pa.array(values)), path)
    assert [what for what, right, _ in verify(GroundTruth(path)) if not right] == ["contents"]


def test_a_table_without_a_digest_is_checked_for_the_rest(right, tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, right, ABOUT)
    stored = pq.read_table(path)
    pq.write_table(stored.replace_schema_metadata({METADATA_KEY: json.dumps(ABOUT)}), path)
    assert [(what, right) for what, right, _ in verify(GroundTruth(path))] == [
        (what, True) for what in CHECKS if what != "contents"
    ]


def test_damaged_pages_end_the_verification(right, tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, right, ABOUT)
    chunk = pq.read_metadata(path).row_group(0).column(4)
    content = bytearray(path.read_bytes())
    content[chunk.data_page_offset - 1] ^= 1  # the last of the distinct values, which precede the data page
    path.write_bytes(content)
    ((what, fine, detail),) = verify(GroundTruth(path))
    assert (what, fine) == ("readable", False)
    assert "cifar10.test.e200.mean" in detail


def test_a_table_of_another_space_is_checked_for_what_is_known_of_it(tmp_path):
    about = {**ABOUT, "space": "toy"}
    columns = {"arch": ["a", "b"], "cifar10.params": [1, 2], "cifar10.test.e200.mean": [1.0, 2.0]}
    assert verdict(tmp_path / "t.parquet", columns, about) == (["readable", "contents", "accuracies"], [])


# ---- tables that the project measured ------------------------------------------------------------------------------


def sampled(name):
    """Columns and metadata of a table of twenty architectures, measured with 4 channels and 1 cell."""
    within = space(name)
    among = within.distinct() if within.enumerable else None
    archs = within.archs(within.sample(np.random.default_rng(0), 20, among=among))
    params, flops = within.costs(archs, 4, 1, 16)
    columns = {**within.table_columns(archs), "digits.test.e1.mean": np.linspace(10, 90, 20)}
    about = {**ABOUT, "space": name, "sample": "20 of them", "channels": 4, "cells": 1, "train_images": 100}
    return {**columns, "digits.params": params, "digits.flops": flops}, about


@pytest.mark.parametrize("name", SPACE_NAMES)
def test_a_sample_of_any_space_is_checked_against_the_networks_own_count(name, tmp_path):
    columns, about = sampled(name)
    key = next(iter(columns))
    names = ["readable", "contents", "distinct", f"{key} names the architecture", "digits.params", "accuracies"]
    assert verdict(tmp_path / "t.parquet", columns, about) == (names, [])
    wrong = {**columns, "digits.params": altered(columns["digits.params"], 3, 1)}
    assert verdict(tmp_path / "t.parquet", wrong, about) == (names, ["digits.params"])
    assert verdict(tmp_path / "t.parquet", columns, {**about, "cells": 2})[1] == ["digits.params"]
    twice = {**columns, key: [*columns[key][:-1], columns[key][0]]}
    assert "distinct" in verdict(tmp_path / "t.parquet", twice, about)[1]


def test_a_hash_that_is_not_that_of_its_spelling_is_found(tmp_path):
    columns, about = sampled("nb1shot1-1")
    wrong = {**columns, "hash": swapped(columns["hash"])}
    assert verdict(tmp_path / "t.parquet", wrong, about)[1] == ["hash names the architecture"]


@pytest.mark.parametrize("path", sorted(EMBEDDED.glob("*.parquet")), ids=lambda path: path.stem)
def test_the_tables_that_ship_pass_every_check(path):
    checks = list(verify(GroundTruth(path)))
    assert [what for what, right, _ in checks if not right] == []
    assert "digits.params" in [what for what, _, _ in checks]


# ---- NAS-Bench-101 -----------------------------------------------------------------------------------------------


@pytest.fixture
def cells(monkeypatch):
    """Columns of a table of the three cells with one operation, as if there were no others."""
    monkeypatch.setattr(nb101, "UNIQUE_CELLS", 3)
    path, ops = 0b101, ["0", "1", "2"]
    built = Cells.from_bits([3] * 3, [path] * 3, ops)
    hashes, params = built.hashes(), built.params()
    order = np.argsort(hashes)
    return {
        "hash": [hashes[row] for row in order],
        "vertices": [3] * 3,
        "adjacency_bits": [path] * 3,
        "ops": [ops[row] for row in order],
        "cifar10.params": params[order],
        "cifar10.test.e108.mean": [90.0, 94.3176, 92.0],
    }


@pytest.mark.parametrize(
    ("column", "change", "failing"),
    [
        ("hash", lambda v: v, []),
        ("hash", swapped, ["official order", "graph hashes"]),
        ("hash", lambda v: [v[0], v[0], v[2]], ["official order", "graph hashes"]),
        ("ops", lambda v: [v[0]] * 3, ["cifar10.params", "graph hashes"]),
        ("adjacency_bits", lambda v: [0b111, *v[1:]], ["cifar10.params", "graph hashes"]),
        ("cifar10.params", lambda v: v + np.array([0, 0, 1]), ["cifar10.params"]),
        ("cifar10.test.e108.mean", lambda v: [*v[:2], 94.4], ["best cifar10 test, 108 epochs, mean"]),
        ("cifar10.test.e108.mean", lambda v: [-1.0, *v[1:]], ["accuracies"]),
    ],
)
def test_each_fault_of_a_nb101_table_fails_its_own_check(cells, tmp_path, column, change, failing):
    about = {**ABOUT, "space": "nb101", "family": "NAS-Bench-101 v1"}
    names = ["official order", "cifar10.params", "graph hashes", "accuracies", "best cifar10 test, 108 epochs, mean"]
    assert verdict(tmp_path / "t.parquet", {**cells, column: change(cells[column])}, about) == (
        ["readable", "contents", *names],
        failing,
    )


def test_a_nb101_table_that_lacks_cells_fails_the_order(cells, tmp_path):
    about = {**ABOUT, "space": "nb101", "family": "a part of them"}
    fewer = {name: values[:2] for name, values in cells.items()}
    assert verdict(tmp_path / "t.parquet", fewer, about)[1] == ["official order"]


# ---- real tables, and files ------------------------------------------------------------------------------------


def test_the_real_table_passes_every_check(nb201_truth):
    checks = list(verify(nb201_truth))
    assert [check for check in checks if not check[1]] == []
    names = [what for what, _, _ in checks]
    assert sum(name.startswith("best") for name in names) == 4
    assert {"official order", "accuracies", *(n for n in nb201_truth.columns if n.endswith((".params", ".flops")))} <= {
        *names
    }


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_the_sum_of_a_file_is_that_of_all_its_bytes(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "file").write_bytes(content)
    assert file_digests(tmp_path / "file", "sha256")[0] == hashlib.sha256(content).hexdigest()
