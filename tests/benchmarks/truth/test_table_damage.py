"""Damage and alteration of a ground-truth table never go unnoticed, and what its digest depends on."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_table import ABOUT, COLUMNS, refusal, write_with

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth.about import METADATA_KEY, content_digest
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.verify import verify


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


def test_a_recorded_digest_of_another_shape_is_refused_as_altered(tmp_path):
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
