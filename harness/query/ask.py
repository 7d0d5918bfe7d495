"""A question to finished runs, in SQL or by the name of a ready one, as one call."""

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

    What is damaged is left out; `attrs["left_out"]` of the frame names it.

    Args:
        question: the name of a ready question, or one SELECT statement in DuckDB's SQL.
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
    if not results.is_dir():  # a store makes its folder, which a mistyped name should not
        raise UserError(f"There is no results folder {results}. Name one with --results.")
    with Database(Store(results / "runs")) as database:
        yield database


def problems_of(database: Database, sql: str) -> list[str]:
    """What is left out of the answer to a question, and why: damaged runs, and tables if it is about these."""
    return database.problems + (database.table_problems if "ground_truth" in sql.lower() else [])
