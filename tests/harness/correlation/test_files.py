"""Files of scores are read in every format, and architectures in every spelling."""

import json

import numpy as np
import pandas as pd
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import NB201, space
from supernet.benchmarks.spaces.nb101 import SLOTS
from supernet.harness.correlation.files import read_scores

SHOT = space("nb1shot1-1")


def matrix_and_ops(arch):
    """The official form of a 1Shot1 architecture, as NAS-Bench-101 wants it."""
    cell = SHOT.cells(arch).pruned()
    used = np.flatnonzero(cell.used[0])
    names = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
    ops = ["input", *(names[cell.ops[0, v - 1]] for v in used if 0 < v < SLOTS - 1), "output"]
    return cell.edges[0][np.ix_(used, used)].astype(int).tolist(), ops


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
@pytest.mark.parametrize("spelling", ["string", "index", "index as text"])
def test_scores_of_nas_bench_201_are_read_in_every_spelling_and_format(write, truth201, suffix, spelling):
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
def test_cells_of_nas_bench_101_are_read_in_every_spelling(write, truth101, spelling):
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


def test_json_may_be_a_mapping_or_a_table_of_columns(tmp_path, truth201):
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
def test_json_is_read_in_every_form(tmp_path, truth201, content):
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


def test_graphs_are_read_as_python_prints_them(write, truth101):
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


def test_repeats_are_averaged_only_when_asked_and_only_within_groups(write, truth201):
    frame = pd.DataFrame({"arch": [5, 5, 6, 5], "run": ["a", "a", "a", "b"], "acc": [1.0, 3.0, 7.0, 9.0]})
    with pytest.raises(UserError, match=r"line 3 \(as 2\): repeats an architecture; --average-repeats"):
        read_scores(write(frame), "nb201", truth201, score_columns=["acc"], group_columns=["run"])
    table = read_scores(
        write(frame), "nb201", truth201, score_columns=["acc"], group_columns=["run"], average_repeats=True
    )
    assert table.rows.tolist() == [5, 6, 5]
    assert table.scores["acc"].tolist() == [2, 7, 9]
    assert table.groups["run"].tolist() == ["a", "a", "b"]
    assert table.merged == 1


def test_the_whole_space_is_read_quickly(write, truth201):
    import time

    nb201 = NB201()
    frame = pd.DataFrame({"arch": [nb201.string(a) for a in nb201.archs().tolist()], "acc": np.arange(15625.0)})
    path = write(frame)
    start = time.process_time()
    assert read_scores(path, "nb201", truth201).rows.tolist() == list(range(15625))
    assert time.process_time() - start < 3
