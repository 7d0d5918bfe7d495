"""Arrow tables of plain values, whose names and types may differ between versions of the project."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from supernet.benchmarks.wording import encodable

TEXT, WHOLE, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
KINDS = {str: TEXT, int: WHOLE, float: NUMBER, bool: FLAG}
"""Python type -> type of a column."""


def table_of(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """A table with these columns, followed by any others that the rows have."""
    names = dict.fromkeys([*kinds, *(name for row in rows for name in row)])
    different: dict[str, str] = {}  # SQL ignores the case of names
    for name in names:
        different.setdefault(name.lower(), name)
    return pa.table(
        {encodable(name): column([row.get(name) for row in rows], kinds.get(name)) for name in different.values()}
    )


def column(values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    """Values as a column of this type, or as text if they do not fit it. Without a type, it is that of the values."""
    values = [encodable(value) if isinstance(value, str) else value for value in values]
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # values of several types, as of two versions
        return pa.array([None if value is None else encodable(text(value)) for value in values], TEXT)


def rows_of(rows: Sequence[Sequence[Any]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """A table of rows, whose cells are in the order of these columns."""
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    return pa.table({name: column(list(c), kind) for (name, kind), c in zip(kinds.items(), columns, strict=True)})


def flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) for each leaf of nested mappings."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def text(value: Any) -> str:
    """A text unchanged, and any other plain value as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def plain(name: str) -> str:
    """A name that SQL accepts without quotes: regret@1 -> regret_1."""
    return re.sub(r"\W+", "_", name)
