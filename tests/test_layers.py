"""Imports point down only, between the three packages and between the rooms of the harness; no module is in a circle.

Imports inside functions and those for type checkers alone count as any other.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "heuristics", "harness")
"""From the ground up."""
FLOORS = (
    ("statistics",),
    ("supernet", "runs", "correlation"),
    ("training", "leaderboard"),
    ("scoring", "query"),
    ("search", "study", "measured"),
    ("report",),
    ("commands",),
)
"""Rooms of the harness, from the ground up. A room imports itself and the floors below, nothing else of its floor."""
LONGEST = 400
"""Lines of a file."""


def modules(root: Path) -> dict[str, Path]:
    """Dotted name below `supernet` -> file, of all modules of the three packages."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The project's modules that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, _, inner = name.partition(".")
            assert package not in PACKAGES, f"{path} imports {name}, which is called supernet.{name}"
            if package == "supernet":
                yield inner if inner in known else inner.rpartition(".")[0]


def graph(root: Path) -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    known = modules(root)
    return {module: set(imported(path, known)) - {module} for module, path in known.items()}


def room(module: str) -> str:
    """The room of a module of the harness."""
    return module.split(".")[1] if "." in module else ""


def upward(arrows: Mapping[str, set[str]]) -> list[str]:
    """Arrows that point up or aside, as text."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    found = []
    for module, targets in arrows.items():
        for target in sorted(targets):
            ends = [PACKAGES.index(name.partition(".")[0]) for name in (module, target)]
            if ends[0] < ends[1]:
                found.append(f"{module} -> {target}")
            elif module.startswith("harness.") and target.startswith("harness."):
                above, below = room(module), room(target)
                if above != below and floor[above] <= floor[below]:
                    found.append(f"{module} -> {target}")
    return found


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Modules that reach each other: the strongly connected components of more than one module."""

    def reached(start: str) -> set[str]:
        seen, waiting = {start}, [start]
        while waiting:
            new = arrows.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return seen

    reach = {module: reached(module) for module in arrows}
    groups = {tuple(sorted(other for other in reach[module] if module in reach.get(other, ()))) for module in arrows}
    return [list(group) for group in sorted(groups) if len(group) > 1]


@pytest.fixture(scope="module")
def arrows() -> dict[str, set[str]]:
    return graph(ROOT)


def test_every_import_is_of_a_module_that_is_there(arrows):
    known = set(arrows)
    assert len(known) > 100
    assert {target for targets in arrows.values() for target in targets} <= known


def test_every_room_of_the_harness_has_its_floor():
    rooms = {path.name for path in (ROOT / "harness").iterdir() if (path / "__init__.py").exists()}
    assert rooms == {name for names in FLOORS for name in names}
    assert [path.name for path in (ROOT / "harness").glob("*.py")] == ["__init__.py"], "no module outside the rooms"


def test_imports_point_down(arrows):
    assert upward(arrows) == []


def test_no_modules_import_each_other(arrows):
    assert circles(arrows) == []


@pytest.mark.parametrize("folder", [*PACKAGES, "tests"])
def test_no_file_is_too_long(folder):
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lines) > 10
    assert {name: count for name, count in lines.items() if count > LONGEST} == {}


@pytest.mark.parametrize(
    ("files", "up", "circle"),
    [
        ({"harness/statistics/m": "import supernet.benchmarks.spaces"}, [], []),
        ({"harness/study/m": "from supernet.harness.runs import job", "harness/runs/job": ""}, [], []),
        (
            {"harness/runs/m": "def f():\n    from supernet.harness.study import spec", "harness/study/spec": ""},
            ["harness.runs.m -> harness.study.spec"], [],
        ),
        (
            {"harness/study/m": "from supernet.harness.search.spec import SearchSpec", "harness/search/spec": ""},
            ["harness.study.m -> harness.search.spec"], [],
        ),
        (
            {"heuristics/m": "if TYPE_CHECKING:\n    import supernet.harness.study.spec", "harness/study/spec": ""},
            ["heuristics.m -> harness.study.spec"], [],
        ),
        (
            {
                "heuristics/a": "import supernet.heuristics.b",
                "heuristics/b": "from supernet.heuristics import c",
                "heuristics/c": "def f():\n    from supernet.heuristics.a import g",
            },
            [], [["heuristics.a", "heuristics.b", "heuristics.c"]],
        ),
    ],
)  # fmt: skip
def test_the_checks_see_what_they_are_for(tmp_path, files, up, circle):
    for name, text in files.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = graph(tmp_path)
    assert upward(found) == up
    assert circles(found) == circle


# ---- what is particular to one space ---------------------------------------------------------------------------------

ONE_SPACE = re.compile(r"""isinstance\(.*\b(NB201|NB1Shot1)|["']nb[12]01["']|nb1shot1-""")
"""A line that asks for one space, or names one."""
ROOMS = ("benchmarks/spaces/", "harness/supernet/", "harness/leaderboard/sources.py")
"""Where such lines belong; the registry of published files names the space of each."""
MOST_ELSEWHERE = 9


def lines_of_one_space(path: Path) -> list[tuple[int, bool]]:
    """Numbers of the lines for one space, and whether a comment on the line or in the nine above gives the reason."""
    lines = path.read_text(encoding="utf-8").splitlines()
    numbers = [number for number, line in enumerate(lines) if ONE_SPACE.search(line)]
    return [(number + 1, any("# " in line for line in lines[max(0, number - 9) : number + 1])) for number in numbers]


def test_what_is_particular_to_one_space_belongs_to_the_space_or_its_super_net():
    found = {
        f"{path.relative_to(ROOT)}:{number}": reason
        for package in PACKAGES
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
        ('if known.space == "nb101":', True),
        ('number = name.removeprefix("nb1shot1-")', True),
        ("from supernet.benchmarks.spaces.nb201 import EDGES", False),
    ],
)
def test_the_count_sees_every_way_to_ask_for_one_space(tmp_path, line, counts):
    (tmp_path / "m.py").write_text(f"{line}\n")
    assert [number for number, _ in lines_of_one_space(tmp_path / "m.py")] == [1] * counts
    (tmp_path / "m.py").write_text(f"# The reason.\n{line}\n")
    assert lines_of_one_space(tmp_path / "m.py") == [(2, True)] * counts
