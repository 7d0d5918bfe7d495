"""HTML from values: whatever is not markup already is escaped where it is put."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence


class Html(str):
    """Markup; any other text is escaped where it is put."""

    def __add__(self, other: str) -> Html:
        return Html(super().__add__(escaped(other)))


def escaped(text: object) -> Html:
    """Text as markup; markup as it is."""
    return text if isinstance(text, Html) else Html(html.escape(str(text)))


def join(parts: Iterable[object]) -> Html:
    """One after the other."""
    return Html("".join(escaped(part) for part in parts))


def el(name: str, *children: object, **attributes: object) -> Html:
    """An element; attributes of None are left out, underscores become hyphens (`class_` is class)."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{said}>{join(children)}</{name}>")


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], caption: str, notes: Sequence[str] = ()) -> Html:
    """A small table for notebooks, whose first column heads its rows, with notes below it."""
    top = el("thead", el("tr", *(el("th", head, scope="col") for head in heads)))
    body = [el("tr", el("th", row[0], scope="row"), *(el("td", cell) for cell in row[1:])) for row in rows]
    below = [el("p", f"Note: {note}") for note in notes]
    return el("div", el("table", el("caption", caption), top, el("tbody", *body)), *below)
