"""The shelf: which tables lie in the data folder, and which of them answers a question."""

from pathlib import Path

import platformdirs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from supernet.benchmarks.errors import BadTable, NoSuchResult, UserError
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.shelf import covers, measure_for, table_for
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table

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


def put(path, space="nb201", measures=(TEST,), **more):
    columns = {"arch": ["a", "b"], **{measure.column: [1.0, 2.0] for measure in measures}}
    write_table(path, columns, {"space": space, "family": f"{path.stem} records", "accuracy_unit": "percent", **more})
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
    assert len(problems) == 2
    assert str(folder / "damaged.parquet") in problems[0]


def test_a_table_covers_its_space_and_nb101_its_sub_spaces(folder):
    nb201 = GroundTruth(put(folder / "nb201.parquet"))
    nb101 = GroundTruth(put(folder / "nb101.parquet", space="nb101"))
    spaces = ("nb201", "nb201-topology", "nb101", "nb1shot1-1", "nb1shot1-3", "darts")
    assert [space for space in spaces if covers(nb201, space)] == ["nb201", "nb201-topology"]
    sample = GroundTruth(put(folder / "sample.parquet", sample="400 of them"))
    assert [space for space in spaces if covers(sample, space)] == ["nb201"]
    assert [space for space in spaces if covers(nb101, space)] == ["nb101", "nb1shot1-1", "nb1shot1-3"]


# ---- the table for a question ----------------------------------------------------------------------------------


def test_a_table_of_the_space_comes_before_one_of_the_whole_benchmark(folder):
    put(folder / "a.parquet", measures=[TEST, VALID])
    put(folder / "part.parquet", space="nb201-topology")
    assert table_for("nb201-topology", TEST).path.name == "part.parquet"
    assert table_for("nb201-topology", VALID).path.name == "a.parquet"
    assert table_for("nb201", TEST).path.name == "a.parquet"


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
    assert "(one, two)" in text
    assert "Seeds: mean." in text
    assert "elsewhere" not in text
    assert "\n" not in text


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


# ---- spellings and suggestions ---------------------------------------------------------------------------------

BENCHMARK = [
    Measure(dataset, split, epochs, seed)
    for dataset, split in (
        ("cifar10", "test"), ("cifar10-valid", "valid"), ("cifar100", "valid"), ("cifar100", "test"),
        ("imagenet16-120", "test"),
    )
    for epochs in ("12", "200")
    for seed in ("mean", "s777", "s888")
]  # fmt: skip


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        (("ImageNet16-120", "test", "200", "mean"), "imagenet16-120.test.e200.mean"),
        (("imagenet16_120", "Test", None, "MEAN"), "imagenet16-120.test.e200.mean"),
        (("CIFAR10", "test", "12", "S777"), "cifar10.test.e12.s777"),
        (("CIFAR-100", "test", "200", "s888"), "cifar100.test.e200.s888"),
        (("cifar10_valid", "valid", None, "mean"), "cifar10-valid.valid.e200.mean"),
    ],
)
@pytest.mark.parametrize("named", [None, "all", "elsewhere"])
def test_official_spellings_are_understood(folder, tmp_path_factory, official, ours, named):
    put(folder / "all.parquet", measures=BENCHMARK)
    if named == "elsewhere":
        named = str((folder / "all.parquet").rename(tmp_path_factory.mktemp("elsewhere") / "mine.parquet"))
    assert measure_for("nb201", *official, named).column == ours


def test_a_spelling_that_two_data_sets_share_is_taken_for_neither(folder):
    put(folder / "all.parquet", measures=[Measure(name, "test", "1", "mean") for name in ("a-b", "a_b")])
    assert measure_for("nb201", "a_b", "test", "1", "mean").dataset == "a_b"
    with pytest.raises(NoSuchResult, match="no data set 'ab'"):
        measure_for("nb201", "ab", "test", "1", "mean")


@pytest.mark.parametrize(
    ("question", "meant"),
    [
        (("cifar", "test", "200", "mean"), "cifar10"),
        (("imagenet", "test", "200", "mean"), "imagenet16-120"),
        (("cifar10", "valid", "200", "mean"), "cifar10-valid valid"),
        (("cifar10", "valid", None, "mean"), "cifar10-valid valid"),
        (("cifar10", "validation", "200", "mean"), "cifar10-valid valid"),
        (("cifar100", "x-valid", "200", "mean"), "valid"),
        (("cifar10", "test", "100", "mean"), "200"),
        (("cifar10", "test", "20", "mean"), "12"),
        (("cifar10", "test", "e200", "mean"), "200"),
        (("cifar10", "test", "200", "777"), "s777"),
        (("cifar10", "test", "200", "r888"), "s888"),
    ],
)
@pytest.mark.parametrize("named", [None, "all"])
def test_what_was_meant_is_suggested_with_a_short_list(folder, question, meant, named):
    put(folder / "all.parquet", measures=BENCHMARK)
    with pytest.raises(NoSuchResult) as error:
        measure_for("nb201", *question, named)
    text = str(error.value)
    assert f"did you mean {meant}?" in text
    assert "There is no ground truth for nb201" not in text
    assert len(text) < 500
    assert "\n" not in text


def test_a_question_of_any_length_has_a_short_answer(folder):
    put(folder / "many.parquet", measures=[Measure(f"d{i}", "test", "1", "mean") for i in range(3000)])
    for part in ("x" * 10**6, "9" * 10**6, "\n" * 1000):
        for at in range(4):
            asked = ["d1", "test", "1", "mean"]
            asked[at] = part
            with pytest.raises(NoSuchResult) as error:
                measure_for("nb201", *asked)
            assert len(str(error.value)) < 1500


def test_a_damaged_table_is_not_passed_over_when_there_is_no_other(folder):
    (folder / "nats.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UserError, match=r"Unusable tables there: .*nats\.parquet cannot be read as a Parquet file"):
        table_for("nb201", TEST)


def test_what_lies_on_the_shelf_is_told_apart(folder):
    put(folder / "good.parquet")
    put(folder / "altered.parquet")
    stored = pq.read_table(folder / "altered.parquet")
    pq.write_table(stored.set_column(1, stored.field(1), pa.array([2.0, 1.0])), folder / "altered.parquet")
    pq.write_table(pa.table({"x": [1]}), folder / "other.parquet")
    (folder / "broken.parquet").write_bytes(b"PAR1")
    there = shelf.survey()
    assert [table.path.stem for table in there.tables] == ["altered", "good"]
    assert ["broken.parquet" in text for text in there.damaged] == [True]
    assert ["other.parquet" in text for text in there.others] == [True]
    intact, problems = shelf.intact_tables()
    assert [table.path.stem for table in intact] == ["good"]
    assert any("altered.parquet was altered" in text for text in problems)


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_data_folder_that_is_none_is_said(tmp_path, monkeypatch, kind):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SUPERNET_DATA", str(tmp_path / kind))
    for ask in (
        shelf.tables,
        shelf.intact_tables,
        lambda: table_for("nb201", TEST),
        lambda: table_for("nb201", TEST, "nb201-digits"),
        lambda: measure_for("nb201", "cifar10", "test", None, "mean"),
    ):
        with pytest.raises(UserError, match=f"SUPERNET_DATA names the data folder {tmp_path / kind}, which"):
            ask()


def test_a_table_that_is_planned_says_how_it_is_measured(tmp_path, monkeypatch):
    for end in ("yaml", "parquet"):
        (tmp_path / f"known.{end}").touch()
    (tmp_path / "planned.yaml").touch()
    monkeypatch.setattr(shelf, "EMBEDDED", tmp_path)
    measure = Measure("digits", "test", "1", "mean")
    with pytest.raises(UserError, match="supernet benchmark build planned --out"):
        shelf.table_for("nb201", measure, "planned")
    with pytest.raises(UserError) as error:
        shelf.table_for("nb201", measure, "other")
    assert "benchmark build" not in str(error.value)
