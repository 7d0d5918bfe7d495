"""What the README says of the reports that ship is what they say."""

import json
import re
from pathlib import Path

import pytest

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
