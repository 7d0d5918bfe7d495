"""Ground-truth tables: what they answer, what they refuse, and that damage never goes unnoticed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supernet.benchmarks.errors import BadTable, NoSuchResult
from supernet.benchmarks.truth import table as module
from supernet.benchmarks.truth.about import METADATA_KEY, content_digest
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.benchmarks.truth.verify import verify

ABOUT = {"space": "toy", "family": "toy records", "accuracy_unit": "percent", "source": "made here"}
ARCHS = ["a|b", "c|d", "e|f", "g|h", "ö"]
NAN = float("nan")
COLUMNS = {
    "index": np.arange(5, dtype=np.int32),
    "arch": ARCHS,
    "cifar10.params": np.array([10, 2**40, 30, 40, 50]),
    "cifar10.flops": np.array([1000, 2000, 3000, 4000, 5000]),
    "cifar10.latency_seconds": [0.1, 0.2, 0.3, 0.4, 0.5],
    "cifar10.test.e200.mean": [91.25, 10.0, 93.5, 0.0, 100.0],
    "cifar10.test.e200.s777": [91.0, 9.0, 93.0, 1.0, 99.0],
    "cifar10.test.e200.s888": [91.5, NAN, 94.0, NAN, 98.0],
    "cifar10.test.e12.s777": [60.5, 10.5, 61.5, 11.5, 62.5],
    "cifar10-valid.valid.e108half.r0": np.array([70.5, 71.5, 72.5, 73.5, 74.5], dtype=np.float32),
    "cifar10.train_seconds.e200": [100.0, 200.0, 300.0, 400.0, 500.0],
    "cifar10.train_seconds.e108.r0": [1.5, 2.5, 3.5, 4.5, 5.5],
}


@pytest.fixture
def path(tmp_path):
    write_table(tmp_path / "toy.parquet", COLUMNS, ABOUT)
    return tmp_path / "toy.parquet"


@pytest.fixture
def table(path):
    return GroundTruth(path)


# ---- what there is ---------------------------------------------------------------------------------------------


def test_a_table_says_what_it_holds(table):
    assert len(table) == 5
    assert (table.space, table.family, table.about["source"]) == ("toy", "toy records", "made here")
    assert table.columns == list(COLUMNS)
    assert table.measures == [
        Measure("cifar10", "test", "200", "mean"),
        Measure("cifar10", "test", "200", "s777"),
        Measure("cifar10", "test", "200", "s888"),
        Measure("cifar10", "test", "12", "s777"),
        Measure("cifar10-valid", "valid", "108half", "r0"),
    ]
    assert Measure("cifar10", "test", "200", "s888") in table
    assert Measure("cifar10", "train_seconds", "108", "r0") not in table
    assert repr(table) == "<GroundTruth toy.parquet: toy records, 5 architectures of toy>"


def test_the_description_lists_every_epoch_count_and_seed(table):
    assert table.describe() == (
        "  cifar10 test: 200 epochs (mean, s777, s888); 12 epochs (s777)\n  cifar10-valid valid: 108half epochs (r0)"
    )


def test_seeds_leave_out_the_mean(table):
    assert table.seeds("cifar10", "test", 200) == table.seeds("cifar10", "test", "200") == ["s777", "s888"]
    assert table.seeds("cifar10-valid", "valid", "108half") == ["r0"]
    assert table.seeds("cifar10", "valid", 200) == []


# ---- questions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epochs", [200, "200"])
def test_accuracies_come_back_as_written(table, epochs):
    accuracy = table.accuracy("cifar10", "test", epochs, "mean")
    assert accuracy.dtype == np.float64
    assert accuracy.tolist() == COLUMNS["cifar10.test.e200.mean"]
    assert table.accuracy("cifar10-valid", "valid", "108half", "r0").tolist() == [70.5, 71.5, 72.5, 73.5, 74.5]


def test_rows_are_answered_in_the_order_asked(table):
    assert table.accuracy("cifar10", "test", 200, "mean", [4, 0, 0]).tolist() == [100.0, 91.25, 91.25]
    assert table.accuracy("cifar10", "test", 200, "mean", np.array([2], dtype=np.int32)).tolist() == [93.5]
    assert table.accuracy("cifar10", "test", 200, "mean", []).shape == (0,)
    assert table.params("cifar10", [1]).tolist() == [2**40]
    assert table.keys([4, 1]) == ["ö", "c|d"]


def test_changing_an_answer_does_not_change_the_next_one(table):
    for rows in (None, [0, 1, 2, 3, 4]):
        table.accuracy("cifar10", "test", 200, "mean", rows)[:] = -1
        assert table.accuracy("cifar10", "test", 200, "mean", rows).tolist() == COLUMNS["cifar10.test.e200.mean"]


def test_an_architecture_without_a_result_is_an_error_for_accuracy(table):
    with pytest.raises(NoSuchResult, match=r"no result for cifar10 test, 200 epochs, s888 of 2 of the 5 .*mean, s777"):
        table.accuracy("cifar10", "test", 200, "s888")
    with pytest.raises(NoSuchResult, match="of 1 of the 2"):
        table.accuracy("cifar10", "test", 200, "s888", [0, 3])
    assert table.accuracy("cifar10", "test", 200, "s888", [0, 2, 4]).tolist() == [91.5, 94.0, 98.0]


def test_an_architecture_without_a_result_reads_as_nan(table):
    np.testing.assert_array_equal(table.readings("cifar10", "test", 200, "s888"), [91.5, NAN, 94.0, NAN, 98.0])
    np.testing.assert_array_equal(table.readings("cifar10", "test", 200, "s888", [1, 2]), [NAN, 94.0])


def test_null_values_count_as_no_result(tmp_path):
    write_table(tmp_path / "nulls.parquet", {"arch": ["a", "b"], "d.test.e1.mean": [50.0, None]}, ABOUT)
    table = GroundTruth(tmp_path / "nulls.parquet")
    np.testing.assert_array_equal(table.readings("d", "test", 1, "mean"), [50.0, NAN])
    with pytest.raises(NoSuchResult, match="1 of the 2"):
        table.accuracy("d", "test", 1, "mean")


@pytest.mark.parametrize("method", ["accuracy", "readings"])
@pytest.mark.parametrize(
    ("question", "instead"),
    [
        (("svhn", "test", 200, "mean"), "there is no data set 'svhn'. Data sets: cifar10, cifar10-valid."),
        (("cifar", "test", 200, "mean"), "there is no data set 'cifar'; did you mean cifar10?"),
        (("cifar10", "valid", 200, "mean"), "cifar10 has no split 'valid'; did you mean cifar10-valid valid? Its"),
        (("cifar10", "test", 90, "mean"), "no results of '90' epochs; did you mean 200? Numbers of epochs: 200, 12."),
        (("cifar10", "test", 12, "mean"), "Seeds: s777."),
        (("cifar10", "test", 200, "777"), "no seed '777' there; did you mean s777? Seeds: mean, s777, s888."),
        (("cifar10", "test", 200, "s999"), "Seeds: mean, s777, s888."),
        (("cifar10", "train_seconds", 108, "r0"), "cifar10 has no split 'train_seconds'"),
    ],
    ids=lambda of: ".".join(map(str, of)) if isinstance(of, tuple) else "",
)
def test_a_question_without_an_answer_says_what_to_ask_instead(table, method, question, instead):
    with pytest.raises(NoSuchResult) as error:
        getattr(table, method)(*question)
    text = str(error.value)
    assert str(Measure(question[0], question[1], str(question[2]), question[3])) in text
    assert instead in text
    assert "\n" not in text


def test_costs_come_back_as_written(table):
    assert table.params("cifar10").dtype == table.flops("cifar10").dtype == np.int64
    assert table.params("cifar10").tolist() == [10, 2**40, 30, 40, 50]
    assert table.flops("cifar10", [1, 3]).tolist() == [2000, 4000]
    assert table.train_seconds("cifar10", 200).tolist() == COLUMNS["cifar10.train_seconds.e200"]
    assert table.train_seconds("cifar10", 108, "r0", rows=[4]).tolist() == [5.5]


def test_training_seconds_are_the_mean_of_what_seeds_have(tmp_path):
    columns = {"arch": ["a", "b", "c"]} | {
        f"d.train_seconds.e36.r{k}": v for k, v in enumerate(([1.0, 2.0, NAN], [3.0, NAN, NAN]))
    }
    write_table(tmp_path / "seeds.parquet", columns | {"d.train_seconds.e4": [1.0, 2.0, 3.0]}, ABOUT)
    table = GroundTruth(tmp_path / "seeds.parquet")
    assert table.timed_epochs("d") == ["36", "4"]
    assert table.timed_epochs("e") == []
    np.testing.assert_array_equal(table.mean_train_seconds("d", 36), [2.0, 2.0, NAN])
    assert table.mean_train_seconds("d", "4", [2, 0]).tolist() == [3.0, 1.0]
    with pytest.raises(NoSuchResult, match=r"no column d\.train_seconds\.e12"):
        table.mean_train_seconds("d", 12)


@pytest.mark.parametrize(
    ("method", "question"),
    [
        ("params", ("cifar100",)),
        ("flops", ("cifar100",)),
        ("train_seconds", ("cifar10", 108)),
        ("train_seconds", ("cifar10", 200, "s777")),
        ("train_seconds", ("cifar10", 12)),
    ],
)
def test_a_cost_that_is_not_there_lists_those_that_are(table, method, question):
    with pytest.raises(NoSuchResult) as error:
        getattr(table, method)(*question)
    for name in ("cifar10.params", "cifar10.flops", "cifar10.train_seconds.e200", "cifar10.train_seconds.e108.r0"):
        assert name in str(error.value)


def test_keys_and_rows_are_inverse_and_unknown_keys_have_row_minus_one(table):
    assert table.keys() == ARCHS
    assert table.rows(ARCHS[::-1]).tolist() == [4, 3, 2, 1, 0]
    assert table.rows(np.array(["e|f", "unknown", "ö", ""])).tolist() == [2, -1, 4, -1]
    assert table.rows([]).tolist() == []
    assert table.rows(ARCHS).dtype == np.int64


def test_a_hash_column_identifies_rows_too(tmp_path):
    write_table(tmp_path / "hashes.parquet", {"hash": ["00ff", "11ee"], "d.test.e1.mean": [1.0, 2.0]}, ABOUT)
    table = GroundTruth(tmp_path / "hashes.parquet")
    assert table.keys() == ["00ff", "11ee"]
    assert table.rows(["11ee"]).tolist() == [1]


# ---- what is refused -------------------------------------------------------------------------------------------


def refusal(path):
    """The text of the BadTable that opening raises; it names the file."""
    with pytest.raises(BadTable) as error:
        GroundTruth(path)
    text = str(error.value)
    assert str(path) in text
    return text


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_no_parquet_is_refused(tmp_path, content):
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


def write_with(path, about, columns=None):
    """A Parquet file with this text as its `ground_truth` metadata."""
    table = pa.table(columns or {"arch": ["a"], "d.test.e1.mean": [1.0]})
    pq.write_table(table.replace_schema_metadata({} if about is None else {METADATA_KEY: about}), path)
    return path


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


def test_a_column_whose_name_begins_anothers_is_read_alone(tmp_path):
    columns = {"arch": ["a"], "d.test.e1": [7.0], "d.test.e1.mean": [1.0]}
    write_table(tmp_path / "x.parquet", columns, ABOUT)
    assert GroundTruth(tmp_path / "x.parquet").read("d.test.e1").to_pylist() == [7.0]


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.parquet")
    assert "not a regular file" in refusal(tmp_path / "x.parquet")


def test_a_relative_path_is_looked_up_in_the_data_folder_too(path, tmp_path_factory, monkeypatch):
    monkeypatch.setenv("SUPERNET_DATA", str(path.parent))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert GroundTruth("toy.parquet").path == path
    write_table(Path("toy.parquet"), {"arch": ["z"]}, ABOUT)
    assert GroundTruth("toy.parquet").keys() == ["z"]


# ---- damage ----------------------------------------------------------------------------------------------------


def chunks(path):
    """Column -> (start, end) of its pages in the file."""
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    starts = [c.dictionary_page_offset or c.data_page_offset for c in columns]
    return {c.path_in_schema: (s, s + c.total_compressed_size) for c, s in zip(columns, starts, strict=True)}


def flipped(path, position, mask=0xFF):
    """A copy of the table with one byte of its file changed."""
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= mask
    copy = path.with_name("damaged.parquet")
    copy.unlink(missing_ok=True)  # an open table maps the file that was there
    copy.write_bytes(damaged)
    return GroundTruth(copy)


def holds(table, name):
    """Whether that check of the table does."""
    return {what: right for what, right, _ in verify(table)}[name]


def test_reading_notices_every_changed_byte_of_the_values(tmp_path):
    """Both kinds of pages: the distinct values at the start of a column, and which rows have them at its end."""
    path = tmp_path / "long.parquet"
    drawn = np.random.default_rng(0).uniform(0, 100, 200)[np.random.default_rng(1).integers(200, size=2000)]
    write_table(path, {"arch": [f"{value:.14f}" for value in drawn], "d.test.e1.mean": drawn}, ABOUT)
    for name, (start, end) in chunks(path).items():
        assert end - start > 2500
        for position in [*range(start + 100, start + 600, 13), *range(end - 1500, end, 13)]:
            with pytest.raises(BadTable, match=rf"column {name} cannot be read, the file is damaged"):
                flipped(path, position, 1 << position % 8).stored(name)


@pytest.mark.parametrize("mask", [0x01, 0x80, 0xFF])
def test_no_changed_byte_of_the_pages_passes_verification_with_other_values(tmp_path, mask):
    path = tmp_path / "toy.parquet"
    names = ("arch", "cifar10.params", "cifar10.test.e200.s888", "cifar10-valid.valid.e108half.r0")
    write_table(path, {name: COLUMNS[name] for name in names}, ABOUT)
    for name, (start, end) in chunks(path).items():
        written = content_digest([name], [GroundTruth(path).read(name)])
        for position in range(start, end):
            damaged = flipped(path, position, mask)
            try:
                same = content_digest([name], [damaged.stored(name)]) == written
            except BadTable:
                assert not holds(damaged, "readable")
            else:  # in a page's header, where some bytes matter and some do not
                assert holds(damaged, "contents") == same


def test_damage_is_met_when_anything_is_read(path):
    """Opening reads the footer alone; the first question compares all contents with their digest."""
    table = flipped(path, chunks(path)["cifar10.test.e200.s777"][1] - 1)
    assert len(table) == 5
    for ask in (lambda: table.accuracy("cifar10", "test", 200, "mean"), lambda: table.rows(["c|d"]), table.keys):
        with pytest.raises(BadTable, match=r"column cifar10\.test\.e200\.s777 cannot be read, the file is damaged"):
            ask()


def altered(path, column, change):
    """Rewrite a table with other values in one column, as `supernet` would have written them but for the digest."""
    stored = pq.read_table(path)
    place = stored.column_names.index(column)
    values = pa.array(change(stored[column].to_pylist()), type=stored.schema.types[place])
    pq.write_table(stored.set_column(place, stored.field(place), values), path, write_page_checksum=True)


QUESTIONS = {
    "accuracy": lambda table: table.accuracy("cifar10", "test", 200, "s777"),
    "readings": lambda table: table.readings("cifar10", "test", 12, "s777"),
    "params": lambda table: table.params("cifar10"),
    "seconds": lambda table: table.mean_train_seconds("cifar10", 200),
    "keys": lambda table: table.keys(),
    "rows": lambda table: table.rows(["a|b"]),
    "read": lambda table: table.read("index"),
    "digest": lambda table: table.digest,
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_altered_contents_answer_no_question(path, question):
    QUESTIONS[question](GroundTruth(path))
    altered(path, "cifar10.test.e200.mean", lambda values: values[::-1])
    for _ in range(2):  # not the first time alone
        with pytest.raises(BadTable, match=r"toy\.parquet was altered after it was written") as error:
            QUESTIONS[question](GroundTruth(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rename", [("s777", "s778"), ("cifar10.params", "cifar11.params"), ("valid", "test_")])
def test_a_renamed_column_is_noticed(path, rename):
    stored = pq.read_table(path)
    names = [name.replace(*rename) for name in stored.column_names]
    pq.write_table(stored.rename_columns(names).replace_schema_metadata(stored.schema.metadata), path)
    with pytest.raises(BadTable, match="was altered"):
        GroundTruth(path).keys()


@pytest.mark.parametrize("change", [{"space": "nb101"}, {"family": "x"}, {"source": "y"}, {"content_sha256": "0" * 64}])
def test_altered_metadata_are_refused(path, change):
    stored = pq.read_table(path)
    about = json.loads(stored.schema.metadata[METADATA_KEY])
    pq.write_table(stored.replace_schema_metadata({METADATA_KEY: json.dumps(about | change)}), path)
    assert "was altered after it was written: its `ground_truth` metadata" in refusal(path)


def test_a_digest_of_another_shape_vouches_for_nothing(tmp_path):
    for recorded in ("", None, 7, ["x"], "A" * 64, "x" * 100_000):
        text = json.dumps({**ABOUT, "content_sha256": recorded}).encode()
        with pytest.raises(BadTable, match="was altered") as error:
            GroundTruth(write_with(tmp_path / "x.parquet", text)).keys()
        assert len(str(error.value)) < 1000


def test_a_table_that_records_no_digest_has_that_of_its_contents(tmp_path):
    def digest(values, name="d.test.e1.mean"):
        columns = {"arch": ["a", "b"], name: values}
        return GroundTruth(write_with(tmp_path / "x.parquet", json.dumps(ABOUT).encode(), columns)).digest

    first = digest([1.0, 2.0])
    assert (
        first == digest([1.0, 2.0]) == content_digest(["arch", "d.test.e1.mean"], [pa.array("ab"), pa.array([1.0, 2])])
    )
    assert len({first, digest([2.0, 1.0]), digest([1.0, 2.5]), digest([1.0, 2.0], "d.test.e2.mean")}) == 4


def test_the_digest_is_computed_once_per_file_and_again_when_it_changes(path, monkeypatch):
    read = []
    stored = GroundTruth.stored
    monkeypatch.setattr(GroundTruth, "stored", lambda table, name: read.append(name) or stored(table, name))
    digest = GroundTruth(path).digest
    assert read == list(COLUMNS)
    assert GroundTruth(path).digest == digest
    assert read == list(COLUMNS)
    altered(path, "cifar10.test.e200.mean", lambda values: values[::-1])
    with pytest.raises(BadTable, match="was altered"):
        _ = GroundTruth(path).digest


def test_the_digest_of_values_that_are_objects_depends_on_them_alone():
    lists = pa.array([[1, 2], [3]]), pa.array([b"x", None]), pa.array(["a", "b"]).dictionary_encode()
    digests = [content_digest(["x"], [column]) for column in lists]
    assert digests == [content_digest(["x"], [pa.array(column.to_pylist(), column.type)]) for column in lists]
    assert content_digest(["x"], [pa.array([[1, 2], [4]])]) != digests[0]
    assert content_digest(["x"], [pa.array(["a", "b"])]) == digests[2]


@pytest.mark.parametrize("column", COLUMNS)
def test_a_table_rewritten_with_another_value_fails_its_digest(path, column):
    assert holds(GroundTruth(path), "contents")
    stored = pq.read_table(path)
    values = stored[column].to_pylist()
    values[0] = values[0] + ("x" if column == "arch" else 1)
    place = stored.column_names.index(column)
    altered = stored.set_column(place, stored.schema.field(place), pa.array(values, type=stored.schema.types[place]))
    pq.write_table(altered, path)
    assert not holds(GroundTruth(path), "contents")


def test_the_digest_is_of_names_and_values_not_of_the_layout(path):
    stored = pq.read_table(path)
    digest = GroundTruth(path).about["content_sha256"]
    pq.write_table(stored, path, compression="none", row_group_size=2, use_dictionary=False)
    other = pq.read_table(path)
    assert content_digest(other.column_names, other.columns) == digest
    renamed = [name.replace("s777", "s778") for name in other.column_names]
    assert content_digest(renamed, other.columns) != digest
    assert content_digest(other.column_names[::-1], other.columns[::-1]) != digest


# ---- writing ---------------------------------------------------------------------------------------------------


def test_writing_makes_the_folder_and_leaves_the_table_alone_in_it(tmp_path):
    target = tmp_path / "new" / "folder" / "toy.parquet"
    write_table(target, COLUMNS, ABOUT)
    assert os.listdir(target.parent) == ["toy.parquet"]
    assert GroundTruth(target).keys() == ARCHS


def test_writing_replaces_an_earlier_table(path):
    write_table(path, {"arch": ["z"], "d.test.e1.mean": [1.0]}, ABOUT)
    assert GroundTruth(path).keys() == ["z"]
    assert os.listdir(path.parent) == ["toy.parquet"]


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("earlier", [None, b"an earlier table"])
def test_writing_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, failure, earlier):
    def half(table, where, **_):
        Path(where).write_bytes(b"PAR1 and some more")
        assert Path(where).parent == tmp_path
        raise failure

    target = tmp_path / "toy.parquet"
    if earlier:
        target.write_bytes(earlier)
    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(type(failure)):
        write_table(target, COLUMNS, ABOUT)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == (
        {"toy.parquet": earlier} if earlier else {}
    )


def test_columns_of_unequal_length_are_not_written(path):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="length"):
        write_table(path, {"arch": ["a", "b"], "d.test.e1.mean": [1.0]}, ABOUT)
    assert os.listdir(path.parent) == ["toy.parquet"]
    assert path.read_bytes() == before


# ---- real tables -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "split", "best", "row"),
    [
        ("cifar10", "test", 94.3733, 6111),
        ("cifar100", "test", 73.5133, 9930),
        ("imagenet16-120", "test", 47.3111, 857),
        ("cifar10-valid", "valid", 91.6067, 6111),
    ],
)
def test_the_best_architectures_of_nb201_are_those_published(nb201_truth, dataset, split, best, row):
    accuracy = nb201_truth.accuracy(dataset, split, 200, "mean")
    assert len(accuracy) == len(nb201_truth) == 15625
    assert accuracy.argmax() == row
    assert accuracy[row] == pytest.approx(best, abs=1e-3)


def test_the_best_accuracy_of_nb101_is_that_published(nb101_truth):
    accuracy = nb101_truth.accuracy("cifar10", "test", 108, "mean")
    assert len(accuracy) == len(nb101_truth) == 423624
    assert accuracy.max() == pytest.approx(94.3176, abs=1e-3)


FRESH = """
import sys, time
import pandas  # which pyarrow would import at the first conversion
from supernet.benchmarks.truth.table import GroundTruth
start = time.perf_counter()
accuracy = GroundTruth(sys.argv[1]).accuracy("cifar10", "test", 200, "mean")
seconds = time.perf_counter() - start
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(len(accuracy), seconds, peak)
"""
"""Prints rows, seconds, and peak memory in kB (`ru_maxrss` would count the process that started this one)."""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of peak memory")
def test_opening_a_table_and_reading_one_column_is_quick_and_small(nb201_truth):
    ran = subprocess.run(
        [sys.executable, "-c", FRESH, str(nb201_truth.path)], capture_output=True, text=True, check=True
    )
    rows, seconds, peak = ran.stdout.split()
    assert int(rows) == 15625
    assert float(seconds) < 0.3
    assert int(peak) / 1024 < 150
