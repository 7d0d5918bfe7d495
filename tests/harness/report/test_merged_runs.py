"""Reports on runs that were copied together from several machines, and on studies whose runs are not all there."""

import json
import shutil

import pytest
from click.testing import CliRunner
from made_up_results import publish_scores
from made_up_scores import noisy
from tiny import write_study

from supernet.harness.commands.study import study as command
from supernet.harness.runs.store import Store
from supernet.harness.study.reading import load_study

CHANGES = {"heuristics": {"path-dropout": [0.2], "layers": [2]}, "seeds": {"base": 4, "others": 3}, "sample": "all"}


@pytest.fixture
def folder(truth, tmp_path, monkeypatch):
    """The working folder, with a study file; without figures and with few resamples, which take the time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("supernet.harness.report.study.figures.draw", lambda analysis, out: {})
    monkeypatch.setattr("supernet.harness.study.analysis.RESAMPLES", 30)
    write_study(tmp_path / "tiny.yaml", **CHANGES)
    return tmp_path


def made(results, wanted):
    """Give the runs of the study that are wanted made-up scores: (place in the plan, label, seed) -> whether."""
    store = Store(results / "runs")
    store.prepare()
    for place, (setting, spec) in enumerate(load_study("tiny.yaml").plan()):
        if wanted(place, setting.label, spec.recipe.seed):
            scores = noisy(5)
            publish_scores(store, spec, lambda y: scores(setting.label, spec.recipe.seed, y))  # noqa: B023


def report(results):
    """What the command says, and the report that it writes."""
    ran = CliRunner().invoke(command, ["report", "tiny.yaml", "--results", str(results)])
    assert ran.exit_code == 0, ran.output
    return ran.output, (results / "reports" / "tiny" / "report.json").read_text()


def test_runs_that_are_copied_together_from_two_machines_give_the_report_of_one(folder):
    made(folder / "all", lambda *_: True)
    made(folder / "one", lambda place, *_: place % 2 == 0)
    made(folder / "two", lambda place, *_: place % 2 == 1)
    for run in (folder / "two" / "runs").iterdir():
        if not run.name.startswith("."):
            shutil.copytree(run, folder / "one" / "runs" / run.name)
    said, merged = report(folder / "one")
    assert merged == report(folder / "all")[1]
    assert "not done" not in said
    states = CliRunner().invoke(command, ["status", "tiny.yaml", "--results", str(folder / "one")]).output
    assert "10 runs: 10 done\n" in states


def test_copying_a_run_that_is_there_already_changes_nothing(folder):
    made(folder / "one", lambda *_: True)
    shutil.copytree(folder / "one" / "runs", folder / "two" / "runs")
    before = report(folder / "two")[1]
    shutil.copytree(folder / "one" / "runs", folder / "two" / "runs", dirs_exist_ok=True)
    assert report(folder / "two")[1] == before


def test_a_report_while_runs_are_missing_says_what_is_done_and_what_is_not(folder):
    made(folder / "results", lambda _, label, seed: label == "base" or (label == "layers=2" and seed < 2))
    said, text = report(folder / "results")
    again = f"supernet study run tiny.yaml --results {folder / 'results'}"
    assert f"Next: 4 runs are not done. This makes them:\n  {again}\n" in said
    content = json.loads(text)
    rows = {row["label"]: row for row in content["rows"]}
    assert rows["layers=2"]["difference"]["p"] is not None  # two seeds of the three
    assert rows["path-dropout=0.2"]["difference"] is None
    assert any("path-dropout=0.2 (seed 0: missing)" in finding for finding in content["findings"])
    made(folder / "results", lambda _, label, seed: label == "path-dropout=0.2" or (label == "layers=2" and seed == 2))
    said, _ = report(folder / "results")
    assert "not done" not in said
