"""The NAS-Bench-101 importer on files in the official format, written here from known cells and values."""

import base64
import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecords import framed

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces.nb101 import OPS, Cells
from supernet.benchmarks.truth import import_nb101 as module
from supernet.benchmarks.truth.import_nb101 import import_nb101

SHARED = Path(os.environ.get("SUPERNET_DATA", "")) / "nb101.parquet"
READINGS = ("valid", "test", "seconds", "valid_half", "test_half")


# ---- writing the official format -------------------------------------------------------------------------


def varint(number):
    head, last = [], number
    while last >= 0x80:
        head.append(last & 0x7F | 0x80)
        last >>= 7
    return bytes([*head, last])


def doubles(values):
    return b"".join(struct.pack("<Bd", 8 * field + 1, value) for field, value in enumerate(values, 1))


def submessage(field, body):
    return varint(8 * field + 2) + varint(len(body)) + body


def metrics(params, epochs, run, checkpoint=b""):
    """A ModelMetrics message; accuracies are fractions."""
    evaluations = (
        (0.0, 0.0, 0.1, 0.1, 0.1),
        (epochs / 2, run["seconds"] / 2, 0.5, run["valid_half"], run["test_half"]),
        (float(epochs), run["seconds"], 0.9, run["valid"], run["test"]),
    )
    message = b"".join(submessage(1, doubles(values) + checkpoint) for values in evaluations)
    return message + varint(2 * 8) + varint(params) + struct.pack("<Bd", 3 * 8 + 1, 2 * run["seconds"])


def fields(cell, epochs, run):
    """The five entries of a record."""
    message = base64.encodebytes(metrics(cell["params"], epochs, run)).decode()
    return [cell["hash"], epochs, cell["adjacency"], cell["operations"], message]


def write(path, entries):
    path.write_bytes(b"".join(framed(json.dumps(entry).encode()) for entry in entries))


# ---- cells and runs --------------------------------------------------------------------------------------


def described(matrix, ops):
    cells = Cells.from_matrix(matrix, ops)
    return {
        "valid": cells.valid[0],
        "hash": cells.hashes()[0] if cells.valid[0] else "0" * 32,
        "params": int(cells.params()[0]),
        "matrix": np.asarray(matrix),
        "adjacency": "".join(map(str, np.asarray(matrix).ravel())),
        "operations": ",".join(ops),
    }


def random_cells(count, rng):
    """Different valid cells, the smallest among them, in no order."""
    found = {}
    cell = described([[0, 1], [0, 0]], ["input", "output"])
    while len(found) < count:
        if cell["valid"]:
            found.setdefault(cell["hash"], cell)
        size = rng.integers(3, 8)
        matrix = np.triu(rng.integers(0, 2, (size, size)), 1)
        cell = described(matrix, ["input", *rng.choice(OPS, size - 2), "output"])
    return list(found.values())


def random_run(rng):
    return dict(zip(READINGS, rng.random(len(READINGS)) * (1, 1, 2000, 1, 1), strict=True))


CELLS = random_cells(40, np.random.default_rng(101))
RUN = random_run(np.random.default_rng(102))
GOOD = fields(CELLS[0], 108, RUN)
MESSAGE = metrics(CELLS[0]["params"], 108, RUN)
EVALUATIONS = 3 * 47


@pytest.fixture
def official(monkeypatch):
    """Makes a file complete that holds this many cells."""
    return lambda count: monkeypatch.setattr(module, "UNIQUE_CELLS", count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("noise")


def refused(tmp_path, match, **options):
    """Imports `nb101.tfrecord`, which must fail with one paragraph and leave nothing behind."""
    source, before = tmp_path / "nb101.tfrecord", sorted(tmp_path.iterdir())
    with pytest.raises(BadTable, match=match) as caught:
        import_nb101(source, tmp_path / "out" / "nb101.parquet", **options)
    assert str(source) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.iterdir()) == before


# ---- what comes out --------------------------------------------------------------------------------------


@pytest.mark.parametrize("budgets", [(108,), (4, 12, 36, 108)])
def test_a_complete_file(tmp_path, official, budgets):
    rng = np.random.default_rng(sum(budgets))
    official(len(CELLS))
    runs = [(cell, epochs, random_run(rng)) for cell in CELLS for epochs in budgets for _ in range(3)]
    rng.shuffle(runs)
    source, progress = tmp_path / "nasbench.tfrecord", []
    write(source, [fields(*run) for run in runs])
    truth = import_nb101(source, tmp_path / "new" / "nb101.parquet", progress.append)

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["nb101.parquet"]
    assert progress[-1] == source.stat().st_size
    assert {key: truth.about[key] for key in truth.about if key not in ("content_sha256", "about_sha256")} == {
        "space": "nb101",
        "family": "NAS-Bench-101",
        "accuracy_unit": "percent",
        "source": "nasbench.tfrecord",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "source_check": "each record agrees with its CRC; its SHA-256 is not that of an official file",
    }
    cells = sorted(CELLS, key=lambda cell: cell["hash"])
    assert truth.keys() == [cell["hash"] for cell in cells]
    np.testing.assert_array_equal(truth.params("cifar10"), [cell["params"] for cell in cells])
    table = pq.read_table(truth.path)
    assert table["index"].to_pylist() == list(range(len(cells)))
    shapes = zip(*(table[name].to_pylist() for name in ("vertices", "adjacency_bits", "ops")), strict=True)
    for cell, (vertices, bits, ops) in zip(cells, shapes, strict=True):
        matrix = np.zeros((vertices, vertices), dtype=int)
        for y in range(vertices):
            for x in range(y):
                matrix[x, y] = bits >> (x + y * (y - 1) // 2) & 1
        np.testing.assert_array_equal(matrix, cell["matrix"])
        assert ["input", *(OPS[int(digit)] for digit in ops), "output"] == cell["operations"].split(",")

    for epochs in budgets:
        expected = np.array([[list(r.values()) for c, e, r in runs if c is cell and e == epochs] for cell in cells])
        for split, final, half in (("valid", 0, 3), ("test", 1, 4)):
            for repeat in range(3):
                for label, reading in ((epochs, final), (f"{epochs}half", half)):
                    values = truth.accuracy("cifar10", split, label, f"r{repeat}")
                    np.testing.assert_allclose(values, 100 * expected[:, repeat, reading], rtol=1e-6)
            mean = truth.accuracy("cifar10", split, epochs, "mean")
            np.testing.assert_allclose(mean, 100 * expected[:, :, final].mean(axis=1), rtol=1e-12)
        for repeat in range(3):
            seconds = truth.train_seconds("cifar10", epochs, f"r{repeat}")
            np.testing.assert_allclose(seconds, expected[:, repeat, 2], rtol=1e-6)
    assert len(truth.measures) == 14 * len(budgets)


def test_missing_repeats_and_budgets(tmp_path, official):
    official(3)
    first, second, third = sorted(CELLS[:3], key=lambda cell: cell["hash"])
    rng = np.random.default_rng(0)
    a, b, c, d = (random_run(rng) for _ in range(4))
    entries = [fields(first, 108, a), fields(third, 4, b), fields(first, 108, c), fields(second, 4, d)]
    write(tmp_path / "nb101.tfrecord", entries)
    refused(tmp_path, "is incomplete: it holds 4 training runs of 3 cells")
    import_nb101(tmp_path / "nb101.tfrecord", tmp_path / "nb101.parquet", allow_partial=True)
    table = pq.read_table(tmp_path / "nb101.parquet").to_pandas()
    absent = float("nan")
    for name, expected in {
        "test.e108.r0": (a["test"], absent, absent),
        "test.e108.r1": (c["test"], absent, absent),
        "test.e108.r2": (absent, absent, absent),
        "test.e108.mean": ((a["test"] + c["test"]) / 2, absent, absent),
        "valid.e4half.r0": (absent, d["valid_half"], b["valid_half"]),
        "valid.e4.mean": (absent, d["valid"], b["valid"]),
    }.items():
        np.testing.assert_allclose(table[f"cifar10.{name}"], 100 * np.array(expected), rtol=1e-6)


def test_checkpoint_paths_and_plain_base64_are_read_too(tmp_path):
    message = metrics(CELLS[0]["params"], 108, RUN, submessage(6, b"/models/model.ckpt-16875"))
    write(tmp_path / "a.tfrecord", [[*fields(CELLS[0], 108, RUN)[:4], base64.b64encode(message).decode()]])
    write(tmp_path / "b.tfrecord", [fields(CELLS[0], 108, RUN)])
    a, b = (
        import_nb101(tmp_path / f"{name}.tfrecord", tmp_path / f"{name}.parquet", allow_partial=True) for name in "ab"
    )
    assert a.about["content_sha256"] == b.about["content_sha256"]


@pytest.mark.skipif(not SHARED.is_file(), reason="needs nb101.parquet in SUPERNET_DATA")
def test_real_results(tmp_path):
    table = pq.read_table(SHARED).to_pandas()
    rows = table[table["cifar10.valid.e108.r2"].notna()].iloc[::701].head(200)
    entries = []
    for _, row in rows.iterrows():
        size, bits = row["vertices"], row["adjacency_bits"]
        upper = [[x < y and bits >> (x + y * (y - 1) // 2) & 1 for y in range(size)] for x in range(size)]
        cell = {
            "hash": row["hash"],
            "params": row["cifar10.params"],
            "adjacency": "".join(str(int(bit)) for line in upper for bit in line),
            "operations": ",".join(["input", *(OPS[int(digit)] for digit in row["ops"]), "output"]),
        }
        for k in range(3):
            run = {
                "valid": row[f"cifar10.valid.e108.r{k}"] / 100,
                "test": row[f"cifar10.test.e108.r{k}"] / 100,
                "seconds": row[f"cifar10.train_seconds.e108.r{k}"],
                "valid_half": row[f"cifar10.valid.e108half.r{k}"] / 100,
                "test_half": row[f"cifar10.test.e108half.r{k}"] / 100,
            }
            entries.append(fields(cell, 108, run))
    write(tmp_path / "nb101.tfrecord", entries)
    import_nb101(tmp_path / "nb101.tfrecord", tmp_path / "nb101.parquet", allow_partial=True)
    imported = pq.read_table(tmp_path / "nb101.parquet").to_pandas()
    for name in ("hash", "vertices", "adjacency_bits", "ops", "cifar10.params"):
        assert list(imported[name]) == list(rows[name]), name
    results = [name for name in imported if name in table and name.startswith("cifar10.") and ".e108" in name]
    assert len(results) == 16
    for name in results:
        np.testing.assert_allclose(imported[name], rows[name], rtol=1e-6, err_msg=name)


# ---- what is refused -------------------------------------------------------------------------------------


def test_a_file_cut_or_altered_anywhere(tmp_path, official):
    official(1)
    source = tmp_path / "nb101.tfrecord"
    write(source, [GOOD] * 3)
    whole = source.read_bytes()
    import_nb101(source, tmp_path / "whole.parquet")
    for at in range(len(whole)):
        source.write_bytes(whole[:at])
        refused(tmp_path, "cut off|incomplete")
        source.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        refused(tmp_path, "checksum|no valid length")


def encoded(message):
    return base64.b64encode(message).decode()


@pytest.mark.parametrize(
    ("position", "value", "match"),
    [
        (0, "0" * 31, "not a graph hash"),
        (0, 7, "not a JSON list"),
        (1, 107, "107 epochs"),
        (1, "108", "not a JSON list"),
        (1, True, "not a JSON list"),
        (2, "010", "not an adjacency matrix"),
        (2, "0", "not an adjacency matrix"),
        (2, "0200", "not an adjacency matrix"),
        (2, "0" * 64, "not an adjacency matrix"),
        (2, "0010", "not upper triangular"),
        (2, "1100", "not upper triangular"),
        (3, "", "not operations"),
        (3, "input,skip,output", "not operations"),
        (3, "output,input", "not operations"),
        (3, "input,maxpool3x3,output", "1 operations between input and output for 2 vertices"),
        (4, "A", "not base64"),
        (4, "Größe", "not base64"),
        (4, encoded(b""), "no parameter count"),
        (4, encoded(MESSAGE[:EVALUATIONS]), "no parameter count"),
        (4, encoded(MESSAGE[47:]), "no evaluation at 0, 54 and 108"),
        (4, encoded(MESSAGE[:47] + MESSAGE), "no evaluation at 0, 54 and 108"),
        (4, encoded(metrics(CELLS[0]["params"], 36, RUN)), "no evaluation at 0, 54 and 108"),
        (4, encoded(submessage(1, doubles([0.0] * 4)) + MESSAGE), "lacks the epoch, the time or an accuracy"),
        (4, encoded(MESSAGE[:-1]), "cut off"),
        (4, encoded(MESSAGE + b"\x10\xff\xff\xff\xff\xff\x01"), "malformed number"),
        (4, encoded(MESSAGE + b"\x0b"), "cut off"),
        (4, encoded(MESSAGE + b"\x0b\x00"), "not a ModelMetrics"),
    ],
)
def test_a_record_with_one_wrong_entry(tmp_path, position, value, match):
    write(tmp_path / "nb101.tfrecord", [GOOD, [*GOOD[:position], value, *GOOD[position + 1 :]]])
    refused(tmp_path, rf"record 1 \(from 0\) .*{match}", allow_partial=True)


@pytest.mark.parametrize(
    "change",
    [{name: value} for name in READINGS for value in (-0.01, float("nan"), 1e39)]
    + [{name: 1.01} for name in READINGS if name != "seconds"],
)
def test_impossible_readings(tmp_path, change):
    write(tmp_path / "nb101.tfrecord", [GOOD, GOOD, fields(CELLS[0], 108, RUN | change)])
    refused(tmp_path, r"record 2 \(from 0\) .*not in .0, 1.", allow_partial=True)


@pytest.mark.parametrize("record", [b"", b"\xff", b"{}", b"[]", b"null", b"[" * 100_000, json.dumps(GOOD[:4]).encode()])
def test_a_record_that_is_no_list(tmp_path, record):
    (tmp_path / "nb101.tfrecord").write_bytes(framed(record))
    refused(tmp_path, "record 0 .*not a JSON list", allow_partial=True)


def test_other_files(tmp_path):
    source = tmp_path / "nb101.tfrecord"
    refused(tmp_path, "cannot be read")
    source.mkdir()
    refused(tmp_path, "cannot be read")
    source.rmdir()
    source.write_bytes(b"PAR1" * 100)
    refused(tmp_path, "not a TFRecord file", allow_partial=True)
    source.write_bytes(b"")
    refused(tmp_path, "incomplete: it holds 0 training runs", allow_partial=True)


def test_a_part_of_the_benchmark_is_not_taken_for_the_whole(tmp_path):
    write(tmp_path / "nb101.tfrecord", [fields(cell, 108, RUN) for cell in CELLS[:2] for _ in range(3)])
    refused(tmp_path, "holds 6 training runs of 2 cells; .* of each of 423,624 cells")


TOO_MANY_EDGES = described(np.triu(np.ones((6, 6), dtype=int), 1), ["input", *OPS, OPS[0], "output"])
DISCONNECTED = described(np.zeros((3, 3), dtype=int), ["input", OPS[0], "output"])
OTHER = CELLS[1]


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ([fields(CELLS[0] | {"hash": OTHER["hash"]}, 108, RUN)], f"{OTHER['hash']}.* not the graph hash"),
        ([fields(OTHER | {"params": OTHER["params"] + 1}, 108, RUN)], f"{OTHER['hash']}.* parameter count"),
        ([fields(TOO_MANY_EDGES, 108, RUN)], f"{'0' * 32}.* not a valid cell"),
        ([fields(DISCONNECTED, 108, RUN)], f"{'0' * 32}.* not a valid cell"),
        ([GOOD, fields(OTHER | {"hash": GOOD[0]}, 108, RUN)], f"record 1 .*earlier record gives {GOOD[0]}"),
        ([GOOD] * 4, f"more than 3 runs of {GOOD[0]} over 108 epochs"),
    ],
    ids=["hash", "params", "edges", "disconnected", "two cells", "four repeats"],
)
def test_files_that_contradict_the_benchmark(tmp_path, entries, match):
    write(tmp_path / "nb101.tfrecord", [fields(cell, 108, RUN) for cell in CELLS[2:5]] + entries)
    refused(tmp_path, match.replace("record 1", "record 4"), allow_partial=True)


def test_an_earlier_table_survives_a_failed_import(tmp_path):
    source, target = tmp_path / "nb101.tfrecord", tmp_path / "nb101.parquet"
    write(source, [GOOD])
    import_nb101(source, target, allow_partial=True)
    before = target.read_bytes()
    source.write_bytes(source.read_bytes()[:-1])
    with pytest.raises(BadTable, match="cut off"):
        import_nb101(source, target, allow_partial=True)
    assert target.read_bytes() == before


@settings(deadline=None)
@given(
    message=st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(MESSAGE) - 1), st.binary(min_size=1, max_size=9)).map(
            lambda change: MESSAGE[: change[0]] + change[1] + MESSAGE[change[0] + len(change[1]) :]
        ),
    )
)
def test_malformed_metrics_are_refused_or_give_a_table(folder, message):
    write(folder / "nb101.tfrecord", [[*GOOD[:4], encoded(message)]])
    try:
        truth = import_nb101(folder / "nb101.tfrecord", folder / "nb101.parquet", allow_partial=True)
    except BadTable:
        return
    assert truth.params("cifar10")[0] == CELLS[0]["params"]
    assert 0 <= truth.accuracy("cifar10", "test", 108, "r0")[0] <= 100


@settings(deadline=None)
@given(entry=st.lists(st.none() | st.integers() | st.text(), max_size=6) | st.text() | st.floats())
def test_any_other_json_is_refused(folder, entry):
    write(folder / "nb101.tfrecord", [entry])
    with pytest.raises(BadTable, match="record 0"):
        import_nb101(folder / "nb101.tfrecord", folder / "nb101.parquet", allow_partial=True)
