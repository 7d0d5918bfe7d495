"""Headings and cells of tables that are sorted by a click on a heading; the script `sort` does it."""

from __future__ import annotations

import math

from supernet.harness.report.html.markup import Html, el


def head(title: str, meaning: str, first: str, name: str, now: str = "none") -> Html:
    """A heading.

    Args:
        meaning: what the column holds, shown where the heading is pointed at.
        first: order of the first click, `ascending` or `descending`.
        name: classes of the cell; `text` or `number` is one of them.
        now: order in which the rows already stand, `ascending` or `descending`; `none` if this column does not set it.
    """
    button = el("button", title, type="button", title=meaning)
    return el("th", button, scope="col", aria_sort=now, data_first=first, class_=name)


def cell(shown: tuple[object, float | str | None], name: str, head: bool = False) -> Html:
    """A cell: what it shows, and what it sorts by (None sorts last).

    Args:
        head: whether the cell names its row.
    """
    text, key = shown
    if isinstance(key, float) and not math.isfinite(key):
        key = None
    if head:
        return el("th", text, scope="row", class_=name, data_v=key)
    return el("td", text, class_=name, data_v=key)
