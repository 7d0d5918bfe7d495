"""The comparison of studies as page, files and in the terminal."""

import json
import re

import made_up_reports
import pandas as pd
import pytest
from click.testing import CliRunner
from made_up_study import EVIL

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.harness.commands.study import study as command
from supernet.harness.report.across.page import page
from supernet.harness.report.across.result import compare_studies

A = {"clip=1": (0.10, 0.02), "layers=2": (-0.3, 0.05)}
B = {"clip=1": (0.14, 0.03), "layers=2": (-0.1, 0.04)}
C = {"clip=1": (0.11, 0.02)}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name, effects, space in (("a", A, "nb201"), ("b", B, "nb1shot1-1"), ("c", C, "darts")):
        made_up_reports.write(folder / "reports", name, effects, space=space)
    return folder


def test_files_hold_every_effect_and_summary(results, tmp_path):
    found = sn.compare_studies(["a", results / "reports" / "b", "c"], results=results, out=tmp_path / "out")
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    tables = {f"tables/{name}.{ending}" for name in ("changes", "bases", "protocols") for ending in ("csv", "tex")}
    assert files == {"index.html", "comparison.json", "figures/changes.svg", "figures/changes.png", *tables}
    content = json.loads((tmp_path / "out" / "comparison.json").read_text())
    clip = content["changes"][0]
    assert [effect["value"] for effect in clip["effects"]] == [0.10, 0.14, 0.11]
    assert clip["summary"]["value"] == found.across.changes[0].summary.value
    table = pd.read_csv(tmp_path / "out" / "tables" / "changes.csv")
    assert len(table) == 3 + 1 + 2 + 1
    of_clip = table[(table.change == "clip=1") & (table.study == "summary")].iloc[0]
    assert (of_clip.effect, of_clip.studies) == (pytest.approx(clip["summary"]["value"], rel=1e-5), 3)
    protocols = pd.read_csv(tmp_path / "out" / "tables" / "protocols.csv", index_col="key")
    assert protocols.loc["space"].tolist() == ["nb201", "nb1shot1-1", "darts"]
    latex = (tmp_path / "out" / "tables" / "changes.tex").read_text()
    assert "Summary [95 \\%]" in latex
    assert latex.count(r"\\") == 3
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files}
    found.write(tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in files} == before


def test_the_page_says_every_number_and_refers_to_nothing_outside(results):
    found = compare_studies(["a", "b", "c"], results=results)
    text = page(found.across, ["comparison.json"])
    shown = " ".join(re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", text, flags=re.DOTALL).split())
    s = found.across.changes[0].summary
    assert f"{s.value:+.2f} [{s.low:+.2f}, {s.high:+.2f}]" in shown
    assert f"[{s.predicted_low:+.2f}, {s.predicted_high:+.2f}]".replace("-", "−") in shown
    assert "raises τ on average" in shown
    assert "+0.14 [+0.04, +0.24]" in shown
    assert "A further study" in shown
    assert text.count('class="open predicted"') == 1
    assert re.search(r'class="open predicted">.*?class="range"', text)
    assert "space nb201 nb1shot1-1 darts" in shown
    assert not re.search(r"<!--=|@import|https?://", text)


def test_names_from_reports_are_text_and_never_markup(tmp_path):
    for name in ("x", "y"):
        made_up_reports.write(
            tmp_path / "reports", name, {f"[bold]$x$ {EVIL}": (0.1, 0.02)}, title=EVIL, space=EVIL + name, name=EVIL,
            runs=name, recipe={EVIL: EVIL + name},
        )  # fmt: skip
    found = compare_studies(["x", "y"], results=tmp_path, out=tmp_path / "out")
    text = (tmp_path / "out" / "index.html").read_text()
    assert EVIL not in text
    assert "<b>" not in text
    assert EVIL not in found._repr_html_()
    said = CliRunner().invoke(command, ["compare", "x", "y", "--results", str(tmp_path)]).output
    assert "[bold]" in said


def test_the_command_prints_changes_bases_protocols_and_findings(results, tmp_path):
    out = str(tmp_path / "out")
    ran = CliRunner().invoke(command, ["compare", "a", "b", "--results", str(results), "--out", out])
    assert ran.exit_code == 0, ran.output
    lines = [" ".join(line.split()) for line in ran.output.splitlines()]
    assert "a +0.10 [+0.00, +0.20] raises tau" in lines
    assert any(line.startswith("summary +0.1") for line in lines)
    assert "space nb201 nb1shot1-1" in lines
    assert any(line.startswith("Note: ") for line in lines)
    assert f"Report: {out}/index.html" in lines


def test_what_is_not_found_or_given_twice_is_named(results, tmp_path):
    with pytest.raises(UserError, match=r"There is no report 'quik'.*has a, b, c"):
        compare_studies(["a", "quik"], results=results)
    with pytest.raises(UserError, match="There is no report"):
        compare_studies(["a", "\0" * 5000], results=results)
    with pytest.raises(UserError, match="given twice: 'a', "):
        compare_studies(["a", results / "reports" / "a" / "report.json"], results=results)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"The comparison cannot be written to .*Not a directory"):
        compare_studies(["a", "b"], results=results, out=tmp_path / "file" / "out")


def test_frames_and_the_figure_are_at_hand(results):
    found = compare_studies(["a", "b"], results=results)
    assert list(found.frame("bases").study) == ["a", "b"]
    with pytest.raises(UserError, match="There is no table 'all'"):
        found.frame("all")
    labels = [text.get_text() for text in found.plot().axes[0].get_yticklabels()]
    assert labels == ["clip=1", "a  ", "b  ", "summary  ", "layers=2", "a  ", "b  ", "summary  "]
