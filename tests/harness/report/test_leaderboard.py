import json
from dataclasses import replace

import pandas as pd
import published
import pytest
from click.testing import CliRunner

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.commands.leaderboard import leaderboard as command
from supernet.harness.leaderboard.sources import ENTRIES
from supernet.harness.report.leaderboard.result import leaderboard

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def folder(truth, tmp_path):
    return tmp_path / "files"


@pytest.fixture
def entries(folder, truth):
    return published.shelf(folder, GroundTruth(truth).keys())[0]


def test_every_figure_is_written_and_no_score(folder, entries, tmp_path):
    found = leaderboard(folder, entries=entries, resamples=20, out=tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "leaderboard.json", "leaderboard.csv", "leaderboard.tex", "index.html",
    }  # fmt: skip
    content = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    assert content == json.loads(json.dumps(found.as_json()))
    first = next(row for row in content["rows"] if row["method"] == "one-shot")
    assert first["source"]["files"] == [{"path": "info/one-shot", "sha256": entries[0].files[0].sha256}]
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert table["tau"].tolist() == pytest.approx(found.frame()["tau"].tolist(), rel=1e-5)
    assert len(table) == 3
    assert (tmp_path / "out" / "leaderboard.tex").read_text().count(r"\\") == 4


def test_the_page_needs_nothing_and_takes_names_as_text(folder, entries, tmp_path):
    entries[1] = replace(entries[1], method=EVIL)
    board = leaderboard(folder, entries=entries, resamples=20, out=tmp_path / "out").board
    text = (tmp_path / "out" / "index.html").read_text()
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "src=" not in text
    assert text.count('aria-sort="none"') == 11
    for entry in entries:
        assert entry.files[0].sha256 in text
    above = sum(row.figures.tau.value > row.figures.params_tau for row in board.rows if row.entry)
    assert f"{above} of 2 published rankings have a higher τ" in text


def test_without_any_of_the_files_the_addresses_are_in_the_message(tmp_path):
    with pytest.raises(UserError) as raised:
        leaderboard([tmp_path])
    assert "None of the published score files is there." in str(raised.value)
    assert ENTRIES[0].repository.address in str(raised.value)


def test_the_command_without_folders_says_where_the_files_are_published():
    done = CliRunner().invoke(command, [])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) <= 24
    assert all(entry.repository.address in done.output for entry in ENTRIES)


def test_the_command_measures_what_is_there_and_names_the_rest(folder, entries, tmp_path, monkeypatch):
    monkeypatch.setattr("supernet.harness.report.leaderboard.result.ENTRIES", tuple(entries))
    monkeypatch.setattr(leaderboard, "__kwdefaults__", leaderboard.__kwdefaults__ | {"entries": tuple(entries)})
    (folder / "data" / "proxies.csv").unlink()
    done = CliRunner().invoke(command, [str(folder), "--out", str(tmp_path / "out"), "--resamples", "20"])
    assert done.exit_code == 0, done.output
    assert "one-shot" in done.output
    assert "parameter count" in done.output
    assert "Rankings of the registry that are not at hand: 1" in done.output
    assert (tmp_path / "out" / "index.html").exists()


def test_the_front_door_has_it(folder, entries):
    assert sn.leaderboard is leaderboard
    html = sn.leaderboard(folder, entries=entries, resamples=20)._repr_html_()
    assert "Published rankings by one yardstick" in html
