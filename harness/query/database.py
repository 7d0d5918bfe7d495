"""A DuckDB database of finished runs, which answers questions in SQL.

The database lives in memory. It holds the small tables, such as one row per run; scores, training logs and ground truth
stay in their files until a question needs them, so that the database can be of thousands of runs.

SQL can neither write files nor read others. The database has no access to files at all: Arrow data sets that were
opened for it read the files of the runs. (DuckDB's own reader would need these files among its allowed paths, and an
allowed file can be overwritten, because a SELECT may carry a COPY in its WITH clause.)
"""

from __future__ import annotations

import difflib
import re
import tempfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

import duckdb
import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.wording import SHOWN, did_you_mean, listed, quoted
from supernet.harness.query import held, views
from supernet.harness.query.reported import reported
from supernet.harness.runs.store import Store

NEAREST = 5
"""Most columns that an error message suggests."""
ROWS_AT_ONCE = 10_000
"""Rows of an answer that are fetched from DuckDB at a time."""


@dataclass(frozen=True)
class Answer:
    """The answer to a question: names of columns, and rows of plain values, which can be read once."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


class Database:
    """The runs of a store, as they are now, and the available ground truth, open to questions in SQL."""

    def __init__(self, store: Store) -> None:
        everything, self.problems = store.results()
        """What is wrong with runs that were skipped."""
        searches = [result for result in everything if result.spec.get("kind") == "search"]
        results = [result for result in everything if result.spec.get("kind") != "search"]
        tables, self.table_problems = shelf.intact_tables()
        """What is wrong with ground-truth tables that were skipped."""
        self._spill = tempfile.TemporaryDirectory(prefix="supernet-query-")
        self._db = duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": "false",
                "python_enable_replacements": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                # DuckDB moves data that do not fit into memory to this folder, whose name cannot be guessed.
                "temp_directory": self._spill.name,
            },
        )
        said = reported(store.root.parent, {result.hash for result in everything})
        self.problems += said.problems
        everything_held = {
            **held.about(results),
            "_search_runs": held.searches_table(searches),
            **held.lazy_files(results, searches, store.root),
            "failures": held.failures(store),
            **held.reported_tables(said),
        }
        for name, table in everything_held.items():
            self._db.register(name, table)
        for number, table in enumerate(tables):
            self._db.register(f"_truth_{number}", held.lazily(table))
        for statement in (*views.DEFINITIONS, views.ground_truth(tables)):
            self._db.execute(statement)
        self._db.execute("SET lock_configuration = true")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the memory, and delete the temporary files."""
        self._db.close()
        self._spill.cleanup()

    def query(self, sql: str) -> pd.DataFrame:
        """The answer as a data frame.

        Raises:
            UserError: the SQL is invalid, or would do more than read.
        """
        with self._explaining(sql):
            return self._run(sql).df()

    def ask(self, sql: str) -> Answer:
        """The answer as rows of plain values, which have to be read before the next question is asked.

        Raises:
            UserError: the SQL is invalid, or would do more than read.
        """
        with self._explaining(sql):
            found = self._run(sql)
            return Answer([str(column[0]) for column in found.description or ()], self._rows(sql, found))

    def columns(self, view: str) -> list[str]:
        """Names of a view's columns."""
        found = self._db.execute(f"SELECT * FROM {view} LIMIT 0").description
        return [str(column[0]) for column in found or ()]

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            sql.encode()
        except UnicodeEncodeError:  # what Python makes of bytes of a command line that are not UTF-8
            raise UserError(f"The question {quoted(sql)} holds characters that are not Unicode text.") from None
        statements = self._db.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            there = " and ".join(statement.type.name for statement in statements) or "nothing"
            raise UserError(
                f"A question is one SELECT statement (or DESCRIBE, SUMMARIZE, SHOW), but this is {there}. "
                "Nothing can be written here."
            )
        return self._executed(statements[0])

    def _executed(self, statement: duckdb.Statement) -> duckdb.DuckDBPyConnection:
        """The result of a statement, which runs in another thread.

        In the main thread, DuckDB checks for signals itself, and can lose one that arrives as a statement begins. Here
        Python receives the signal, and interrupts the statement repeatedly until it has ended.
        """
        answer: Future[duckdb.DuckDBPyConnection] = Future()

        def execute() -> None:
            try:
                answer.set_result(self._db.execute(statement))
            except BaseException as error:
                answer.set_exception(error)

        # An interrupt while a pool takes on the work would leave a thread behind that the end of Python waits for.
        thread = Thread(target=execute, daemon=True)
        try:
            thread.start()
            return answer.result()
        except KeyboardInterrupt:
            while thread.is_alive():
                self._db.interrupt()
                with suppress(KeyboardInterrupt):
                    time.sleep(0.02)
            raise

    def _rows(self, sql: str, found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
        while True:
            with self._explaining(sql):
                rows = found.fetchmany(ROWS_AT_ONCE)
            if not rows:
                return
            yield from rows

    @contextmanager
    def _explaining(self, sql: str) -> Iterator[None]:
        """Turn an error of DuckDB into a UserError of one paragraph, and an interrupt into a KeyboardInterrupt."""
        try:
            yield
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except RuntimeError as error:  # DuckDB may report Ctrl-C in this way
            if "interrupt" in str(error).lower():
                raise KeyboardInterrupt from None
            raise
        except duckdb.Error as error:
            raise UserError(f"The question cannot be answered. {self._said(str(error))}") from None

    def _said(self, error: str) -> str:
        """The first part of DuckDB's message; where a name is unknown, a suggestion of what was meant."""
        for form in (r'Referenced column "(.+?)" (?:was )?not found', r'does not have a column named "(.+?)"'):
            if found := re.search(form, error, re.DOTALL):
                return self._unknown_column(found[1])
        if found := re.search(r"Table with name (.+?) does not exist", error, re.DOTALL):
            return f"There is no view {quoted(found[1])}: {did_you_mean(found[1], list(views.VIEWS))}"
        # Below its message, DuckDB repeats the SQL, or lists every function of this name.
        said = " ".join(re.split(r"\n\n|\nLINE |\nTraceback|\n\s*Candidate functions", error)[0].split())
        said = said if len(said) <= 400 else said[:400] + "…"
        return (
            f"{said}{'' if said[-1:] in '.!?' else '.'} The views are {', '.join(views.VIEWS)}; DESCRIBE lists the "
            "columns of one."
        )

    def _unknown_column(self, name: str) -> str:
        """The most similar columns, with the views that have them."""
        homes: dict[str, list[str]] = {}
        for view in views.VIEWS:
            for column in self.columns(view):
                homes.setdefault(column, []).append(view)
        part = [column for column in homes if len(name) > 2 and name.lower() in column.lower()]
        near = difflib.get_close_matches(name.lower()[:SHOWN], list(homes), 3, cutoff=0.6)
        exact = [column for column in homes if column.lower() == name.lower()]
        likely = list(dict.fromkeys([*exact, *near, *part]))[:NEAREST]
        there = f"There is no column {quoted(name)} in what the question reads."
        if not likely:
            return f"{there} DESCRIBE lists the columns of a view; the views are {', '.join(views.VIEWS)}."
        return f"{there} Similar ones: " + "; ".join(f"{c} in {listed(homes[c], 4)}" for c in likely) + "."


def query(store: Store, sql: str) -> pd.DataFrame:
    """The answer to one question; warns about runs that were skipped.

    Raises:
        UserError: the SQL is invalid, or would do more than read.
    """
    with Database(store) as database:
        for problem in database.problems:
            warnings.warn(problem, stacklevel=2)
        return database.query(sql)
