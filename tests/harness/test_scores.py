import json

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import UserError
from benchmarks.spaces import NB201, space
from benchmarks.spaces.nb101 import SLOTS
from harness.scores import read_scores

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


# ---- nothing dropped in silence ----


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
