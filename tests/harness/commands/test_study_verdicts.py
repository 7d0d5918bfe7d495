"""What `supernet study` says at its end, and its commands about seeds."""

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from made_up_results import put
from made_up_scores import truth_of
from tiny import write_study, write_truth

from supernet.harness.commands.cli import supernet
from supernet.harness.runs.store import Store
from supernet.harness.study import planning
from supernet.harness.study.make import measures
from supernet.harness.study.reading import load_study

HEURISTICS = {"channels": [8], "path-dropout": [0.1, 0.2]}


@pytest.fixture
def done(tmp_path, monkeypatch):
    """A folder with a study whose runs are there: channels=8 ranks the wrong way round, the others with noise."""
    tables = tmp_path / "tables"
    tables.mkdir()
    write_truth(tables)
    monkeypatch.setenv("SUPERNET_DATA", str(tables))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("supernet.harness.report.study.figures.draw", lambda analysis, out: {})
    monkeypatch.setattr(planning.Stopwatch, "seconds", lambda self, spec: 7.0)
    seeds = {"base": 6, "others": 3}
    chosen = load_study(write_study(tmp_path / "tiny.yaml", heuristics=HEURISTICS, seeds=seeds, sample="all"))
    store = Store(tmp_path / "results" / "runs")
    store.prepare()
    for place, (setting, spec) in enumerate(chosen.plan()):
        known = truth_of(spec)
        sign = -1 if setting.label == "channels=8" else 1
        x = sign * known["true"].to_numpy() + 10 * np.random.default_rng(place).normal(size=len(known))
        frame = known.assign(epoch=1, accuracy=x, negative_loss=x / 100 - 1)
        put(store, spec, measures(spec, spec.truth.open("nb201"), frame), frame)
    return tmp_path


def said(*arguments):
    result = CliRunner().invoke(supernet, ["study", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_report_ends_with_verdicts_the_base_and_what_to_do_next(done):
    text = said("report", "tiny.yaml")
    lines = text.splitlines()
    clear = next(line for line in lines if line.startswith("channels=8"))
    assert clear.endswith("lowers tau")
    assert lines.index(clear) > max(k for k, line in enumerate(lines) if line.startswith("path-dropout"))
    assert "Kendall's tau: base 0." in text
    assert " · parameter count " in text
    assert "1 of 3 changes clearly changes Kendall's tau: channels=8 lowers it." in text
    assert lines[-1].startswith("Report: ")


def test_power_has_a_line_for_each_design(done):
    lines = said("plan", "tiny.yaml", "--power").splitlines()
    assert "over the 15 runs that are done" in lines[0]
    own = next(line for line in lines if line.startswith("this study"))
    assert own.split()[2:7] == ["6", "3", "15", "0", "done"]
    assert any(
        line.startswith(("to find 0.1", "For all changes together, no number of seeds finds 0.1:")) for line in lines
    )
    refused = CliRunner().invoke(supernet, ["study", "plan", "tiny.yaml", "--sd", "0.1"])
    assert "--sd goes with --power" in refused.output


def test_extending_writes_a_study_for_what_is_undecided(done):
    plain = yaml.safe_load((done / "tiny.yaml").read_text())
    (done / "tiny.yaml").write_text(yaml.safe_dump(plain | {"margin": 0.001}))
    text = said("extend", "tiny.yaml", "--seeds", "2", "--dry-run")
    assert "tiny-extended.yaml" in text
    content = yaml.safe_load((done / "tiny-extended.yaml").read_text())
    assert content["seeds"]["path-dropout=0.1"] == [0, 1, 2, 3, 4]
    assert "channels=8" not in content["seeds"]
    assert "4 missing" in said("plan", "tiny-extended.yaml")


def test_the_next_command_is_typed_as_this_one_was(done):
    (done / "elsewhere").mkdir()
    (done / "tiny.yaml").rename(done / "elsewhere" / "tiny.yaml")
    (done / "results").rename(done / "kept here")
    text = said("report", "elsewhere/tiny.yaml", "--results", "kept here")
    assert "  supernet study extend elsewhere/tiny.yaml --results 'kept here' --seeds 3\n" in text
    said("extend", "elsewhere/tiny.yaml", "--results", "kept here", "--dry-run")
