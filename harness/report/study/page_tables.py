"""The tables of a study's page: effects of every setting, and the operations that each over-ranks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from supernet.harness.report.html.markup import Html, el, escaped, join
from supernet.harness.report.html.sortable import cell, head
from supernet.harness.report.study.columns import Column
from supernet.harness.statistics.printed import bounds, number
from supernet.harness.study.results import Analysis, Row


def families(rows: Sequence[Row]) -> Html:
    """An option for each family that a setting has."""
    names = dict.fromkeys(name for row in rows for name in row.family.split(" + ") if name)
    return join(el("option", name, value=name) for name in names)


def effects(a: Analysis, columns: Sequence[Column]) -> Html:
    """Head and body of the table of effects."""
    groups = dict.fromkeys((column.group, column.folded) for column in columns)
    whole = {group for group, folded in groups if not folded}
    spans = [
        el(
            "th",
            "" if folded and group in whole else group,
            scope="colgroup",
            colspan=sum((c.group, c.folded) == (group, folded) for c in columns),
            class_="more" if folded else None,
        )
        for group, folded in groups
    ]
    names = [column.group for column in columns]
    starts = {names.index(group) for group in names}
    extras = [" ".join(["start"] * (k in starts) + ["more"] * column.folded) for k, column in enumerate(columns)]
    heads = [
        head(column.title, column.meaning, column.first, f"{column.kind} {extra}".strip())
        for column, extra in zip(columns, extras, strict=True)
    ]
    lines = []
    for place, row in enumerate(a.rows):
        cells = [
            cell(column.cell(row), f"{column.kind} {extra}".strip(), head=k == 0)
            for k, (column, extra) in enumerate(zip(columns, extras, strict=True))
        ]
        lines.append(
            el(
                "tr",
                *cells,
                class_=" ".join(["base"] * (place == 0) + ["undone"] * (row.tau is None)) or None,
                data_label=row.label,
                data_family=row.family,
            )
        )
    return join([el("thead", el("tr", *spans, class_="groups"), el("tr", *heads)), el("tbody", *lines)])


def glossary(columns: Sequence[Column]) -> Html:
    """What each column means."""
    return join(el("dt", column.title) + el("dd", column.meaning) for column in columns)


def operations(rows: Sequence[Row]) -> Html:
    """Head and body of the table of over-ranked operations; empty where no run is done."""
    known = [row for row in rows if row.excess]
    names = list(dict.fromkeys(name for row in known for name in row.excess))
    bound = max((abs(m.value) for row in known for m in row.excess.values()), default=0.0) or 1.0
    heads = [head("Setting", "Heuristic and value.", "ascending", "text")]
    heads += [
        head(name, f"Percentile points by which uses of {name} are over-ranked.", "descending", "number")
        for name in names
    ]
    lines = []
    for row in known:
        # A long label may break after the = alone.
        label = Html("<wbr>").join(map(escaped, re.split("(?<==)", row.label)))
        cells = [el("th", Html(label), scope="row", class_="text", data_v=row.label)]
        for name in names:
            mean = row.excess.get(name)
            value = mean.value if mean else None
            side = None if not value else "over" if value > 0 else "under"
            tint = None if value is None else f"--share:{abs(value) / bound:.2f}"
            ends = bounds(mean.low, mean.high, "+.1f") if mean else ""
            cells.append(
                el("td", number(value, "+.1f") + ends, class_="number", data_v=value, data_side=side, style=tint)
            )
        lines.append(el("tr", *cells, class_="base" if row is rows[0] else None))
    if not lines:
        return Html("")
    return join([el("thead", el("tr", *heads)), el("tbody", *lines)])
