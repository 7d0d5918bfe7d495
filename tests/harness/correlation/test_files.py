import json
import os

import numpy as np
import pandas as pd
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import NB201, space
from supernet.benchmarks.spaces.nb101 import SLOTS
from supernet.harness.correlation.files import read_scores

SHOT = space("nb1shot1-1")


@pytest.fixture
def write(tmp_path):
    """Write a frame in one of the formats and return its path."""

    def write(frame, suffix=".csv"):
        path = tmp_path / f"scores{suffix}"
        match suffix:
            case ".csv":
                frame.to_csv(path, index=False)
            case ".json":
                frame.to_json(path, orient="records")
            case ".parquet":
                frame.to_parquet(path)
        return path

    return write


def matrix_and_ops(arch):
    """The official form of a 1Shot1 architecture, as NAS-Bench-101 wants it."""
    cell = SHOT.cells(arch).pruned()
    used = np.flatnonzero(cell.used[0])
    names = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    ops = ["input", *(names[cell.ops[0, v - 1]] for v in used if 0 < v < SLOTS - 1), "output"]
    return cell.edges[0][np.ix_(used, used)].astype(int).tolist(), ops


# ---- every spelling, every format ----


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
@pytest.mark.parametrize("spelling", ["string", "index", "index as text"])
def test_nas_bench_201(write, truth201, suffix, spelling):
    rows = [7, 15624, 0, 311]
    names = {
        "string": truth201.keys(rows),
        "index": rows,
        "index as text": [f" {r}" for r in rows],
    }[spelling]
    table = read_scores(write(pd.DataFrame({"arch": names, "acc": [1.0, 2, 3, 4]}), suffix), "nb201", truth201)
    assert table.rows.tolist() == rows
    assert table.scores["acc"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
@pytest.mark.parametrize("spelling", ["string", "index", "hash", "matrix"])
def test_one_shot_spaces_reach_the_row_of_their_cell(write, truth101, suffix, spelling):
    indices = SHOT.subset("unique-cell")[[3, 500, 1000]]
    archs = SHOT.archs(indices)
    frame = pd.DataFrame({"score": [0.1, 0.2, 0.3]})
    if spelling == "matrix":
        graphs = [matrix_and_ops(arch) for arch in archs]
        as_text = (lambda part: json.dumps(part)) if suffix == ".csv" else (lambda part: part)
        frame["matrix"] = [as_text(matrix) for matrix, _ in graphs]
        frame["ops"] = [as_text(ops) for _, ops in graphs]
    else:
        frame["arch"] = {
            "string": [SHOT.string(arch) for arch in archs.tolist()],
            "index": indices,
            "hash": SHOT.hashes(indices),
        }[spelling]
    table = read_scores(write(frame, suffix), SHOT.name, truth101)
    assert truth101.keys(table.rows) == SHOT.hashes(indices).tolist()


@pytest.mark.parametrize("spelling", ["string", "index", "hash", "matrix"])
def test_nas_bench_101_cells(write, truth101, spelling):
    rows = [5, 17, 1]
    hashes = truth101.keys(rows)
    cells = SHOT.subset("unique-cell")
    where = dict(zip(SHOT.hashes(cells).tolist(), cells.tolist(), strict=True))
    archs = [SHOT.arch(where[h]) for h in hashes]
    frame = pd.DataFrame({"score": [0.1, 0.2, 0.3]})
    if spelling == "matrix":
        frame["matrix"], frame["ops"] = zip(*(map(json.dumps, matrix_and_ops(a)) for a in archs), strict=True)
    else:
        spelled = {"string": [SHOT.cells(a).string(0) for a in archs], "index": rows, "hash": hashes}
        frame["arch"] = spelled[spelling]
    assert read_scores(write(frame), "nb101", truth101).rows.tolist() == rows


def test_json_mapping_and_table_of_columns(tmp_path, truth201):
    path = tmp_path / "s.json"
    path.write_text(json.dumps({truth201.keys([4])[0]: 0.5, truth201.keys([9])[0]: 0.25}))
    table = read_scores(path, "nb201", truth201)
    assert (table.rows.tolist(), table.scores["score"].tolist()) == ([4, 9], [0.5, 0.25])
    path.write_text(json.dumps({"index": [4, 9], "a": [1, 2], "b": [3, 4]}))
    assert list(read_scores(path, "nb201", truth201).scores) == ["a", "b"]


def test_columns_are_chosen_and_losses_negated(write, truth201):
    path = write(pd.DataFrame({"cell": [3, 4], "loss": [0.5, 1.5], "epoch": [1, 1]}))
    table = read_scores(path, "nb201", truth201, arch_column="cell", score_columns=["loss"], lower_is_better=True)
    assert list(table.scores) == ["loss"]
    assert table.scores["loss"].tolist() == [-0.5, -1.5]


@pytest.mark.parametrize(
    "content",
    [
        lambda keys: [[key, n] for n, key in enumerate(keys)],
        lambda keys: [["arch", "score"], *([key, n] for n, key in enumerate(keys))],
        lambda keys: {key: {"score": n, "loss": -n} for n, key in enumerate(keys)},
        lambda keys: {"arch": keys, "score": [0, 1, 2]},
        lambda keys: {"arch": dict(zip("012", keys, strict=True)), "score": {"0": 0, "1": 1, "2": 2}},
        lambda keys: {"columns": ["arch", "score"], "index": [0, 1, 2], "data": [[k, n] for n, k in enumerate(keys)]},
    ],
    ids=["rows", "rows with a header", "columns by architecture", "columns", "pandas columns", "pandas split"],
)
def test_forms_of_json(tmp_path, truth201, content):
    path = tmp_path / "s.json"
    path.write_text(json.dumps(content(truth201.keys([4, 9, 2]))))
    table = read_scores(path, "nb201", truth201)
    assert table.rows.tolist() == [4, 9, 2]
    assert table.scores["score"].tolist() == [0, 1, 2]


def test_every_column_of_json_by_architecture_is_a_score(tmp_path, truth201):
    path = tmp_path / "s.json"
    path.write_text('{"6111": {"acc": 70.1, "loss": 0.9}, "1835": {"acc": 40.2, "loss": 2.0}}')
    table = read_scores(path, "nb201", truth201, lower_is_better=["loss"])
    assert table.scores["acc"].tolist() == [70.1, 40.2]
    assert table.scores["loss"].tolist() == [-0.9, -2.0]
    assert table.negated == {"loss"}


def test_the_printed_form_of_an_architecture_object_is_read(write, truth201):
    names = [f"Structure(4 nodes with {key})" for key in truth201.keys([5, 6])]
    assert read_scores(write(pd.DataFrame({"arch": names, "s": [1, 2]})), "nb201", truth201).rows.tolist() == [5, 6]


def test_graphs_as_python_prints_them(write, truth101):
    graphs = [matrix_and_ops(SHOT.arch(i)) for i in (0, 7)]
    frame = pd.DataFrame({"matrix": [str(m) for m, _ in graphs], "ops": [str(tuple(o)) for _, o in graphs]})
    table = read_scores(write(frame.assign(s=[1.0, 2.0])), "nb101", truth101)
    assert truth101.keys(table.rows) == SHOT.hashes([0, 7]).tolist()


@pytest.mark.parametrize(("edge", "known"), [(0, True), (1, False)], ids=["unused", "used"])
def test_an_unused_vertex_may_have_no_operation(tmp_path, edge, known):
    from supernet.harness.correlation.naming import cell_hash

    matrix = [[0, 1, edge, 0], [0, 0, 0, 1], [0, 0, 0, edge], [0, 0, 0, 0]]
    graph = (matrix, ["input", "conv3x3-bn-relu", "none", "output"])
    if known:
        assert cell_hash(graph) == cell_hash(([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ["input", "conv3x3", "output"]))
        assert cell_hash((matrix, graph[1][1:-1])) == cell_hash(graph)
    else:
        with pytest.raises(UserError, match="unknown operation 'none'"):
            cell_hash(graph)


# ---- nothing dropped in silence ----


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
    with pytest.raises(UserError, match=r"1 repeat an architecture .* 3 \(as 1\)"):
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


def test_what_is_no_regular_file_is_refused_at_once(tmp_path, truth201):
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


def test_repeats_are_averaged_only_when_asked_and_only_within_groups(write, truth201):
    frame = pd.DataFrame({"arch": [5, 5, 6, 5], "run": ["a", "a", "a", "b"], "acc": [1.0, 3.0, 7.0, 9.0]})
    with pytest.raises(UserError, match=r"1 repeat an architecture .* 3 \(as 2\)$"):
        read_scores(write(frame), "nb201", truth201, score_columns=["acc"], group_columns=["run"])
    table = read_scores(
        write(frame), "nb201", truth201, score_columns=["acc"], group_columns=["run"], average_repeats=True
    )
    assert table.rows.tolist() == [5, 6, 5]
    assert table.scores["acc"].tolist() == [2, 7, 9]
    assert table.groups["run"].tolist() == ["a", "a", "b"]
    assert table.merged == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.txt", "arch,acc\n", "not from '.txt'"),
        ("s.csv", "a,b\n1,2\n", "has no architecture column"),
        ("s.csv", "arch,note\n1,hello\n", "no numeric score column"),
        ("s.csv", "", "cannot be read"),
        ("s.json", "{", "cannot be read"),
        ("s.json", "7", "neither a list of records nor a table"),
        ("s.parquet", "PAR1", "cannot be read"),
    ],
)
def test_files_that_are_no_scores_are_refused(tmp_path, truth201, name, content, message):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_scores(path, "nb201", truth201)


def test_missing_file_and_missing_columns_are_named(tmp_path, write, truth201):
    with pytest.raises(UserError, match="There is no file"):
        read_scores(tmp_path / "none.csv", "nb201", truth201)
    path = write(pd.DataFrame({"arch": [1], "acc": [1.0]}))
    with pytest.raises(UserError, match="has no column 'ac'; it has 'arch', 'acc'"):
        read_scores(path, "nb201", truth201, score_columns=["ac"])


def test_the_whole_space_is_read_quickly(write, truth201):
    import time

    nb201 = NB201()
    frame = pd.DataFrame({"arch": [nb201.string(a) for a in nb201.archs().tolist()], "acc": np.arange(15625.0)})
    path = write(frame)
    start = time.perf_counter()
    assert read_scores(path, "nb201", truth201).rows.tolist() == list(range(15625))
    assert time.perf_counter() - start < 3
