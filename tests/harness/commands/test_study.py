"""`supernet study` as a person uses it, on a study that takes seconds."""

import json
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from tiny import Killer, begin, forks, kill, outcome, rest, wait_for, write_study

from supernet.harness.commands import cli
from supernet.harness.runs import executors
from supernet.harness.runs.store import Store
from supernet.harness.study import reading

FIGURES = "supernet.harness.report.study.figures.draw"


@pytest.fixture
def folder(tables, tmp_path, monkeypatch):
    """The working folder, with the tiny study in it."""
    monkeypatch.setenv("SUPERNET_DATA", str(tables))
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "tiny.yaml")
    return tmp_path


@pytest.fixture
def supernet(folder, monkeypatch, capsys):
    """Run the command in this process: what it says."""

    def run(*arguments, expect=0):
        monkeypatch.setattr(sys, "argv", ["supernet", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert code == expect, said
        return said.out + said.err

    return run


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr(FIGURES, lambda analysis, out: {})


HERE = ("--executor", "process")


@pytest.fixture(scope="module")
def reported(undisturbed, tables, tmp_path_factory):
    """A results folder with the undisturbed runs of the tiny study and their report."""
    folder = tmp_path_factory.mktemp("reported")
    shutil.copytree(undisturbed.root, folder / "results" / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUPERNET_DATA", str(tables))
        patch.chdir(folder)
        write_study(folder / "tiny.yaml")
        patch.setattr(FIGURES, lambda analysis, out: {})
        patch.setattr(sys, "argv", ["supernet", "study", "report", "tiny.yaml"])
        cli.main()
    return folder / "results"


# ---- from plan to report ---------------------------------------------------------------------------------------------


def test_studies_that_ship_are_listed_with_their_titles(supernet):
    lines = supernet("study", "list").splitlines()
    assert [line.split()[0] for line in lines] == reading.studies()
    assert all(len(line.split()) > 4 for line in lines)


def test_a_study_is_planned_made_and_reported(supernet, folder, monkeypatch):
    text = supernet("study", "plan", "tiny.yaml")
    assert re.search(r"^base +seed 0  [0-9a-f]{16}  \d+ (s|min)$", text, re.M)
    assert "path-dropout=0.2  seed 1" in text
    assert re.search(r"4 runs, 4 missing: about \d+ (s|min) on one core of this machine\.$", text, re.M)
    text = supernet("study", "status", "tiny.yaml")
    assert text.count("  missing\n") == 4
    assert "4 runs: 4 missing\nComplete it with: supernet study run tiny.yaml\n" in text

    text = supernet("study", "run", "tiny.yaml", *HERE)
    assert re.search(r"^1/4 base, seed 0, after \d+ s, about \d+ (s|min) left$", text, re.M)
    assert re.search(r"^4/4 path-dropout=0.2, seed 1, after \d+ s$", text, re.M)
    assert "4 runs: 4 done\n" in text
    assert "\nReport: results/reports/tiny/index.html\n" in text
    report = folder / "results" / "reports" / "tiny"
    assert "<html" in (report / "index.html").read_text()[:200]
    assert json.loads((report / "report.json").read_text())["architectures"] == 20
    tables = {path.stem for path in (report / "tables").glob("*.csv")}
    assert tables == {"effects", "operations", "runs", "structure", "free"}  # twenty cells cannot tell choices apart
    assert list((report / "figures").glob("*.svg"))

    monkeypatch.setattr("supernet.harness.study.make.train", None)
    monkeypatch.setattr(FIGURES, lambda analysis, out: {})
    assert "4 runs: 4 done" in supernet("study", "run", "tiny.yaml", *HERE)
    assert "4 runs, 0 missing" in supernet("study", "plan", "tiny.yaml")
    assert supernet("study", "status", "tiny.yaml").count("  done\n") == 4
    (report / "index.html").unlink()
    supernet("study", "report", "tiny.yaml")
    assert (report / "index.html").exists()
    shutil.rmtree(folder / "results" / "reports")
    (folder / "results" / "reports").touch()
    text = supernet("study", "report", "tiny.yaml", expect=1)
    assert text == "supernet: The report cannot be written to results/reports/tiny: Not a directory.\n"
    (folder / "results" / "reports").unlink()

    write_study(folder / "other.yaml", title="Another that needs the same runs", heuristics={}, seeds=[1])
    assert "1 runs: 1 done" in supernet("study", "run", "other.yaml", *HERE)


@pytest.mark.usefixtures("no_figures")
def test_a_staged_study_goes_through_its_stages_in_one_command(supernet, folder):
    write_study(
        folder / "staged.yaml", plan="staged", seeds=[0], heuristics={"path-dropout": [0.2], "schedule": ["step"]}
    )
    assert "More follow when these have results." in supernet("study", "plan", "staged.yaml")
    text = supernet("study", "run", "staged.yaml", *HERE)
    assert re.search(r"^1/1 (path-dropout=0\.2, )?schedule=step, seed 0, after", text, re.M)
    assert "3 runs: 3 done" in text


# ---- mishaps ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
def test_runs_that_do_not_work_out_are_named_and_the_others_go_on(supernet, folder):
    recipe = {"clip": [0.25], "learning-rate": ["1e6"], "batch-size": [999]}
    write_study(folder / "bad.yaml", heuristics=recipe, seeds=[0])
    options = ["--set", "training.clip=null", "--results", "my results"]
    text = supernet("study", "run", "bad.yaml", *HERE, *options, expect=1)
    assert "learning-rate=1e6, seed 0: diverged. The loss is nan in epoch 1" in text
    assert "batch-size=999, seed 0: failed. A batch of 999 cannot be made of 200 training images" in text
    assert "4 runs: 2 done, 1 diverged, 1 failed" in text
    command = re.search("^Complete it with: (.*)$", text, re.M)[1]
    assert command == "supernet study run bad.yaml --set training.clip=null --results 'my results'"
    status = supernet("study", "status", "bad.yaml", *options)
    assert re.search(r"batch-size=999 +seed 0  [0-9a-f]{16}  failed  A batch of 999 cannot", status)
    again = supernet(*shlex.split(command)[1:], *HERE, expect=1)
    assert "diverged" not in again.splitlines()[0]
    assert "batch-size=999, seed 0: failed" in again
    (report,) = (folder / "my results" / "reports").glob("bad-??????")  # apart from that without changes
    runs = pd.read_csv(report / "tables" / "runs.csv")
    assert runs["state"].tolist() == ["done", "done", "diverged", "failed"]
    findings = json.loads((report / "report.json").read_text())["findings"]
    assert findings[-1] == "Not among the results: batch-size=999 (seed 0: failed)."
    assert "Training diverged: learning-rate=1e6 (1 of 1 runs; it has no mean)." in findings


@pytest.mark.usefixtures("no_figures")
def test_a_damaged_run_is_named_and_made_again(supernet, folder, reported):
    shutil.copytree(reported, folder / "results")
    run = Store(folder / "results" / "runs").hashes()[0]
    (folder / "results" / "runs" / run / "metrics.json").write_text("{}")
    text = supernet("study", "status", "tiny.yaml")
    assert re.search(rf"{run}  damaged  The run .*{run} is damaged: metrics.json was altered", text)
    assert "4 runs: 3 done, 1 damaged\nComplete it with:" in text
    text = supernet("study", "run", "tiny.yaml", *HERE)
    assert "1/1 " in text
    assert "4 runs: 4 done" in text
    assert content(folder / "results") == content(reported)


def test_a_base_that_fails_leaves_a_report_that_says_so(supernet, folder):
    write_study(folder / "bad.yaml", seeds=[0])
    text = supernet("study", "run", "bad.yaml", *HERE, "--set", "training.batch_size=999", expect=1)
    assert "2 runs: 2 failed" in text
    assert text.splitlines()[-1].startswith("supernet: No run of the base is done")


@pytest.mark.parametrize(
    ("change", "command", "arguments", "message"),
    [
        ({}, "run", ["quik"], "There is no study 'quik'"),
        ({"heuristics": {"path-dropuot": [0.2]}}, "status", ["tiny.yaml"], "did you mean path-dropout?"),
        ({"sedes": [1]}, "status", ["tiny.yaml"], "did you mean seeds?"),
        ({}, "report", ["tiny.yaml", "--set", "training.epoch=3"], "did you mean training.epochs?"),
        ({"truth": {"dataset": "mnist"}}, "status", ["tiny.yaml"], "No table at hand has mnist test"),
        (
            {"truth": {"table": "tiny", "dataset": "digits", "epochs": 9}},
            "status",
            ["tiny.yaml"],
            "digits test, 9 epochs",
        ),
        ({"plugins": ["mine.py"]}, "status", ["tiny.yaml"], "mine.py cannot be read"),
        ({}, "run", ["tiny.yaml", "--results", "tiny.yaml"], "cannot be written to: Not a directory"),
        ({"sample": 61}, "plan", ["tiny.yaml"], "Lower `sample`"),
    ],
)
def test_mistakes_end_in_one_clear_paragraph(supernet, folder, change, command, arguments, message):
    write_study(folder / "tiny.yaml", **change)
    text = supernet("study", command, *arguments, *(HERE if command == "run" else ()), expect=1)
    assert message in text
    assert text.startswith("supernet: ")
    assert len(text.splitlines()) <= 4, "one paragraph, with what the table has"


def test_a_data_set_that_is_missing_fails_each_run_with_the_way_to_get_it(supernet, folder):
    text = supernet("study", "run", "tiny.yaml", *HERE, "--set", "task.name=cifar10", expect=1)
    assert "base, seed 0: failed. " in text
    assert "supernet data fetch" in text
    assert "4 runs: 4 failed" in text


@pytest.fixture
def disk(folder):
    """A results folder on a disk of its own, of 240 kilobytes."""
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=240k", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.usefixtures("no_figures")
def test_a_full_disk_is_said_and_nothing_is_lost(supernet, disk, reported):
    text = supernet("study", "run", "tiny.yaml", *HERE, "--results", disk, expect=1)
    assert re.search(r"^base, seed 0: failed\. .*No space left on device", text, re.M)
    assert "supernet: No run of the base is done" in text
    subprocess.run(["mount", "-o", "remount,size=9m", str(disk)], check=True)
    assert "4 runs: 4 done" in supernet("study", "run", "tiny.yaml", *HERE, "--results", disk)
    assert content(disk) == content(reported)


# ---- killed ----------------------------------------------------------------------------------------------------------


def content(results):
    """Tables and numbers of every report, without times."""
    found = {}
    for path in sorted(results.glob("reports/*/tables/*.csv")):
        frame = pd.read_csv(path)
        found[path.name] = frame[[name for name in frame if "seconds" not in name]].to_csv()
    for path in sorted(results.glob("reports/*/report.json")):
        report = json.loads(path.read_text())
        for row in report["rows"]:
            row["costs"] = {name: cost for name, cost in row["costs"].items() if "seconds" not in name}
        found[path.name] = report
    assert len(found) == 6
    return found


def command(folder, log, *arguments):
    """The command in a process that has everything imported already."""
    os.chdir(folder)
    with open(log, "a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["supernet", *arguments]
    cli.main()


KILLS = 8


@pytest.mark.long
@pytest.mark.usefixtures("no_figures")
def test_killed_again_and_again_a_study_ends_with_the_tables_of_an_undisturbed_one(supernet, folder, reported):
    run = ["study", "run", "tiny.yaml", *HERE]
    rng, store, done = np.random.default_rng(0), Store(folder / "results" / "runs"), []
    for _ in range(KILLS):
        process = begin(command, folder, folder / "log", *run)
        time.sleep(rng.uniform(0.05, 0.5))
        assert process.is_alive(), (folder / "log").read_text()
        kill(process)
        found, problems = store.results()
        assert problems == []
        assert len(found) >= len(done)
        done = found
    assert "4 runs: 4 done" in supernet(*run)
    assert content(folder / "results") == content(reported)
    assert len(store.hashes()) == 4
    assert "Traceback" not in (folder / "log").read_text()


def test_interrupted_it_stops_with_a_word_and_goes_on(supernet, folder):
    run = ["study", "run", "tiny.yaml", *HERE, "--set", "training.epochs=30"]
    process = begin(command, folder, folder / "log", *run)
    wait_for(lambda: list(folder.glob("results/runs/.work/*/checkpoint.pt")))
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    assert (folder / "log").read_text().strip() == "Interrupted."
    status = supernet("study", "status", "tiny.yaml", "--set", "training.epochs=30")
    assert "4 runs: 4 missing" in status


@pytest.mark.usefixtures("no_figures")
def test_workers_of_which_one_is_killed_give_the_same_tables(supernet, folder, reported, undisturbed, monkeypatch):
    # Workers that have everything imported already.
    monkeypatch.setattr(executors, "get_context", lambda method: forks())
    monkeypatch.setattr(executors, "_start_worker", rest)
    store = Store(folder / "results" / "runs")
    killer = Killer(store, lambda: [child.pid for child in multiprocessing.active_children()])
    killer.start()
    text = supernet("study", "run", "tiny.yaml", "--workers", 2)
    killer.join()
    assert killer.killed
    assert "4 runs: 4 done" in text
    assert "failed" not in text
    assert content(folder / "results") == content(reported)
    for run in store.hashes():
        assert outcome(store, run) == outcome(undisturbed, run)


# ---- whose report it is, and odd names -------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_figures")
def test_a_report_is_not_replaced_by_that_of_another_study_of_its_name(supernet, folder, reported):
    shutil.copytree(reported, folder / "results")
    page = folder / "results" / "reports" / "tiny" / "index.html"
    before = page.read_bytes()
    write_study(folder / "tiny.yaml", title="Another study")
    text = supernet("study", "report", "tiny.yaml")
    assert "holds the report of another study, 'A tiny study', and is left as it is." in text
    (other,) = (folder / "results" / "reports").glob("tiny-*")
    assert f"Report: results/reports/{other.name}/index.html" in text
    assert page.read_bytes() == before
    write_study(folder / "tiny.yaml", seeds=[0, 1, 2])
    assert "Report: results/reports/tiny/index.html" in supernet("study", "report", "tiny.yaml"), "it has grown"


@pytest.mark.usefixtures("no_figures")
def test_a_study_file_may_have_any_name_and_title(supernet, folder, reported):
    shutil.copytree(reported, folder / "results")
    name = os.fsdecode(b"\xff[b]<i>.yaml")
    write_study(folder / name, title="\ud800 [/b]")
    assert "index.html" in supernet("study", "report", name)
    assert "4 runs: 4 done" in supernet("study", "status", name)
    page = (folder / "results" / "reports" / "\\xff[b]<i>" / "index.html").read_text()
    assert "\\ud800 [/b]" in page
    assert "\\xff[b]&lt;i&gt;" in page
