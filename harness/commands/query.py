"""`supernet query`: finished runs, asked in SQL."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from supernet.harness.query.database import Answer

SHOWN = 200
"""Rows that a table in the terminal has at most."""


@click.command()
@click.argument("sql", required=False)
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Results folder."
)
@click.option("--list", "list_", is_flag=True, help="Ready questions, and the views that SQL may use.")
@click.option("--ask", metavar="NAME", help="Ask a ready question.")
@click.option("--show", is_flag=True, help="With --ask: print its SQL instead.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    help="How to print (default: as the suffix of --file says, else a table).",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help="Write to this file instead.")
def query(
    sql: str | None, results: Path, list_: bool, ask: str | None, show: bool, form: str | None, path: Path | None
) -> None:  # fmt: skip
    """Ask the finished runs a question in SQL (DuckDB's).

    Runs that are damaged are named and left out. Nothing can be written by a question.
    """
    from supernet.harness.query.questions import question

    if sum((sql is not None, list_, ask is not None)) != 1:
        raise click.UsageError("Give a question in SQL, or --ask NAME, or --list.")
    if show and ask is None:
        raise click.UsageError("--show goes with --ask NAME.")
    if list_:
        _list()
        return
    wanted = sql if ask is None else question(ask).sql
    if show:
        click.echo(wanted)
        return
    _answer(str(wanted), results, form or _form(path), path)


def _list() -> None:
    from supernet.harness.query.questions import QUESTIONS
    from supernet.harness.query.views import VIEWS

    formatter = click.HelpFormatter(width=100)
    with formatter.section("Ready questions (--ask NAME)"):
        formatter.write_dl([(q.name, q.what) for q in QUESTIONS.values()])
    with formatter.section("Views for SQL (DESCRIBE lists the columns of one)"):
        formatter.write_dl(list(VIEWS.items()))
    click.echo(formatter.getvalue().rstrip())


def _answer(sql: str, results: Path, form: str, path: Path | None) -> None:
    from supernet.benchmarks.errors import UserError
    from supernet.harness.query.database import Database
    from supernet.harness.runs.store import Store

    if not results.is_dir():  # a store makes its folder, which a mistyped name should not
        raise UserError(f"There is no results folder {results}. Name one with --results.")
    with Database(Store(results / "runs")) as database:
        problems = database.problems + (database.table_problems if "ground_truth" in sql.lower() else [])
        for problem in problems:
            click.echo(f"Left out: {problem}", err=True)
        answer = database.ask(sql)
        if path is not None:
            _write(answer, form, path)
            return
        try:
            if form == "table":
                _print(answer)
            else:
                sys.stdout.writelines(TEXTS[form](answer))
            sys.stdout.flush()
        except BrokenPipeError:  # who reads has seen enough, as `head` does; the rest goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _form(path: Path | None) -> str:
    suffix = path.suffix.lower().removeprefix(".") if path else ""
    return suffix if suffix in TEXTS else "table"


def _write(answer: Answer, form: str, path: Path) -> None:
    """Write the answer whole or not at all."""
    from supernet.benchmarks.errors import UserError
    from supernet.benchmarks.files import write_lines

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lines(path, TEXTS[form](answer))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None
    click.echo(f"wrote {path}")


# ---- forms -------------------------------------------------------------------------------------------------------


def _csv(answer: Answer) -> Iterator[str]:
    """Lines in full precision; null is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in itertools.chain([answer.columns], answer.rows):
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _json(answer: Answer) -> Iterator[str]:
    """An array with an object per line; what is not a number is null."""
    names = _distinct(answer.columns)
    before = "[\n"
    for row in answer.rows:
        content = dict(zip(names, map(_finite, row), strict=True))
        yield before + json.dumps(content, allow_nan=False, default=str)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _table(answer: Answer) -> Iterator[str]:
    """All rows, side by side whatever their width."""
    from rich.console import Console

    text = io.StringIO()
    table = _grid(answer.columns, list(answer.rows))
    Console(file=text, width=_width(table)).print(table)
    yield from (f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


TEXTS = {"csv": _csv, "json": _json, "table": _table}
"""Form -> the parts of its text."""


def _print(answer: Answer) -> None:
    """The first rows as a table, or one below the other where the terminal is too narrow for that."""
    from rich.console import Console

    rows = list(itertools.islice(answer.rows, SHOWN))
    more = sum(1 for _ in answer.rows)
    table, console = _grid(answer.columns, rows), Console()
    width = _width(table)
    if console.is_terminal and width > console.width:
        table = _sheet(answer.columns, rows)
    elif not console.is_terminal:
        console = Console(width=width)
    console.print(table)
    total = len(rows) + more
    click.echo(f"{total:,} row{'' if total == 1 else 's'}", nl=False)
    click.echo(f", of which the first {SHOWN} are shown; --format csv gives all" if more else "")


def _width(table: Table) -> int:
    """Characters that no line of the table exceeds."""
    from rich.console import Console

    console = Console(width=1_000_000)
    return max(1, console.measure(table).maximum)


def _grid(columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(columns):
        numeric = any(isinstance(row[number], int | float) and not isinstance(row[number], bool) for row in rows)
        table.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(_shown(value)) for value in row))
    return table


def _sheet(columns: list[str], rows: list[tuple[Any, ...]]) -> Table:
    """Each row as lines of name and value."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for name, value in zip(columns, row, strict=True):
            table.add_row(Text(name, style="dim"), Text(_shown(value)))
        table.add_row()
    return table


def _shown(value: Any) -> str:
    """A value as a table has it: four significant digits, null empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return str(value)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _distinct(names: list[str]) -> list[str]:
    """Names with a number after those that were there before, as an object has each once."""
    out: list[str] = []
    for name in names:
        numbered = (f"{name}_{k}" for k in itertools.count(1))
        out.append(next(n for n in itertools.chain([name], numbered) if n not in out))
    return out
