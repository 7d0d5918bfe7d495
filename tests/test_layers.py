"""Imports point down only: harness -> heuristics -> benchmarks."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "benchmarks": {"benchmarks"},
    "heuristics": {"benchmarks", "heuristics"},
    "harness": {"benchmarks", "heuristics", "harness"},
}


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return {name.removeprefix("supernet.").partition(".")[0] for name in names} & set(ALLOWED)


@pytest.mark.parametrize("package", ALLOWED)
def test_package_imports_only_itself_and_what_lies_below(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        above = imported_packages(path) - ALLOWED[package]
        assert not above, f"{path.relative_to(ROOT)} imports {above}"


def test_the_check_sees_an_import_inside_a_function(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("def f():\n    from supernet.harness.statistics.metrics import kendall_tau\n")
    assert imported_packages(path) == {"harness"}


# ---- what is particular to one space ---------------------------------------------------------------------------------

ONE_SPACE = re.compile(r"""isinstance\(.*\b(NB201|NB1Shot1)|["']nb201["']|nb1shot1-""")
"""A line that asks for one space, or names one."""
ROOMS = ("benchmarks/spaces/", "harness/supernet/")
"""Where such lines belong."""
MOST_ELSEWHERE = 9


def lines_of_one_space(path: Path) -> list[tuple[int, bool]]:
    """Numbers of the lines for one space, and whether a comment on the line or in the nine above gives the reason."""
    lines = path.read_text(encoding="utf-8").splitlines()
    numbers = [number for number, line in enumerate(lines) if ONE_SPACE.search(line)]
    return [(number + 1, any("# " in line for line in lines[max(0, number - 9) : number + 1])) for number in numbers]


def test_what_is_particular_to_one_space_belongs_to_the_space_or_its_super_net():
    found = {
        f"{path.relative_to(ROOT)}:{number}": reason
        for package in ("benchmarks", "harness")
        for path in sorted((ROOT / package).rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith(ROOMS)
        for number, reason in lines_of_one_space(path)
    }
    assert len(found) <= MOST_ELSEWHERE, sorted(found)
    assert all(found.values()), [place for place, reason in found.items() if not reason]


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("if isinstance(within, NB201):", True),
        ("if isinstance(space(name), (NB1Shot1, Other)):", True),
        ("if r.space != 'nb201':", True),
        ('number = name.removeprefix("nb1shot1-")', True),
        ("from supernet.benchmarks.spaces.nb201 import EDGES", False),
    ],
)
def test_the_count_sees_every_way_to_ask_for_one_space(tmp_path, line, counts):
    (tmp_path / "m.py").write_text(f"{line}\n")
    assert [number for number, _ in lines_of_one_space(tmp_path / "m.py")] == [1] * counts
    (tmp_path / "m.py").write_text(f"# The reason.\n{line}\n")
    assert lines_of_one_space(tmp_path / "m.py") == [(2, True)] * counts
