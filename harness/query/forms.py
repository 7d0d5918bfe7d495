"""Answers to questions as text: CSV, JSON and tables."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from supernet.harness.query.database import Answer


def csv_lines(answer: Answer) -> Iterator[str]:
    """Yield lines of CSV, with numbers in full precision; null is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in itertools.chain([answer.columns], answer.rows):
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def json_lines(answer: Answer) -> Iterator[str]:
    """Yield the lines of a JSON array with one object per line; numbers that are not finite are null."""
    names = _distinct(answer.columns)
    before = "[\n"
    for row in answer.rows:
        content = dict(zip(names, map(_plain, row), strict=True))
        yield before + json.dumps(content, allow_nan=False, default=str)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def table_lines(answer: Answer) -> Iterator[str]:
    """Yield the lines of a table of all rows, as wide as it has to be."""
    text = io.StringIO()
    table = grid(answer.columns, list(answer.rows))
    Console(file=text, width=width_of(table)).print(table)
    yield from (f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


TEXTS = {"csv": csv_lines, "json": json_lines, "table": table_lines}
"""Output format -> function that yields the parts of the text."""


def width_of(table: Table) -> int:
    """The width of the table in characters."""
    console = Console(width=1_000_000)
    return max(1, console.measure(table).maximum)


def grid(columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    """A table with one line per row."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) and not isinstance(row[number], bool) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    return table


def sheet(columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    """A table with one line per cell, with the name of its column; an empty line follows each row."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            table.add_row(Text(name, style="dim"), Text(_shown(value)))
        table.add_row()
    return table


def _shown(value: Any) -> str:
    """A value as tables show it: fractions with four significant digits, and null as an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _plain(value: Any) -> Any:
    """A value as JSON has it: decimals are numbers, numbers that are not finite are null, keys of objects are text."""
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Decimal):
        value = float(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _distinct(names: list[str]) -> list[str]:
    """The names, with a number after repeated ones, because a JSON object has each name once."""
    out: list[str] = []
    for name in names:
        numbered = (f"{name}_{k}" for k in itertools.count(1))
        out.append(next(n for n in itertools.chain([name], numbered) if n not in out))
    return out
