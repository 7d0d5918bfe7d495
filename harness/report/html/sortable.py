"""Tables that sort when a heading is clicked: their headings, their cells and the script."""

from __future__ import annotations

import math
from pathlib import Path

from supernet.harness.report.html.markup import Html, el

_SCRIPT = Path(__file__).with_name("sortable.js")


def sorting() -> str:
    """The source of the script that sorts every table of the page; it is strict, and so is what follows it."""
    return _SCRIPT.read_text(encoding="utf-8")


def head(title: str, meaning: str, first: str, kind: str, extra: str = "") -> Html:
    """A heading; `first` is the order of the first click, `kind` is text or number."""
    button = el("button", title, type="button", title=meaning)
    return el("th", button, scope="col", aria_sort="none", data_first=first, class_=f"{kind} {extra}".strip())


def cell(shown: tuple[object, float | str | None], kind: str, start: bool, head: bool = False) -> Html:
    """A cell: what it shows, and what it sorts by (None sorts last); `start` begins a group of columns."""
    text, key = shown
    if isinstance(key, float) and not math.isfinite(key):
        key = None
    name = f"{kind}{' start' * start}"
    if head:
        return el("th", text, scope="row", class_=name, data_v=key)
    return el("td", text, class_=name, data_v=key)
