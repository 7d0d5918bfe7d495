"""The shelf: which tables lie in the data folder, and which of them answers a question."""

from pathlib import Path

import platformdirs
import pytest

from benchmarks.errors import BadTable, NoSuchResult, UserError
from benchmarks.truth import shelf
from benchmarks.truth.shelf import covers, table_for
from benchmarks.truth.table import GroundTruth, Measure, write_table

TEST = Measure("cifar10", "test", "200", "mean")
VALID = Measure("cifar10", "valid", "200", "s777")


@pytest.fixture(autouse=True)
def nothing_ships(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(shelf, "EMBEDDED", tmp_path_factory.mktemp("embedded"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The data folder, empty."""
    monkeypatch.setenv("SUPERNET_DATA", str(tmp_path))
    return tmp_path


def put(path, space="nb201", measures=(TEST,)):
    columns = {"arch": ["a", "b"], **{measure.column: [1.0, 2.0] for measure in measures}}
    write_table(path, columns, {"space": space, "family": f"{path.stem} records", "accuracy_unit": "percent"})
    return path


# ---- the folder ------------------------------------------------------------------------------------------------


def test_the_data_folder_is_the_one_in_the_environment(folder):
    assert shelf.data_dir() == folder


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_data_folder_is_the_users(tmp_path, monkeypatch, value):
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name, appauthor: tmp_path / name)
    if value is None:
        monkeypatch.delenv("SUPERNET_DATA", raising=False)
    else:
        monkeypatch.setenv("SUPERNET_DATA", value)
    assert shelf.data_dir() == tmp_path / "supernet-study"
    assert shelf.tables() == ([], [])


# ---- the tables ------------------------------------------------------------------------------------------------


def test_tables_come_by_space_then_most_results_then_name(folder):
    put(folder / "a.parquet")
    put(folder / "c.parquet", measures=[TEST, VALID])
    put(folder / "b.parquet", measures=[TEST, VALID])
    put(folder / "z.parquet", space="nb101")
    put(folder / "below" / "deeper.parquet")
    tables, problems = shelf.tables()
    assert [table.path.name for table in tables] == ["z.parquet", "b.parquet", "c.parquet", "a.parquet"]
    assert problems == []


def test_what_is_no_table_is_left_out_and_reported(folder):
    put(folder / "good.parquet")
    put(folder / "no-results.parquet", measures=())
    (folder / "damaged.parquet").write_bytes((folder / "good.parquet").read_bytes()[:-9])
    (folder / "notes.txt").write_text("no table")
    tables, problems = shelf.tables()
    assert [table.path.name for table in tables] == ["good.parquet"]
    assert len(problems) == 1
    assert str(folder / "damaged.parquet") in problems[0]


def test_a_table_covers_its_space_and_nb101_its_sub_spaces(folder):
    nb201 = GroundTruth(put(folder / "nb201.parquet"))
    nb101 = GroundTruth(put(folder / "nb101.parquet", space="nb101"))
    spaces = ("nb201", "nb101", "nb1shot1-1", "nb1shot1-3", "darts")
    assert [space for space in spaces if covers(nb201, space)] == ["nb201"]
    assert [space for space in spaces if covers(nb101, space)] == ["nb101", "nb1shot1-1", "nb1shot1-3"]


# ---- the table for a question ----------------------------------------------------------------------------------


def test_the_table_with_most_results_is_preferred(folder):
    put(folder / "a-small.parquet")
    put(folder / "b-large.parquet", measures=[TEST, VALID])
    put(folder / "c-larger.parquet", space="nb101", measures=[TEST, VALID, Measure("cifar10", "test", "4", "one")])
    assert table_for("nb201", TEST).path.name == "b-large.parquet"


def test_a_smaller_table_answers_what_the_larger_does_not_have(folder):
    other = Measure("cifar100", "test", "200", "mean")
    put(folder / "large.parquet", measures=[TEST, VALID])
    put(folder / "small.parquet", measures=[other])
    assert table_for("nb201", other).path.name == "small.parquet"


def test_a_sub_space_is_answered_by_its_benchmark(folder):
    put(folder / "nb201.parquet", measures=[TEST, VALID])
    put(folder / "nb101.parquet", space="nb101")
    assert table_for("nb1shot1-2", TEST).path.name == "nb101.parquet"


@pytest.mark.parametrize("named", ["wanted", "wanted.parquet", "below/other.parquet", "below/other"])
def test_a_named_table_is_taken_from_the_data_folder(folder, named):
    put(folder / "larger.parquet", measures=[TEST, VALID])
    put(folder / "wanted.parquet")
    put(folder / "below" / "other.parquet")
    assert table_for("nb201", TEST, named).path.stem == named.removesuffix(".parquet").split("/")[-1]


def test_a_named_table_may_be_any_path(folder, tmp_path_factory, monkeypatch):
    elsewhere = put(tmp_path_factory.mktemp("elsewhere") / "mine.parquet")
    put(folder / "mine.parquet")
    assert table_for("nb201", TEST, str(elsewhere)).path == elsewhere
    monkeypatch.chdir(elsewhere.parent)
    assert table_for("nb201", TEST, "mine.parquet").path == Path("mine.parquet")
    assert table_for("nb201", TEST, "mine").path == folder / "mine.parquet"


# ---- what is said when there is none ---------------------------------------------------------------------------


def test_a_named_table_that_is_not_there(folder):
    put(folder / "other.parquet")
    with pytest.raises(UserError, match="no ground-truth table 'wanted'") as error:
        table_for("nb201", TEST, "wanted")
    assert str(folder) in str(error.value)


def test_a_named_table_that_is_damaged(folder):
    (folder / "wanted.parquet").write_bytes(b"PAR1")
    with pytest.raises(BadTable, match=r"wanted\.parquet cannot be read"):
        table_for("nb201", TEST, "wanted")


def test_a_measure_that_no_table_has_lists_those_there_are(folder):
    put(folder / "one.parquet", measures=[TEST])
    put(folder / "two.parquet", measures=[VALID])
    put(folder / "elsewhere.parquet", space="nb101")
    wanted = Measure("cifar10", "test", "200", "s999")
    with pytest.raises(NoSuchResult) as error:
        table_for("nb201", wanted)
    text = str(error.value)
    assert str(wanted) in text
    for table in ("one", "two"):
        assert f"{table}.parquet ({table} records)" in text
        assert GroundTruth(folder / f"{table}.parquet").describe() in text
    assert "elsewhere" not in text


@pytest.mark.parametrize(
    ("space", "source", "command"),
    [("nb201", "nats", "nb201"), ("nb101", "nb101", "nb101"), ("nb1shot1-3", "nb101", "nb101")],
)
def test_a_space_without_tables_says_how_to_get_one(folder, space, source, command):
    put(folder / "other.parquet", space="nb201" if space != "nb201" else "nb101")
    with pytest.raises(UserError) as error:
        table_for(space, TEST)
    text = str(error.value)
    assert text == shelf.how_to_get(space)
    assert f"no ground truth for {space} in {folder}" in text
    assert f"`supernet data fetch {source}`" in text
    assert f"`supernet data import {command} FILE`" in text
    assert "SUPERNET_DATA" in text
    with pytest.raises(UserError, match=f"`supernet benchmark build FILE.yaml` makes one for {space}"):
        table_for(space, Measure("digits", "test", "9", "mean"))
