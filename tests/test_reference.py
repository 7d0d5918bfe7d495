"""The generated reference has every key, heuristic, method, command and call, and shows texts from the code as data."""

import csv
import re
from pathlib import Path

import click
import pytest
import yaml

import supernet
from docs.generator import commands, effects, entries, facade, markdown, recipe
from docs.generator.outside import outside
from docs.generator.pages import navigation, pages
from supernet.harness.commands.cli import supernet as command_line
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES
from supernet.harness.scoring.rules import RULES
from supernet.heuristics import registry
from supernet.heuristics.catalogue import CATALOGUE, Heuristic
from supernet.heuristics.ranges import Range
from supernet.heuristics.recipe import Recipe, key_names

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def made():
    return pages()


# ---- what is there -------------------------------------------------------------------------------------------------


def test_every_key_has_a_row_with_its_default_and_a_meaning(made):
    rows = {}
    for line in made["reference/recipe.md"].splitlines():
        if found := re.match(r"\| \[`([\w.]+)`\]\(#\1\)\{#\1\} \| (.*?) \| (.*) \|$", line):
            rows[found[1]] = found[2], found[3]
    assert set(rows) == set(key_names())
    content = Recipe().as_dict()
    for name, (allowed, meaning) in rows.items():
        value = content
        for part in name.split("."):
            value = value[part]
        shown = yaml.safe_load(re.match("`(.*?)`", allowed)[1])
        assert float(shown) == value if isinstance(value, float) else shown == value, name
        assert re.search(r"\w", meaning), f"{name} has no text in heuristics/sections.py"


def test_ranges_are_those_that_recipes_check(made):
    assert recipe.in_words(Range(0, 1, below=True), float) == ", 0 ≤ x &lt; 1"
    assert recipe.in_words(Range(0, 1e30, above=True), float) == ", 0 &lt; x"
    assert recipe.in_words(Range(-1e30, 1e30), float) == recipe.in_words(None, float) == ""
    assert "`null`, 4 ≤ x ≤ 1,024" in made["reference/recipe.md"]
    assert "`cosine`, `constant`, `step`" in made["reference/recipe.md"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_heuristic_has_a_page_with_its_values_and_keys(made, name):
    page, entry = made[f"reference/heuristics/{name}.md"], CATALOGUE[name]
    for value, changes in entry.values.items():
        assert f"| `{value}` |" in page
        for change in changes:
            assert f"[`{change}`](../recipe.md#{change.partition('=')[0]})" in page
    assert entry.source.split(";")[0].replace("_", r"\_") in page
    assert f"[{name}]({name}.md)" in made["reference/heuristics/index.md"]


@pytest.mark.parametrize("name", registry.SHIPPED)
def test_every_method_has_a_page_with_its_parameters(made, name):
    page, entry = made[f"reference/methods/{name}.md"], registry.entry(name)
    assert entry.parameters
    for parameter in entry.parameters.values():
        assert f"| `{parameter.name}` | `{recipe.written(parameter.default)}` |" in page
    assert f"[{name}]({name}.md)" in made["reference/methods/index.md"]


@pytest.mark.parametrize("name", [*COUNTS, *PROXIES, *RULES])
def test_every_score_without_training_has_its_line(made, name):
    assert f"| `{name}` | " in made["reference/free-scores.md"]


def test_every_command_is_there_with_all_its_options(made):
    page = made["reference/commands.md"]
    known = list(plain_commands(command_line, "supernet"))
    assert len(known) > 20
    for path, command in known:
        (section,) = re.findall(rf"^## {path}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
        for option in command.params:
            for name in option.opts if isinstance(option, click.Option) else ():
                assert re.search(rf"^\| `[^`]*{name}\b", section, re.MULTILINE), (path, name)


def plain_commands(command, path):
    """(path, command) of every command that is no group."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        yield from plain_commands(command.get_command(context, name), f"{path} {name}")


def test_every_call_and_every_kind_of_result_is_there(made):
    page = made["reference/python.md"]
    for name in set(supernet.__all__) - {"__version__"}:
        assert f"## sn.{name}\n" in page
    assert {kind.__name__ for kind in facade.results()} >= {"Run", "Ranked", "StudyResult", "SearchResult"}
    assert "`frame() -> pd.DataFrame`" in page
    assert " object at 0x" not in page


def test_pages_are_in_the_navigation_and_links_between_them_lead_somewhere(made):
    listed = yaml.safe_dump(navigation(list(made)))
    written = {path.name for path in (ROOT / "docs").glob("*.md")}
    for path, content in made.items():
        assert path in listed
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[\w.-]+)?\)", content):
            target = (ROOT / path).parent.joinpath(link).resolve().relative_to(ROOT).as_posix()
            assert target in made or target in written or (ROOT / target).is_file(), (path, link)


# ---- effects measured here -----------------------------------------------------------------------------------------


def test_every_tested_row_of_the_tables_is_on_the_page_of_its_heuristic(made):
    assert {path.parents[1].name for path in effects.tables()} >= {"quick", "cifar10-16-recipe"}
    for path in effects.tables():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["p_dunnett"]]
        assert rows
        for row in rows:
            verdict = "undecided"
            if float(row["p_dunnett"]) < 0.05:
                verdict = "raises tau" if float(row["difference"]) > 0 else "lowers tau"
            study = path.parents[1].name
            rest = f"{verdict} \\| {row['runs']} \\| {study}"
            name, value = effects.named(row["heuristic"], row["value"])
            folder = "heuristics" if name in CATALOGUE else "methods"
            pattern = rf"^\| `{re.escape(value)}` \| ([^ ]+) \[([^,]+), ([^\]]+)\] \| {rest} \|$"
            found = re.findall(pattern, made[f"reference/{folder}/{name.partition('.')[0]}.md"], re.MULTILINE)
            numbers = [float(number.replace("−", "-")) for number in found[0]]
            wanted = [float(row[name]) for name in ("difference", "difference_low", "difference_high")]
            assert numbers == pytest.approx(wanted, abs=0.00501)


def test_heuristics_that_were_not_studied_claim_no_effect(made):
    without = [name for name in CATALOGUE if name not in effects.effects()]
    assert without
    for name in without:
        assert "Effect measured here" not in made[f"reference/heuristics/{name}.md"]


# ---- texts are data ------------------------------------------------------------------------------------------------


def test_texts_from_the_code_are_no_markup():
    assert markdown.text("a_b *c* <b> [x](y) | `d|e` ") == r"a\_b \*c\* \<b\> \[x\](y) \| `d\|e`"
    assert markdown.code("a`b") == "``a`b``"
    odd = Heuristic("odd", "protocol", "sets <script>", {"x|y": ("training.epochs=1",)}, "[me](javascript:1)")
    page = entries._heuristic(odd)
    assert "<script>" not in page
    assert "[me](" not in page
    assert r"`x\|y`" in page


def test_usage_has_the_arguments():
    found = {context.command_path: commands for context in commands.commands()}
    assert "supernet study run" in found
    assert "supernet train [OPTIONS] RECIPE [KEY=VALUE …]" in commands.commands_page()


# ---- nothing from other servers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        '<script src="https://cdn.example/a.js">', "<img alt='' src=//cdn.example/a.png>",
        '<link rel="stylesheet" href="https://fonts.example/css">', "src: url(https://fonts.example/a.woff2)",
        '@import "https://fonts.example/css"',
    ],
)  # fmt: skip
def test_requests_to_other_servers_are_found(content):
    assert outside(f"before {content} after")


@pytest.mark.parametrize(
    "content",
    [
        '<a href="https://example.org">paper</a>', '<link rel="canonical" href="https://example.org/">',
        '<script src="../assets/a.js">', "url(data:image/svg+xml;charset=utf-8,<svg xmlns='http://www.w3.org/2000/svg'/>)",
    ],
)  # fmt: skip
def test_links_and_own_files_are_no_such_requests(content):
    assert outside(content) is None
