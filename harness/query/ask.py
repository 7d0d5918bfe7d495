"""Answers a question about finished runs, given in SQL or as the name of a ready question, in one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.harness.query.database import Database
from supernet.harness.query.questions import QUESTIONS
from supernet.harness.runs.store import Store


def query(question: str, results: Path | str = "results") -> pd.DataFrame:
    """The answer to a question about the finished runs of a results folder.

    Damaged runs and tables are left out; `attrs["left_out"]` of the frame names them.

    Args:
        question: the name of a ready question, or one SELECT statement in DuckDB's dialect of SQL.
        results: a results folder.

    Raises:
        UserError: there is no such folder, or the question cannot be answered.
    """
    sql = QUESTIONS[question].sql if question in QUESTIONS else question
    with opened(Path(results)) as database:
        answer = database.query(sql)
        answer.attrs["left_out"] = problems_of(database, sql)
    return answer


@contextmanager
def opened(results: Path) -> Iterator[Database]:
    """The database of a results folder.

    Raises:
        UserError: there is no such folder.
    """
    if not results.is_dir():  # otherwise a mistyped name would seem to be a folder without runs
        raise UserError(f"There is no results folder {results}. Name one with --results (`results`).")
    with Database(Store(results / "runs")) as database:
        yield database


def problems_of(database: Database, sql: str) -> list[str]:
    """What the answer to a question leaves out, and why: damaged runs, and damaged tables if it reads ground truth."""
    return database.problems + (database.table_problems if "ground_truth" in sql.lower() else [])
