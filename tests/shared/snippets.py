"""The pages that people wrote, and the blocks of code in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_AT_THE_ROOT = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")]
PAGES = {path.name: path for path in [*_AT_THE_ROOT, *sorted((ROOT / "docs").glob("*.md"))]}
"""Name -> file."""
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}
NO_CODE = ("text",)
"""Languages of blocks that show output."""


@dataclass(frozen=True)
class Snippet:
    """A block of code."""

    page: str
    language: str
    title: str
    """The file that the page tells to save it as; empty if it says none."""
    code: str


def _of(page: str, text: str) -> list[Snippet]:
    found = re.findall(r'^```(\w*)(?: title="([^"]+)")?[^\n]*\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
    return [Snippet(page, language, title, code) for language, title, code in found if language not in NO_CODE]


SNIPPETS = [snippet for page, text in TEXTS.items() for snippet in _of(page, text)]
