import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import published
import pytest
from click.testing import CliRunner

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.commands.leaderboard import leaderboard as command
from supernet.harness.leaderboard.figures import Value
from supernet.harness.leaderboard.sources import ENTRIES
from supernet.harness.report.leaderboard.columns import findings
from supernet.harness.report.leaderboard.result import leaderboard
from supernet.harness.statistics.printed import with_interval

ROOT = Path(__file__).parents[3]
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
        "leaderboard.json", "leaderboard.csv", "leaderboard.tex", "index.html", "figures",
    }  # fmt: skip
    content = json.loads((tmp_path / "out" / "leaderboard.json").read_text())
    assert content == json.loads(json.dumps(found.as_json()))
    first = next(row for row in content["rows"] if row["method"] == "one-shot")
    assert first["source"]["files"] == [{"path": "info/one-shot", "sha256": entries[0].files[0].sha256}]
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv")
    assert table["tau"].tolist() == pytest.approx(found.frame()["tau"].tolist(), rel=1e-5)
    assert len(table) == 5
    assert (tmp_path / "out" / "leaderboard.tex").read_text().count(r"\\") == 6


def test_the_page_needs_nothing_and_takes_names_as_text(folder, entries, tmp_path):
    entries[1] = replace(entries[1], method=EVIL)
    board = leaderboard(folder, entries=entries, resamples=20, out=tmp_path / "out").board
    text = (tmp_path / "out" / "index.html").read_text()
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "src=" not in text
    assert text.count('aria-sort="none"') == 13
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


def test_a_figure_of_each_ground_truth_is_given(folder, entries):
    found = sn.leaderboard(folder, entries=entries, resamples=20)
    name = found.board.grounds[0].name
    assert [axis.get_xlabel() for axis in found.plot().axes] == [axis.get_xlabel() for axis in found.plot(name).axes]
    with pytest.raises(UserError, match="no ground truth 'nowhere'"):
        found.plot("nowhere")


def test_nothing_is_said_to_add_most_where_nothing_adds(folder, entries):
    rows = sn.leaderboard(folder, entries=entries, resamples=20).board.rows
    published = [row for row in rows if row.entry]
    none = Value(-0.1, -0.2, 0.0)
    spoilt = [replace(row, figures=replace(row.figures, adds=none, adds_to_free=none)) for row in published]
    assert not [sentence for sentence in findings(spoilt) if "adds most" in sentence]
    some = Value(0.1, 0.05, 0.2)
    first = replace(spoilt[0], figures=replace(spoilt[0].figures, adds=some))
    assert f"1 of {len(spoilt)} add" in findings([first, *spoilt[1:]])[1]
    assert f"{first.method} adds most: +0.100" in findings([first, *spoilt[1:]])[1]


def test_the_page_says_that_free_1_was_chosen_with_the_truth_in_view(folder, entries, tmp_path):
    leaderboard(folder, entries=entries, resamples=20, out=tmp_path / "out")
    shipped = ROOT / "results" / "reference" / "leaderboard"
    for page in (tmp_path / "out" / "index.html", shipped / "index.html"):
        assert "free-1 are baselines that this project chose knowing the ground truth" in page.read_text()


# ---- the report that ships ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return json.loads((ROOT / "results" / "reference" / "leaderboard" / "leaderboard.json").read_text())


def test_the_shipped_report_is_of_the_registry(shipped):
    rows = {(row["method"], row["ground"]): row for row in shipped["rows"] if "source" in row}
    assert len(rows) == len(ENTRIES)
    for entry in ENTRIES:
        row = rows[entry.method, f"{entry.space} {entry.measure}"]
        assert row["source"]["commit"] == entry.repository.commit
        assert [file["sha256"] for file in row["source"]["files"]] == [file.sha256 for file in entry.files]
        assert (row["protocol"], row["test_images"]) == (entry.protocol, entry.overlap)
    assert (shipped["problems"], shipped["missing"]) == ([], [])


def test_the_tables_of_the_documentation_are_those_of_the_shipped_report(shipped):
    text = (ROOT / "docs" / "leaderboard.md").read_text()
    lines = {line for line in text.splitlines() if line.startswith("| ")}
    for ground in ("nb201 cifar10/test", "nb101 cifar10/test"):
        for row in (row for row in shipped["rows"] if row["ground"] == ground):
            name = f"**{row['method']}**" if row["kind"] == "baseline" else row["method"]
            tau, adds = (Value(**row[key]) for key in ("tau", "adds"))
            start = f"| {name} | {with_interval(tau)} | {with_interval(Value(**row['top10']))} | "
            start += f"{with_interval(adds, '+.3f')} | {row['params_tau']:.3f} | {row['regret']:.2f} | "
            assert start + f"{row['architectures']:,} |" in lines
    assert len(lines) == 1 + sum(
        row["ground"] in ("nb201 cifar10/test", "nb101 cifar10/test") for row in shipped["rows"]
    )


def test_what_a_ranking_adds_to_the_training_free_one_is_the_gain_of_the_fusion(folder, entries, tmp_path):
    board = leaderboard(folder, entries=entries, resamples=30, out=tmp_path / "out").board
    rows = {row.method: row.figures for row in board.rows}
    (free,) = [figures for name, figures in rows.items() if name.startswith("free-1")]
    assert free.tau.value == pytest.approx(free.free_tau)
    net = rows["one-shot"]
    assert net.free_tau == pytest.approx(free.free_tau)
    assert net.adds_to_free.low <= net.adds_to_free.value <= net.adds_to_free.high
    table = pd.read_csv(tmp_path / "out" / "leaderboard.csv").set_index("method")
    assert table["adds_to_free"]["one-shot"] == pytest.approx(net.adds_to_free.value, rel=1e-4)
    assert "add to free-1, which needs no training" in (tmp_path / "out" / "index.html").read_text()
