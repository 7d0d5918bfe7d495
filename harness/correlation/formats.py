"""Reads CSV, JSON and Parquet files of scores as columns of cells, exactly as they are written.

A cell keeps what the file says: text in CSV, JSON values, Parquet values. Nothing is turned into a number, dropped or
merged here. A line that is not a valid row becomes a problem.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.regular import NotRegular, open_plain
from supernet.benchmarks.wording import listed, quoted

MISSING = ("", "na", "n/a", "nan", "null", "none", "missing", "-")
"""Words, in lower case, that stand for a missing number in a column of numbers. Elsewhere they are text."""
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Texts that are finite numbers; narrower than `float`, which also takes 1_000 and digits of other scripts."""
INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)
"""Texts that are infinite numbers."""


class BadFile(UserError):
    """The file cannot be read as a table of scores."""


@dataclass
class RawTable:
    """The cells of n rows, by column."""

    columns: dict[str, list[Any]]
    """Name -> n cells."""
    lines: list[int]
    """The number by which messages refer to each row, such as the line of a CSV file: (n,)."""
    unit: str
    """What messages call a row: line, entry or row."""
    problems: list[tuple[int, str]] = field(default_factory=list)
    """(line, what is wrong) for each line that is not a valid row."""
    notes: list[str] = field(default_factory=list)
    """What a report should say about how the file was read."""


def read_table(path: Path, architecture_columns: tuple[str, ...]) -> RawTable:
    """Read a file of scores.

    Args:
        path: CSV with a header; JSON in one of the forms of `_json_table`; Parquet.
        architecture_columns: names in lower case; a JSON object that has one of them as a key is a table of columns.

    Raises:
        BadFile: there is no such file, it is damaged, or it holds something else.
    """
    readers: dict[str, Callable[[Path, BinaryIO], RawTable]] = {
        ".csv": _csv_table,
        ".json": lambda path, file: _json_table(path, file, architecture_columns),
        ".parquet": _parquet_table,
        ".pq": _parquet_table,
    }
    suffix = path.suffix.lower()
    if suffix not in readers:
        other = f", not from {path.suffix}" if path.suffix else ""
        raise BadFile(f"{path}: scores are read from .csv, .json or .parquet files{other}.")
    try:
        file = open_plain(path)
    except (FileNotFoundError, NotADirectoryError):
        raise BadFile(f"There is no file {path}.") from None
    except NotRegular:
        raise BadFile(f"{path} is not a regular file. Write the scores to a file and give its path.") from None
    except OSError as error:
        raise BadFile(f"{path} cannot be read: {_one_line(error)}.") from None
    try:
        with file:
            return readers[suffix](path, file)
    except (UserError, MemoryError):
        raise
    except RecursionError:
        raise BadFile(f"{path} cannot be read: it is nested too deeply.") from None
    except Exception as error:  # damaged bytes make the parsers raise errors of many types
        raise BadFile(f"{path} cannot be read: {_one_line(error)}.") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return (text if len(text) <= 300 else text[:300] + "…").rstrip(".")


# ---- CSV -------------------------------------------------------------------------------------------------------


def _csv_table(path: Path, content: BinaryIO) -> RawTable:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as file:
        rows = _csv_rows(path, file)
        header = next((row for _, row in rows), None)
        if header is None:
            raise BadFile(f"{path} cannot be read: it is empty.")
        header = [name.strip() for name in header]
        named = _distinct(path, [name for name in header if name])
        table = RawTable({name: [] for name in named}, [], "line")
        if len(named) < len(header):
            table.notes.append(f"{len(header) - len(named)} column(s) without a name were left out.")
        for line, row in rows:
            if len(row) != len(header):
                fields = f"{len(row)} field" + ("" if len(row) == 1 else "s")
                table.problems.append((line, f"the line has {fields}, and the header has {len(header)}"))
                continue
            table.lines.append(line)
            for name, cell in zip(header, row, strict=True):
                if name:
                    table.columns[name].append(cell)
    return table


def _csv_rows(path: Path, file: Any) -> Iterator[tuple[int, list[str]]]:
    """(first line, fields) of each row that is not blank."""
    reader = csv.reader(file, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadFile(f"{path} cannot be read: line {line}: {_one_line(error)}.") from None
        if any(cell.strip() for cell in row):
            yield line, row


def _distinct(path: Path | str, names: list[str]) -> list[str]:
    """The names of columns.

    Raises:
        BadFile: a name occurs more than once.
    """
    again = [name for name in dict.fromkeys(names) if names.count(name) > 1] if len(set(names)) < len(names) else []
    if again:
        raise BadFile(f"{path} has more than one column called {listed(map(quoted, again))}. Rename them.")
    return names


# ---- JSON ------------------------------------------------------------------------------------------------------


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it is written, with repeated keys."""


def _json_table(path: Path, file: BinaryIO, architecture_columns: tuple[str, ...]) -> RawTable:
    """The table of a JSON file in one of these forms.

    A list of records; a list of lists, with or without a header; an object of columns, each a list or, as pandas
    writes them, an object; {architecture: score}; {architecture: {column: value}}.
    """
    content = json.loads(file.read().decode("utf-8-sig"), object_pairs_hook=Pairs)
    if isinstance(content, Pairs):
        return _object_table(path, content, architecture_columns)
    if isinstance(content, list):
        if all(isinstance(record, Pairs) for record in content):
            return _records_table(content, [None] * len(content))
        if all(isinstance(row, list) and not isinstance(row, Pairs) for row in content):
            return _rows_table(path, content, architecture_columns)
    raise BadFile(
        f"{path} cannot be read: it holds neither a list of records nor a table. Write "
        '[{"arch": …, "score": …}, …] or {architecture: score, …}.'
    )


def _object_table(path: Path, content: Pairs, architecture_columns: tuple[str, ...]) -> RawTable:
    names, values = [name for name, _ in content], [value for _, value in content]
    if not content or not any(isinstance(value, list) for value in values):
        return RawTable({"arch": names, "score": values}, [*range(1, len(names) + 1)], "entry")
    if set(names) == {"columns", "index", "data"} and len(names) == 3:  # pandas' orientation `split`
        split = dict(content)
        return _rows_table(path, [split["columns"], *split["data"]], architecture_columns)
    of_columns = any(name.strip().lower() in architecture_columns for name in names)
    if all(isinstance(value, Pairs) for value in values) and not of_columns:
        return _records_table(values, names)
    if all(isinstance(value, list) for value in values):
        _distinct(path, names)
        columns = {name: _cells_by_row(path, name, value) for name, value in content}
        sizes = {len(cells) for cells in columns.values()}
        if len(sizes) == 1:
            return RawTable(columns, [*range(1, sizes.pop() + 1)], "entry")
        raise BadFile(f"{path} holds columns of different lengths: {listed(sorted(sizes))}.")
    raise BadFile(
        f"{path} cannot be read: some of its {len(content):,} entries hold a score and others a list or an object. "
        "Write {architecture: score, …}, or a list of records."
    )


def _cells_by_row(path: Path, name: str, value: list[Any]) -> list[Any]:
    """The cells of a column, which may be an object with the numbers of the rows as keys, as pandas writes it."""
    if not isinstance(value, Pairs):
        return value
    if [key for key, _ in value] != [str(number) for number in range(len(value))]:
        raise BadFile(f"{path}: the rows of the column {quoted(name)} are not numbered 0, 1, 2, … in this order.")
    return [cell for _, cell in value]


def _records_table(records: list[Pairs], keys: Sequence[str | None]) -> RawTable:
    """The table of records.

    Args:
        keys: the key of each record in the outer object, which names its architecture; None where the record does.
    """
    table = RawTable({}, [], "entry")
    names = dict.fromkeys(name for record in records for name, _ in record)
    keyed = any(key is not None for key in keys)
    if keyed:
        names = {"arch": None, **names}
    table.columns = {name: [] for name in names}
    for number, (record, key) in enumerate(zip(records, keys, strict=True), 1):
        cells: dict[str, Any] = dict(record) | ({"arch": key} if keyed else {})
        if len(cells) != len(record) + keyed:
            told = [name for name, _ in record] + (["arch"] if keyed else [])
            again = next(name for name in told if told.count(name) > 1)
            table.problems.append((number, f"the entry has {quoted(again)} more than once"))
            continue
        table.lines.append(number)
        for name in names:
            table.columns[name].append(cells.get(name))
    return table


def _rows_table(path: Path, rows: list[list[Any]], architecture_columns: tuple[str, ...]) -> RawTable:
    """Rows of equal length; the first is the header where it names an architecture column."""
    first = rows[0] if rows else []
    width, headed = len(first), False
    if first and all(isinstance(cell, str) for cell in first) and any(
        cell.strip().lower() in architecture_columns for cell in first
    ):  # fmt: skip
        header, headed = [cell.strip() for cell in first], True
    else:
        header = ["arch", "score"] if width == 2 else ["arch", *(f"score {number}" for number in range(1, width))]
    if width < 2:
        raise BadFile(f"{path} cannot be read: a row needs an architecture and a score: [[architecture, score], …].")
    table = RawTable({name: [] for name in _distinct(path, header)}, [], "entry")
    for number, row in enumerate(rows[headed:], 1 + headed):
        if len(row) != width:
            table.problems.append((number, f"the entry has {len(row)} values, and the first has {width}"))
            continue
        table.lines.append(number)
        for name, cell in zip(header, row, strict=True):
            table.columns[name].append(cell)
    return table


# ---- Parquet ---------------------------------------------------------------------------------------------------


def _parquet_table(path: Path, file: BinaryIO) -> RawTable:
    import pyarrow.parquet as pq

    read = pq.ParquetFile(file, page_checksum_verification=True).read()
    names = _distinct(path, list(read.column_names))
    columns = {name: read.column(number).to_pylist() for number, name in enumerate(names)}
    return RawTable(columns, [*range(read.num_rows)], "row")


def frame_table(frame: pd.DataFrame) -> RawTable:
    """The cells of a data frame; the levels of its index that have names come first, as columns.

    Raises:
        BadFile: two columns have the same name.
    """
    levels = [(name, frame.index.get_level_values(k)) for k, name in enumerate(frame.index.names) if name is not None]
    columns = [*levels, *((name, frame.iloc[:, k]) for k, name in enumerate(frame.columns))]
    names = _distinct("the frame", [str(name) for name, _ in columns])
    cells = {
        name: [None if pd.api.types.is_scalar(cell) and pd.isna(cell) else cell for cell in values.tolist()]
        for name, (_, values) in zip(names, columns, strict=True)
    }
    return RawTable(cells, [*range(len(frame))], "row")


# ---- cells -----------------------------------------------------------------------------------------------------


def number(cell: Any) -> float | None:
    """The cell as a number: NaN if it is missing, infinite if it says so or overflows, None if it is not a number."""
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        text = cell.strip()
        if NUMBER.fullmatch(text) or INFINITE.fullmatch(text):
            return float(text)
        return math.nan if text.lower() in MISSING else None
    if isinstance(cell, bool | list | dict):
        return None
    try:
        return float(cell)
    except OverflowError:
        return math.inf if cell > 0 else -math.inf
    except (TypeError, ValueError):
        return None


def text(cell: Any) -> str:
    """The cell as the name of a group."""
    if isinstance(cell, str):
        return cell
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "(missing)"
    return json.dumps(cell, default=str) if isinstance(cell, list | dict) else str(cell)
