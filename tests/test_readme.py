"""What README.md and docs/ say of reports is what these say, and their code runs."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

import supernet
from supernet.benchmarks.truth import shelf
from supernet.harness.commands.cli import supernet as command_line
from supernet.harness.study.reading import load_study
from supernet.heuristics import catalogue, registry

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
README = TEXTS["README.md"]
EVERYTHING = "\n".join(TEXTS.values())
REPORTS = sorted((ROOT / "results" / "reference").glob("*/report.json"))


def plain(text):
    return " ".join(re.sub(r"^> ?", "", text, flags=re.M).split())


def blocks(name, language):
    return re.findall(rf"^```{language}\n(.*?)^```", TEXTS[name], re.DOTALL | re.MULTILINE)


def commands():
    """(page, words) of every command of the project in a block of shell code, or alone in backquotes."""
    for name, text in TEXTS.items():
        code = "\n".join([*blocks(name, "sh"), *re.findall(r"^\$ (.*)", text, re.MULTILINE)])
        lines = code.replace("\\\n", " ").splitlines()
        lines += [" ".join(found.split()) for found in re.findall(r"(?<!`)`((?:supernet|make) [^`]*)`(?!`)", text)]
        for line in lines:
            words = shlex.split(line, comments=True)
            if words and words[0] in ("supernet", "make"):
                yield name, tuple(words)


@pytest.fixture
def registered():
    """What is registered in a test is forgotten after it."""
    for name in registry.SHIPPED:
        registry.entry(name)
    known = (catalogue.CATALOGUE, registry.METHODS)
    before = [dict(names) for names in known]
    yield
    for names, content in zip(known, before, strict=True):
        names.clear()
        names.update(content)


def test_the_readme_is_a_page_of_five_minutes():
    assert len(README.splitlines()) <= 150
    for name in PAGES.keys() - {"README.md"}:
        assert f"docs/{name}" in README, f"nothing leads to {name}"


@pytest.mark.parametrize("name", ["quick", "compare", "cifar10-16-recipe"])
def test_findings_are_quoted_as_they_are(name):
    findings = json.loads((ROOT / "results" / "reference" / name / "report.json").read_text())["findings"]
    assert len(findings) >= 3
    for sentence in findings[:3]:
        assert plain(sentence) in plain(EVERYTHING)


def test_the_five_lines_from_python_do_what_they_say(tmp_path, monkeypatch):
    """They train, rank, correlate and plot with the tables that ship, and write nothing but the figure."""
    code = re.search(r"## First minute\n\n```python\n(.*?)```", README, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) == 5
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path))
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert len(names["ranking"].frame()) == 60
    assert names["report"].report.architectures == 60
    assert any("at chance" in note for note in names["report"].notes)
    assert [path.name for path in tmp_path.iterdir()] == ["tau.png"]


def test_the_method_trains_and_the_study_sweeps_its_parameter(registered, tmp_path, monkeypatch):
    _, code = blocks("README.md", "python")
    (study,) = blocks("README.md", "yaml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "mine.yaml").write_text(study)
    settings = [setting.label for setting in load_study("mine.yaml").settings(None)]
    assert settings == ["base", "confident.weight=0.1", "confident.weight=0.5"]
    plain_run, with_method = (
        supernet.train(task="digits", train_images=64, channels=4, cells=1, epochs=1, methods=methods)
        for methods in ([], [{"name": "confident", "weight": 0.5}])
    )
    assert plain_run.log[-1]["loss"] != with_method.log[-1]["loss"]


def test_what_docs_register_trains(registered):
    (code,) = blocks("methods.md", "python")
    exec(compile(code, "methods.md", "exec", dont_inherit=True), {"__name__": "docs"})
    run = supernet.train(
        task="digits", train_images=64, channels=4, cells=1, epochs=1, methods=[{"name": "lazy", "stay": 3}]
    )
    assert len(run.log) == 1
    assert catalogue.find("gentle").values["0.01"] == ("training.learning_rate=0.01", "training.momentum=0")


def test_the_studies_of_the_docs_can_be_read(tmp_path):
    study, screen = blocks("studies.md", "yaml")
    (tmp_path / "mine.yaml").write_text(study)
    assert "path-dropout=0.1" in [setting.label for setting in load_study(tmp_path / "mine.yaml").settings(None)]
    (tmp_path / "screen.yaml").write_text(yaml.safe_dump(yaml.safe_load(study) | yaml.safe_load(screen)))
    assert len(load_study(tmp_path / "screen.yaml").settings(None)) == 8


def test_code_about_ground_truth_runs_with_the_table_that_ships(tmp_path, monkeypatch, capsys):
    """Official data may be missing: the embedded table's data set, epochs and repeats take its place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path))
    code = [*blocks("scores.md", "python"), *blocks("python.md", "python"), *blocks("data.md", "python")]
    assert len(code) == 3
    text = "\n".join(code).replace('"cifar10"', '"digits"').replace("s777", "s0").replace("rows=[6111, 81]", "rows=[1]")
    text = re.sub(r'"test", "?(200|12)("?)', r'"test", \g<2>1\2', text)
    names = {}
    exec(compile(text, "docs", "exec"), names)
    assert (tmp_path / "scores.csv").read_text().startswith("arch,after_12_epochs\n")
    assert capsys.readouterr().out.split()[0] == "1.0"
    assert names["low"] <= names["high"] == 1


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
        assert f"`{name}`" in README
        assert f"| `{name}` | {shipped.what} | {shipped.source} |" in TEXTS["methods.md"]


def test_links_and_files_lead_somewhere():
    links = [(name, link) for name, text in TEXTS.items() for link in re.findall(r"\]\(([^)#]+)\)", text)]
    assert len(links) > 15
    for name, link in links:
        assert link.startswith("http") or (PAGES[name].parent / link).exists(), (name, link)
    for file in re.findall(r"`((?:harness|heuristics|benchmarks|results/reference)/[\w./-]+)`", EVERYTHING):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("report", REPORTS, ids=lambda path: path.parent.name)
def test_reports_hold_no_paths_of_a_machine(report):
    for path in report.parent.rglob("*"):
        if path.suffix in (".json", ".html", ".csv", ".tex", ".yaml", ".jsonl"):
            assert not re.search(r"/(home|root|tmp|work|Users)/", path.read_text(encoding="utf-8")), path
