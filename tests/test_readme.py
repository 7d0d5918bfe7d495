"""What the README says of the reports that ship is what they say."""

import json
import re
from pathlib import Path

import pytest

import supernet
from supernet.benchmarks.truth import shelf

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REPORTS = sorted((ROOT / "results" / "reference").glob("*/report.json"))


def plain(text):
    return " ".join(re.sub(r"^> ?", "", text, flags=re.M).split())


@pytest.mark.parametrize("name", ["quick", "compare", "cifar10-16-recipe"])
def test_findings_are_quoted_as_they_are(name):
    findings = json.loads((ROOT / "results" / "reference" / name / "report.json").read_text())["findings"]
    assert len(findings) >= 3
    for sentence in findings[:3]:
        assert plain(sentence) in plain(README)


def test_the_five_lines_from_python_do_what_they_say(tmp_path, monkeypatch):
    """They train, rank, correlate and plot with the tables that ship, and write nothing but the figure."""
    code = re.search(r"## From Python\n\n```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) == 5
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path))
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert len(names["ranking"].frame()) == 60
    assert names["report"].report.architectures == 60
    assert any("at chance" in note for note in names["report"].notes)
    assert [path.name for path in tmp_path.iterdir()] == ["tau.png"]


def test_every_call_that_the_readme_names_is_there():
    named = set(re.findall(r"`sn\.(\w+)\(", README))
    assert named >= {"train", "rank", "correlate", "study", "search"}
    assert named <= set(supernet.__all__)


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 5
    for link in links:
        assert link.startswith("http") or (ROOT / link).exists(), link


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.parent.name)
def test_reports_hold_no_paths_of_a_machine(report):
    for path in report.parent.rglob("*"):
        if path.suffix in (".json", ".html", ".csv", ".tex", ".yaml", ".jsonl"):
            assert not re.search(r"/(home|root|tmp|work|Users)/", path.read_text(encoding="utf-8")), path
