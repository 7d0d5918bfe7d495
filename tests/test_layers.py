"""Imports point down only: harness -> heuristics -> benchmarks."""

import ast
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
    return {name.partition(".")[0] for name in names} & set(ALLOWED)


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
