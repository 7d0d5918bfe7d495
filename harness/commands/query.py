"""`supernet query` answers questions about finished runs in SQL."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from supernet.harness.query.database import Answer

SHOWN = 200
"""Most rows that a table in the terminal shows."""


@click.command()
@click.argument("sql", required=False)
@click.option(
    "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Results folder."
)
@click.option("--list", "list_", is_flag=True, help="List the ready questions, and the views that SQL may use.")
@click.option("--ask", metavar="NAME", help="Ask a ready question.")
@click.option("--show", is_flag=True, help="With --ask: print the SQL of the question instead.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    help="Output format (default: that of the suffix of --file, or else a table).",
)
@click.option("--file", "path", type=click.Path(path_type=Path), help="Write the answer to this file instead.")
def query(
    sql: str | None, results: Path, list_: bool, ask: str | None, show: bool, form: str | None, path: Path | None
) -> None:  # fmt: skip
    """Answer a question about the finished runs, in DuckDB's dialect of SQL.

    Damaged runs are named and left out. A question can only read.
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
    from supernet.harness.query.ask import opened, problems_of
    from supernet.harness.query.forms import TEXTS

    with opened(results) as database:
        for problem in problems_of(database, sql):
            click.echo(f"Left out: {problem}", err=True)
        answer = database.ask(sql)
        if path is not None:
            _write(TEXTS[form](answer), path)
            return
        try:
            if form == "table":
                _print(answer)
            else:
                sys.stdout.writelines(TEXTS[form](answer))
            sys.stdout.flush()
        except BrokenPipeError:  # the reader, such as `head`, has closed the pipe; the rest is discarded
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _form(path: Path | None) -> str:
    """The output format that the suffix of a file stands for; a table without a file or for other suffixes."""
    from supernet.harness.query.forms import TEXTS

    suffix = path.suffix.lower().removeprefix(".") if path else ""
    return suffix if suffix in TEXTS else "table"


def _write(lines: Iterable[str], path: Path) -> None:
    """Write the lines whole or not at all."""
    from supernet.benchmarks.errors import UserError
    from supernet.benchmarks.files import write_lines

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lines(path, lines)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None
    click.echo(f"wrote {path}")


def _print(answer: Answer) -> None:
    """Print the first rows as a table, or their values one below the other where the terminal is too narrow."""
    from rich.console import Console

    from supernet.harness.query.forms import grid, sheet, width_of

    rows = list(itertools.islice(answer.rows, SHOWN))
    more = sum(1 for _ in answer.rows)
    table, console = grid(answer.columns, rows), Console()
    width = width_of(table)
    if console.is_terminal and width > console.width:
        table = sheet(answer.columns, rows)
    elif not console.is_terminal:
        console = Console(width=width)
    console.print(table)
    total = len(rows) + more
    click.echo(f"{total:,} row{'' if total == 1 else 's'}", nl=False)
    click.echo(f", of which the first {SHOWN} are shown; --format csv gives all" if more else "")
