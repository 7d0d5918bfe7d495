"""Nothing of a file of scores is dropped in silence: what cannot be used is left out by name, or refused."""

import json
import os

import numpy as np
import pandas as pd
import pytest

from supernet.benchmarks.errors import UserError
from supernet.harness.correlation.files import read_scores


@pytest.mark.parametrize("cell", ["diverged", "70,1", "", "nan", "1_000", "0x1f", "--", "True", "70.1 %"])
def test_a_column_that_is_numeric_but_for_some_cells_is_a_score(tmp_path, truth201, cell):
    path = tmp_path / "s.csv"
    path.write_text(f'index,acc,minus_loss\n1,1,1\n2,2,"{cell}"\n3,3,3\n')
    with pytest.raises(UserError, match=r"line 3: minus_loss is .*, not a finite number"):
        read_scores(path, "nb201", truth201)


def test_columns_of_text_are_left_out_and_named(tmp_path, truth201):
    path = tmp_path / "s.csv"
    path.write_text("index,label,acc,note,empty,\n1,a,1,5,,\n2,b,2,long,,\n3,c,3,wide,,\n")
    table = read_scores(path, "nb201", truth201)
    assert list(table.scores) == ["acc"]
    (unnamed, left_out) = table.notes
    assert "1 column(s) without a name" in unnamed
    assert "label (text; line 2: 'a')" in left_out
    assert "note (2 of 3 cells are text; line 3: 'long')" in left_out
    assert "empty (no cell has a value)" in left_out
    assert table.take(np.array([True, False, True])).notes == table.notes


def test_lines_with_other_numbers_of_fields_are_refused(tmp_path, truth201):
    path = tmp_path / "s.csv"
    path.write_text('index,acc\n1,2\n"2\n",3,4\n\n5\n6,7\n')
    with pytest.raises(UserError) as error:
        read_scores(path, "nb201", truth201)
    assert "line 3: the line has 3 fields, and the header has 2" in str(error.value)
    assert "line 6: the line has 1 field, and the header has 2" in str(error.value)


def test_repeated_names_are_refused(tmp_path, truth201):
    path = tmp_path / "s.csv"
    path.write_text("index,acc,acc\n1,2,3\n")
    with pytest.raises(UserError, match="more than one column called 'acc'"):
        read_scores(path, "nb201", truth201)
    path = tmp_path / "s.json"
    path.write_text('{"6111": 70.1, "1835": 40.2, "6111": 95.0}')
    with pytest.raises(UserError, match=r"entry 3 \(as 1\): repeats an architecture; --average-repeats"):
        read_scores(path, "nb201", truth201)
    assert read_scores(path, "nb201", truth201, average_repeats=True).scores["score"].tolist() == [82.55, 40.2]
    path.write_text('[{"arch": 1, "acc": 2}, {"arch": 2, "acc": 3, "acc": 4}]')
    with pytest.raises(UserError, match="entry 2: the entry has 'acc' more than once"):
        read_scores(path, "nb201", truth201)


@pytest.mark.parametrize("word", ["None", "NA", "nan", "null", "", "007", "1.0", "True"])
def test_names_of_groups_stay_as_they_are_written(tmp_path, truth201, word):
    path = tmp_path / "s.csv"
    path.write_text(f"index,trick,acc\n1,{word},2\n2,fair,3\n")
    table = read_scores(path, "nb201", truth201, group_columns=["trick"])
    assert table.groups["trick"].tolist() == [word, "fair"]


def test_groups_of_any_type_are_their_text(tmp_path, truth201):
    path = tmp_path / "s.parquet"
    times = [pd.Timestamp("2020-01-01"), pd.NaT]
    pd.DataFrame({"index": [1, 2], "t": times, "l": [[1], [2]], "acc": [1.0, 2.0]}).to_parquet(path)
    table = read_scores(path, "nb201", truth201, group_columns=["t", "l"])
    assert table.groups["t"].tolist() == ["2020-01-01 00:00:00", "(missing)"]
    assert table.groups["l"].tolist() == ["[1]", "[2]"]


@pytest.mark.parametrize("second", ["index", "arch_index", "Hash"])
def test_another_column_of_architectures_is_no_score_and_must_agree(tmp_path, truth201, second):
    path = tmp_path / "s.csv"
    keys = truth201.keys([6, 7, 8])
    path.write_text(f"{second},arch,acc\n6,{keys[0]},1\n7,{keys[1]},2\n,{keys[2]},3\n")
    assert list(read_scores(path, "nb201", truth201).scores) == ["acc"]
    path.write_text(f"{second},arch,acc\n6,{keys[0]},1\n8,{keys[1]},2\nx,{keys[2]},3\n")
    with pytest.raises(UserError, match=f"line 3-4: {second} names another architecture than arch"):
        read_scores(path, "nb201", truth201)
    table = read_scores(path, "nb201", truth201, arch_column="arch")
    assert list(table.scores) == ["acc"]
    assert any(second in note for note in table.notes)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_no_index_begins_with_a_zero(write, truth201, suffix):
    frame = pd.DataFrame({"arch": ["001333", "011113", "0", "12.0"], "s": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(UserError) as error:
        read_scores(write(frame, suffix), "nb201", truth201)
    assert "'001333' begins with a zero" in str(error.value)
    assert "2 " in str(error.value).split(":")[1]


def test_infinite_scores_are_refused_ranked_worst_or_left_out(tmp_path, truth201):
    path = tmp_path / "s.csv"
    path.write_text("index,naswot,loss\n1,812.4,1\n2,-inf,2\n3,640,inf\n4,641,4\n")
    with pytest.raises(UserError, match=r"line 3: naswot is -inf, not a finite number .*--infinite worst"):
        read_scores(path, "nb201", truth201)
    worst = read_scores(path, "nb201", truth201, lower_is_better=["loss"], infinite="worst")
    assert np.argsort(worst.scores["naswot"]).tolist() == [1, 2, 3, 0]
    assert np.argsort(-worst.scores["loss"]).tolist() == [0, 1, 3, 2]
    assert np.isfinite([*worst.scores["naswot"], *worst.scores["loss"]]).all()
    with pytest.raises(UserError, match="line 4: loss is inf, which is the best possible value"):
        read_scores(path, "nb201", truth201, infinite="worst")
    left = read_scores(path, "nb201", truth201, infinite="leave-out")
    assert left.rows.tolist() == [1, 4]
    assert any(note.startswith("Left out because of an infinite score: 2 of 4 architectures") for note in left.notes)


def test_messages_stay_short(tmp_path, truth201):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({f"arch {n} {'x' * 9000}": {"acc": "y" * 9000, "loss": n} for n in range(3000)}))
    with pytest.raises(UserError) as error:
        read_scores(path, "nb201", truth201)
    assert len(str(error.value)) < 8000
    path.write_text(json.dumps([{f"column {n}": n for n in range(3000)}]))
    with pytest.raises(UserError) as error:
        read_scores(path, "nb201", truth201)
    assert len(str(error.value)) < 2000


@pytest.mark.parametrize("option", ["lower_is_better", "score_columns", "group_columns"])
def test_columns_that_are_asked_for_have_to_exist(write, truth201, option):
    path = write(pd.DataFrame({"arch": [1], "acc": [1.0]}))
    with pytest.raises(UserError, match="no column 'ac'"):
        read_scores(path, "nb201", truth201, **{option: ["ac"]})


def test_large_scores_are_averaged_without_overflow(tmp_path, truth201):
    path = tmp_path / "s.csv"
    path.write_text("index,s\n1,1.5e308\n1,1.6e308\n2,1\n")
    assert read_scores(path, "nb201", truth201, average_repeats=True).scores["s"].tolist() == pytest.approx(
        [1.55e308, 1]
    )


def test_a_file_that_is_not_regular_is_refused_at_once(tmp_path, truth201):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.json").mkdir()
    for name in ("pipe.csv", "folder.json"):
        with pytest.raises(UserError, match="not a regular file"):
            read_scores(tmp_path / name, "nb201", truth201)


def damaged(content, rng):
    """The bytes with one to three of them changed, lost, doubled or replaced by what parsers stumble over."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data)))
        match rng.integers(5):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                del data[at : at + int(rng.integers(1, 64))]
            case 2:
                data[at:at] = data[at : at + 64]
            case 3:
                data[at : at + 4] = b"\xff" * 4
            case _:
                data[at:at] = [b"[" * 3000, b'"', b",", b"\n", b"\0", b"9" * 400, b"nan"][int(rng.integers(7))]
    return bytes(data)


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_damaged_files_are_refused_or_read_and_never_lose_a_column(write, truth201, suffix):
    frame = pd.DataFrame({"arch": truth201.keys(range(30)), "score": np.linspace(50, 90, 30), "other": np.arange(30.0)})
    path = write(frame, suffix)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    messages = []
    for _ in range(150):
        path.write_bytes(damaged(content, rng))
        try:
            table = read_scores(path, "nb201", truth201)
        except UserError as error:
            messages.append(str(error))
        else:
            assert len(table.scores) == 2 or table.notes
    assert len(messages) > 75
    assert max(map(len, messages)) < 8000


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 50_000, f'[{{"index": 1, "acc": {"9" * 400}}}]', f"[{'9' * 5000}]"]
)
def test_hostile_json_is_refused(tmp_path, truth201, content):
    path = tmp_path / "s.json"
    path.write_text(content)
    with pytest.raises(UserError):
        read_scores(path, "nb201", truth201, score_columns=["acc"])


def test_every_bad_line_is_reported_at_once(write, truth201):
    good = truth201.keys([0, 1, 2])
    frame = pd.DataFrame(
        {
            "arch": [
                good[0],
                "nonsense",
                good[1],
                good[0],
                "99999",
                good[2],
                "|conv_9x9~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            ],
            "acc": ["1", "2", "3", "4", "5", "oops", "7"],
            "loss": [1, 2, 3, 4, 5, 6, np.nan],
        }
    )
    with pytest.raises(UserError) as error:
        read_scores(write(frame), "nb201", truth201, score_columns=["acc", "loss"])
    text = str(error.value)
    assert "5 line(s) cannot be used" in text
    assert "line 3: 'nonsense' is not of the form" in text
    assert "line 6: nb201: index 99999 is outside 0 … 15624" in text
    assert "line 7: acc is oops" in text
    assert "line 8: '|conv_9x9~0|" in text
    assert "line 8: loss is nan" in text
    assert "5 (as 2)" in text
    assert "--average-repeats" in text


def test_lines_with_the_same_trouble_are_given_as_ranges(write, truth201):
    frame = pd.DataFrame({"arch": ["x"] * 3 + [truth201.keys([0])[0]] + ["x"], "acc": range(5)})
    with pytest.raises(UserError, match="line 2-4, 6: 'x' is not of the form"):
        read_scores(write(frame), "nb201", truth201)


def test_cells_outside_the_space_or_the_table_are_named(write, truth101):
    frame = pd.DataFrame({"hash": ["0" * 32, truth101.keys([0])[0]], "acc": [1.0, 2.0]})
    with pytest.raises(UserError, match=f"the cell {'0' * 32} is not in nb1shot1-1"):
        read_scores(write(frame), "nb1shot1-1", truth101)
    with pytest.raises(UserError, match=f"{'0' * 32} is not in nb101.parquet"):
        read_scores(write(frame), "nb101", truth101)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.txt", "arch,acc\n", "not from .txt"),
        ("s.csv", "a,b\n1,2\n", "has no architecture column"),
        ("s.csv", "arch,note\n1,hello\n", "no numeric score column"),
        ("s.csv", "", "cannot be read"),
        ("s.json", "{", "cannot be read"),
        ("s.json", "7", "neither a list of records nor a table"),
        ("s.parquet", "PAR1", "cannot be read"),
    ],
)
def test_files_without_scores_are_refused(tmp_path, truth201, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_scores(path, "nb201", truth201)


def test_a_missing_file_and_missing_columns_are_named(tmp_path, write, truth201):
    with pytest.raises(UserError, match="There is no file"):
        read_scores(tmp_path / "none.csv", "nb201", truth201)
    path = write(pd.DataFrame({"arch": [1], "acc": [1.0]}))
    with pytest.raises(UserError, match="has no column 'ac'; it has 'arch', 'acc'"):
        read_scores(path, "nb201", truth201, score_columns=["ac"])
