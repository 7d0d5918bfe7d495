"""Markdown for generated pages. Texts from the code are data: only their backquotes are markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\*_\[\]<>|#&~{}])")
_CODE = re.compile(r"(`[^`]+`)")


def text(content: str) -> str:
    """Return a text from the code as Markdown on one line; parts in backquotes become code."""
    parts = _CODE.split(" ".join(content.split()))
    return "".join(code(part[1:-1]) if _CODE.fullmatch(part) else _SPECIAL.sub(r"\\\1", part) for part in parts)


def code(content: str) -> str:
    """Return Markdown that shows the content as code, also within a table."""
    longest = max((len(ticks) for ticks in re.findall("`+", content)), default=0)
    ticks = "`" * (longest + 1)
    space = " " if content.startswith("`") or content.endswith("`") else ""
    return f"{ticks}{space}{content}{space}{ticks}".replace("|", r"\|")


def codes(contents: Iterable[object]) -> str:
    """Return Markdown that lists the contents as code."""
    return ", ".join(code(str(content)) for content in contents)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown already."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def fence(content: str, language: str = "text") -> str:
    """Return a block of code."""
    return f"```{language}\n{content.rstrip()}\n```"


def page(*blocks: str) -> str:
    """Return the blocks that are not empty, with a blank line between them."""
    return "\n\n".join(block for block in blocks if block) + "\n"
