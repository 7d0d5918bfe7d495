"""Messages of code that the command line and Python share name an option together with the Python argument."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
OPTION = re.compile(r"(?<![-\w])--[a-z][a-z-]+")
BOTH = re.compile(r"--[a-z][a-z-]+[^`]{0,40}\(`[a-z_]+`\)")
"""An option, perhaps with its value, followed by the argument of Python."""
SIMPLE = (
    "benchmarks/truth/import_nb201.py",
    "harness/study/planning.py",
    "harness/study/reading.py",
    "harness/search/verdict.py",
)
"""Files whose messages only a command shows, or that compose commands."""


def messages(path):
    """The texts of a file that are not documentation, each f-string with … in place of its values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if id(node) in documentation | inner:
            continue
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_a_message_that_names_an_option_names_the_argument_of_python_too():
    lacking = []
    for room in ("benchmarks", "heuristics", "harness"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(("harness/commands/", "harness/report/html/")) or name in SIMPLE:
                continue
            for line, text in messages(path):
                prose = re.sub(r"`supernet[^`]*`|^(…|\w+ )?supernet .*", "", text)
                if " " in text.strip() and OPTION.search(prose) and not BOTH.search(prose):
                    lacking.append(f"{name}:{line}: {text}")
    assert lacking == []
