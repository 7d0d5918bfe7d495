"""Files that are not ground-truth tables, and tables with values that cannot be right, are refused."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_table import ABOUT, refusal, write_with

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth import table as module
from supernet.benchmarks.truth.about import METADATA_KEY
from supernet.benchmarks.truth.table import GroundTruth


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path, content):
    (tmp_path / "x.parquet").write_bytes(content)
    assert "cannot be read as a Parquet file" in refusal(tmp_path / "x.parquet")


def test_a_path_without_a_file_is_refused(tmp_path):
    refusal(tmp_path / "missing.parquet")
    refusal(tmp_path)


def test_a_truncated_table_is_refused_wherever_it_is_cut(path):
    content = path.read_bytes()
    for length in [*range(0, len(content), 199), len(content) - 4, len(content) - 1]:
        path.write_bytes(content[:length])
        refusal(path)


@pytest.mark.parametrize(
    "about",
    [None, b"", b"{", b"[]", b'"percent"', b"7", b"\xff", b"[" * 100_000, b'{"a":' * 9_000, b" " * 2_000_000]
    + [json.dumps({**ABOUT, "family": family}).encode() for family in (7, None, [], "", "x" * 1000)]
    + [
        json.dumps({k: v for k, v in ABOUT.items() if k != lacking}).encode()
        for lacking in ("space", "family", "accuracy_unit")
    ],
)
def test_a_parquet_file_of_something_else_is_refused(tmp_path, about):
    assert "is not a ground-truth table" in refusal(write_with(tmp_path / "x.parquet", about))


@pytest.mark.parametrize("unit", ["fraction", "", None, 100])
def test_accuracies_in_another_unit_are_refused(tmp_path, unit):
    text = refusal(write_with(tmp_path / "x.parquet", json.dumps({**ABOUT, "accuracy_unit": unit}).encode()))
    assert repr(unit) in text
    assert "percent" in text


def test_rows_without_a_name_are_refused(tmp_path):
    text = refusal(write_with(tmp_path / "x.parquet", json.dumps(ABOUT).encode(), {"d.test.e1.mean": [1.0]}))
    assert "`arch`" in text
    assert "`hash`" in text


def test_tables_of_an_impossible_shape_are_refused(tmp_path, monkeypatch):
    about, path = json.dumps(ABOUT).encode(), tmp_path / "x.parquet"
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    assert "3 rows" in refusal(write_with(path, about, {"arch": ["a", "b", "c"]}))
    monkeypatch.setattr(module, "MOST_COLUMNS", 1)
    assert "2 columns" in refusal(write_with(path, about))
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array([1.0]), pa.array([2.0])], ["arch", "d", "d"])
    monkeypatch.undo()
    pq.write_table(twice.replace_schema_metadata({METADATA_KEY: about}), path)
    assert "two columns of one name" in refusal(path)


@pytest.mark.parametrize("values", [["91.5", "3"], [True, False], [[1.0], [2.0]]])
def test_only_numbers_are_accuracies(tmp_path, values):
    columns = {"arch": ["a", "b"], "d.test.e1.mean": values}
    table = GroundTruth(write_with(tmp_path / "x.parquet", json.dumps(ABOUT).encode(), columns))
    with pytest.raises(BadTable, match="instead of numbers"):
        table.readings("d", "test", 1, "mean")


@pytest.mark.parametrize("keys", [["a", "a"], ["a", None], [1, 2]])
def test_rows_without_a_name_of_their_own_are_refused(tmp_path, keys):
    columns = {"arch": keys, "d.test.e1.mean": [1.0, 2.0]}
    table = GroundTruth(write_with(tmp_path / "x.parquet", json.dumps(ABOUT).encode(), columns))
    with pytest.raises(BadTable, match="column arch"):
        table.rows(["a"])


def test_a_column_name_that_is_not_utf8_is_refused(path):
    data = path.read_bytes()
    path.write_bytes(data.replace(b"cifar10.flops", b"cifar10.fl\xffps"))
    assert "cannot be read as a Parquet file" in refusal(path)


def test_values_that_are_not_utf8_are_refused(tmp_path):
    about, path = json.dumps(ABOUT).encode(), tmp_path / "x.parquet"
    text = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff\xfe"]).buffers())
    write_with(path, about, {"arch": text, "d.test.e1.mean": [1.0]})
    for ask in (lambda table: table.keys(), lambda table: table.rows(["a"]), lambda table: table.digest):
        with pytest.raises(BadTable, match="column arch cannot be read"):
            ask(GroundTruth(path))


def test_a_file_that_is_not_regular_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.parquet")
    assert "not a regular file" in refusal(tmp_path / "x.parquet")
