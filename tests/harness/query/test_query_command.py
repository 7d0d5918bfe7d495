"""`supernet query` as a person uses it."""

import csv
import json
import subprocess
import sys

import pandas as pd
import pytest
from made_up_runs import publish

from supernet.benchmarks.truth import shelf
from supernet.harness.commands.cli import main
from supernet.harness.query.questions import QUESTIONS
from supernet.harness.runs.store import Store


@pytest.fixture
def results(tmp_path):
    store = Store(tmp_path / "results" / "runs")
    for seed, tau in enumerate((0.5, 0.6, 0.7)):
        publish(store, seed=seed, tau=tau)
        publish(store, "training.learning_rate=0.1", seed=seed, tau=tau + 0.123456789)
    return tmp_path / "results"


@pytest.fixture
def supernet(made_up, results, monkeypatch, capsys):
    """Run `supernet query`: (output, errors)."""

    def run(*arguments, expect=0, results=results, data=made_up):
        monkeypatch.setenv(shelf.ENVIRONMENT, str(data))
        monkeypatch.setattr(sys, "argv", ["supernet", "query", *map(str, arguments), "--results", str(results)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        text, errors = capsys.readouterr()
        assert code == expect, errors
        return text, errors

    return run


SQL = """
    SELECT hash, "index", training_clip, task_size, kendall_tau / 3 AS third
    FROM runs JOIN measures USING (hash) JOIN scores USING (hash)
    ORDER BY ALL
"""


def test_csv_and_json_come_back_as_they_were(supernet, tmp_path):
    text, errors = supernet(SQL, "--format", "csv")
    assert errors == ""
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 18
    assert {row["task_size"] for row in rows} == {""}
    content = json.loads(supernet(SQL, "--format", "json")[0])
    assert {row["task_size"] for row in content} == {None}
    for line, entry in zip(rows, content, strict=True):
        assert line["hash"] == entry["hash"]
        assert line["index"] == str(entry["index"])
        assert float(line["third"]) == entry["third"]
    assert {entry["third"] for entry in content} >= {0.5 / 3, 0.7 / 3}
    for suffix in ("csv", "json"):
        path = tmp_path / "deep" / f"answer.{suffix}"
        assert supernet(SQL, "--file", path)[0] == f"wrote {path}\n"
    frame = pd.read_csv(tmp_path / "deep" / "answer.csv")
    assert frame["third"].tolist() == [entry["third"] for entry in content]
    assert json.loads((tmp_path / "deep" / "answer.json").read_text()) == content


def test_json_of_odd_values_is_valid(supernet):
    text, _ = supernet(
        "SELECT 1 AS a, 2 AS a, 'nan'::DOUBLE AS b, [1, 2] AS c, DATE '2020-01-02' AS d", "--format", "json"
    )
    assert json.loads(text) == [{"a": 1, "a_1": 2, "b": None, "c": [1, 2], "d": "2020-01-02"}]
    text, _ = supernet("SELECT [1.5, 'nan'::DOUBLE] AS a, {'b': 'inf'::DOUBLE} AS c, 2.25 AS d", "--format", "json")
    assert json.loads(text) == [{"a": [1.5, None], "c": {"b": None}, "d": 2.25}]
    assert json.loads(supernet("SELECT 1 WHERE false", "--format", "json")[0]) == []


def test_a_ready_question_prints_a_table_that_is_not_cut(supernet, tmp_path):
    text, _ = supernet("--ask", "seeds")
    lines = text.splitlines()
    heads = ["space", "truth_dataset", "change", "seeds", "mean_tau", "sd", "min_tau", "max_tau"]
    assert lines[1].split() == heads
    assert lines[3].split()[:2] == ["nb201", "cifar10"]
    assert any("training.learning_rate=" in line and line.split()[3] == "3" for line in lines[3:5])
    assert lines[-1] == "2 rows"
    path = tmp_path / "seeds.txt"
    supernet("--ask", "seeds", "--file", path)
    assert path.read_text().splitlines() == [line.rstrip() for line in lines[:-1]]


def test_a_long_table_says_what_it_leaves_out(supernet):
    text, _ = supernet("SELECT * FROM range(1234)")
    assert text.splitlines()[-1] == "1,234 rows, of which the first 200 are shown; --format csv gives all"
    assert len(text.splitlines()) == 205


def test_show_and_list(supernet):
    text, _ = supernet("--ask", "seeds", "--show")
    assert text.strip() == QUESTIONS["seeds"].sql
    assert "2 rows" in supernet(text)[0]
    text, _ = supernet("--list")
    for name in (*QUESTIONS, "runs", "ground_truth", "scores", "metrics"):
        assert f"\n  {name} " in text


def test_damaged_runs_and_tables_are_named_on_the_error_stream(supernet, results):
    (next(path for path in (results / "runs").iterdir() if path.name[0] != ".") / "scores.parquet").write_bytes(b"no")
    text, errors = supernet("SELECT count(*) AS n FROM runs", "--format", "csv")
    assert text == "n\n5\n"
    assert errors.startswith("Left out: The run ")
    assert "scores.parquet was altered" in errors
    assert len(errors.splitlines()) == 1


def test_a_damaged_table_is_named_where_ground_truth_is_asked_for(supernet, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "nb201.parquet").write_bytes(b"no")
    for sql, named in (("SELECT count(*) FROM ground_truth", True), ("SELECT count(*) FROM runs", False)):
        _, errors = supernet(sql, data=tmp_path / "data")
        assert ("nb201.parquet cannot be read" in errors) == named


def test_no_run_yet(supernet, tmp_path):
    (tmp_path / "new").mkdir()
    text, errors = supernet("SELECT count(*) AS n FROM runs", "--format", "csv", results=tmp_path / "new")
    assert (text, errors) == ("n\n0\n", "")
    assert "0 rows" in supernet("--ask", "effects", results=tmp_path / "new")[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["SELECT tau FROM runs"],
            1,
            "supernet: The question cannot be answered. There is no column 'tau' in what the question reads.",
        ),
        (["DROP VIEW runs"], 1, "Nothing can be written here"),
        (["--ask", "efects"], 1, "Did you mean effects?"),
        ([], 2, "Give a question in SQL, or --ask NAME, or --list."),
        (["SELECT 1", "--ask", "effects"], 2, "Give a question"),
        (["SELECT 1", "--show"], 2, "--show goes with --ask"),
        (["SELECT 1", "--file", "/proc/x.csv"], 1, "/proc/x.csv cannot be written"),
        (["SELECT 1 FROM runs WHERE error(hash)", "--file", "answer.csv"], 1, "The question cannot be answered"),
    ],
)
def test_mistakes_end_in_a_clear_message(supernet, arguments, code, message):
    text, errors = supernet(*arguments, expect=code)
    assert text == ""
    assert message in errors


def test_a_mistyped_results_folder_is_not_made(supernet, tmp_path):
    _, errors = supernet("SELECT 1", results=tmp_path / "resluts", expect=1)
    assert "There is no results folder" in errors
    assert not (tmp_path / "resluts").exists()


def test_a_question_without_end_can_be_interrupted(results):
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range * b.range % 7 = 1"
    command = [
        sys.executable,
        "-c",
        f"""
import os, signal, sys, threading
from supernet.harness.commands.cli import main
from supernet.harness.query.database import Database
sys.argv = ["supernet", "query", {endless!r}, "--results", {str(results)!r}]
executed = Database._executed
def interrupted(database, statement):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    return executed(database, statement)
Database._executed = interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
main()
""",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr.strip()) == (130, "Interrupted.")


def test_a_reader_that_stops_early_is_no_error(results):
    command = [
        sys.executable,
        "-m",
        "supernet.harness.commands.cli",
        "query",
        "SELECT * FROM range(300000)",
        "--format",
        "csv",
    ]
    process = subprocess.Popen([*command, "--results", results], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"range\n"
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=300), errors) == (0, b"")
