"""What README.md and docs/ say of reports, commands and links holds; `test_snippets.py` runs their code."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest
from snippets import PAGES, SNIPPETS, TEXTS

import supernet
from supernet.harness.commands.cli import supernet as command_line
from supernet.heuristics import registry

ROOT = Path(__file__).parents[1]
README = TEXTS["README.md"]
EVERYTHING = "\n".join(TEXTS.values())
REPORTS = sorted((ROOT / "results" / "reference").glob("*/report.json"))


def plain(text):
    return " ".join(re.sub(r"^> ?", "", text, flags=re.M).split())


def commands():
    """(page, words) of every command of the project in a block of shell code, or alone in backquotes."""
    for name, text in TEXTS.items():
        blocks = [found.code for found in SNIPPETS if found.page == name and found.language == "sh"]
        code = "\n".join([*blocks, *re.findall(r"^\$ (.*)", text, re.MULTILINE)])
        lines = code.replace("\\\n", " ").splitlines()
        lines += [" ".join(found.split()) for found in re.findall(r"(?<!`)`((?:supernet|make) [^`]*)`(?!`)", text)]
        for line in lines:
            words = shlex.split(line, comments=True)
            if words and words[0] in ("supernet", "make"):
                yield name, tuple(words)


def test_the_readme_is_a_page_of_five_minutes():
    assert len(README.splitlines()) <= 150
    start = README + TEXTS["index.md"].replace("](", "](docs/")
    for name in PAGES.keys() - {"README.md", "index.md", "CHANGELOG.md"}:
        assert name in start, f"nothing leads to {name}"


@pytest.mark.parametrize("name", ["quick", "compare", "cifar10-16-recipe"])
def test_findings_are_quoted_as_they_are(name):
    findings = json.loads((ROOT / "results" / "reference" / name / "report.json").read_text())["findings"]
    assert len(findings) >= 3
    for sentence in findings[:2]:
        assert plain(sentence) in plain(EVERYTHING)


@pytest.mark.parametrize(
    ("page", "words"), [pytest.param(*found, id=" ".join(found[1])) for found in sorted({*commands()})]
)
def test_commands_are_there_with_all_their_options(page, words):
    if words[0] == "make":
        targets = re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
        return
    command, rest, context = command_line, list(words[1:]), click.Context(command_line)
    while isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest.pop(0))
        assert found is not None
        command, context = found, click.Context(found)
    _, unknown, _ = command.make_parser(context).parse_args(rest)
    assert not unknown, page


def test_every_call_that_the_pages_name_is_there():
    named = set(re.findall(r"`sn\.(\w+)\(", EVERYTHING))
    assert named >= {"train", "rank", "correlate", "study", "search"}
    assert named <= set(supernet.__all__)


def test_every_method_that_ships_is_in_the_docs_as_the_registry_says():
    for name, shipped in registry.SHIPPED.items():
        assert f"| `{name}` | {shipped.what} | {shipped.source} |" in TEXTS["methods.md"]


def test_links_and_files_lead_somewhere():
    links = [(name, link) for name, text in TEXTS.items() for link in re.findall(r"\]\(([^)#]+)\)", text)]
    assert len(links) > 15
    for name, link in links:
        generated = link.startswith("reference/")  # tests/test_reference.py looks at these pages
        assert link.startswith("http") or generated or (PAGES[name].parent / link).exists(), (name, link)
    for file in re.findall(r"`((?:harness|heuristics|benchmarks|results/reference)/[\w./-]+)`", EVERYTHING):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.parent.name)
def test_reports_hold_no_paths_of_a_machine(report):
    for path in report.parent.rglob("*"):
        if path.suffix in (".json", ".html", ".csv", ".tex", ".yaml", ".jsonl"):
            assert not re.search(r"/(home|root|tmp|work|Users)/", path.read_text(encoding="utf-8")), path
