"""Finished runs as tables that answer SQL, in DuckDB.

The database lives in memory. It holds what is small, a row per run and its metrics; scores, training logs and ground
truth stay in their files until a question needs them, so that thousands of runs are no burden.

SQL can write nothing and read nothing else: the database has no access to files at all, and reads those it is about
through Arrow data sets that were opened for it. (DuckDB's own reader would need them among its allowed paths, and a
file that is allowed can be overwritten: a SELECT may carry a COPY in its WITH clause.)
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tempfile
import types
import typing
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.table import GroundTruth
from supernet.benchmarks.wording import SHOWN, did_you_mean, listed, quoted
from supernet.harness.query import views
from supernet.harness.query.reported import EFFECTS, LABELS, Reported, reported
from supernet.harness.runs import store as files
from supernet.harness.runs.store import Result, Store
from supernet.heuristics.recipe import Recipe

NEAREST = 5
"""Columns that an error message suggests."""
_TEXT, _WHOLE, _NUMBER, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
_KINDS = {str: _TEXT, int: _WHOLE, float: _NUMBER, bool: _FLAG}

_SCORES = pa.schema(
    [
        ("hash", _TEXT),
        ("epoch", _WHOLE),
        ("index", _WHOLE),
        ("arch", _TEXT),
        ("accuracy", _NUMBER),
        ("negative_loss", _NUMBER),
        ("true", _NUMBER),
        ("params", _WHOLE),
    ]
)
_LOG = pa.schema(
    [
        ("hash", _TEXT),
        ("epoch", _WHOLE),
        *((name, _NUMBER) for name in ("loss", "accuracy", "learning_rate", "seconds", "images_per_second")),
    ]
)
_TRACE = pa.schema(
    [
        *((name, kind) for name, kind in (("hash", _TEXT), ("seed", _WHOLE), ("step", _WHOLE), ("pick", _WHOLE))),
        *((name, _NUMBER) for name in ("queries", "seconds", "passes", "wall", "entropy", "skips")),
        *((name, _NUMBER) for name in ("pick_accuracy", "mixture_accuracy")),
        ("pick_arch", _TEXT),
    ]
)
_METRICS = (
    "architectures", "kendall_tau", "spearman", "tau_top_10", "supernet_accuracy", "params_tau", "negative_loss_tau",
    "accuracy_tau", "sparse_tau@0.1", "sparse_tau@1", "regret@1", "regret@10", "surpass_random",
)  # fmt: skip
"""Metrics that the view `measures` has columns for, whether or not there is a run yet."""


@dataclass(frozen=True)
class Answer:
    """What a question brought."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]


class Database:
    """The runs of a store, as they are now, and the ground truth at hand, open to questions in SQL."""

    def __init__(self, store: Store) -> None:
        everything, self.problems = store.results()
        """What is wrong with runs that were skipped."""
        searches = [result for result in everything if result.spec.get("kind") == "search"]
        results = [result for result in everything if result.spec.get("kind") != "search"]
        tables, self.table_problems = shelf.intact_tables()
        """Likewise of ground-truth tables."""
        self._spill = tempfile.TemporaryDirectory(prefix="supernet-query-")
        self._db = duckdb.connect(
            ":memory:",
            config={
                "enable_external_access": "false",
                "python_enable_replacements": "false",
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                # What does not fit into memory goes there. The folder has a name that nobody can foresee.
                "temp_directory": self._spill.name,
            },
        )
        said = reported(store.root.parent, {result.hash for result in everything})
        self.problems += said.problems
        held = {
            **_about(results),
            "_search_runs": _searches(searches),
            **_files(results, searches, store.root),
            "failures": _failures(store),
            **_reported(said),
        }
        for name, table in held.items():
            self._db.register(name, table)
        for number, table in enumerate(tables):
            self._db.register(f"_truth_{number}", _lazily(table))
        for statement in (*views.DEFINITIONS, views.ground_truth(tables)):
            self._db.execute(statement)
        self._db.execute("SET lock_configuration = true")

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back memory and temporary files."""
        self._db.close()
        self._spill.cleanup()

    def query(self, sql: str) -> pd.DataFrame:
        """The answer as a data frame.

        Raises:
            UserError: the SQL is wrong, or would do something else than read.
        """
        with self._explaining(sql):
            return self._run(sql).df()

    def ask(self, sql: str) -> Answer:
        """The answer as rows of plain values, for as long as no other question is asked.

        Raises:
            UserError: the SQL is wrong, or would do something else than read.
        """
        with self._explaining(sql):
            found = self._run(sql)
            return Answer([str(column[0]) for column in found.description or ()], self._rows(sql, found))

    def columns(self, view: str) -> list[str]:
        """Names of a view's columns."""
        found = self._db.execute(f"SELECT * FROM {view} LIMIT 0").description
        return [str(column[0]) for column in found or ()]

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        statements = self._db.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            there = " and ".join(statement.type.name for statement in statements) or "nothing"
            raise UserError(
                f"A question is one SELECT statement (or DESCRIBE, SUMMARIZE, SHOW), but this is {there}. "
                "Nothing can be written here."
            )
        return self._db.execute(statements[0])

    def _rows(self, sql: str, found: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
        while True:
            with self._explaining(sql):
                rows = found.fetchmany(10_000)
            if not rows:
                return
            yield from rows

    @contextmanager
    def _explaining(self, sql: str) -> Iterator[None]:
        """What goes wrong with a question, as one paragraph."""
        try:
            yield
        except duckdb.InterruptException:
            raise KeyboardInterrupt from None
        except RuntimeError as error:  # as DuckDB reports Ctrl-C in the middle of a question
            if "interrupt" in str(error).lower():
                raise KeyboardInterrupt from None
            raise
        except duckdb.Error as error:
            raise UserError(f"The question cannot be answered. {self._said(str(error))}") from None

    def _said(self, error: str) -> str:
        """DuckDB's message in its first sentence, or what probably was meant where a name is not known."""
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
    """The answer to one question; warns of runs that were skipped.

    Raises:
        UserError: the SQL is wrong, or would do something else than read.
    """
    with Database(store) as database:
        for problem in database.problems:
            warnings.warn(problem, stacklevel=2)
        return database.query(sql)


# ---- what the database holds -------------------------------------------------------------------------------------


def _about(results: Sequence[Result]) -> dict[str, pa.Table]:
    """Tables with what is small: runs, recipes, metrics, measures, and tau by epoch."""
    metrics = [(r.hash, name, value) for r in results for name, value in r.metrics.items() if _is_number(value)]
    wide = [{name: value for name, value in r.metrics.items() if _is_number(value)} for r in results]
    return {
        "runs": _table([_run(result) for result in results], _run_columns()),
        "recipes": _recipes(results),
        "metrics": _rows(metrics, {"hash": _TEXT, "name": _TEXT, "value": _NUMBER}),
        "measures": _table(
            [
                {"hash": r.hash, **{_plain(name): value for name, value in row.items()}}
                for r, row in zip(results, wide, strict=True)
                if row
            ],
            {"hash": _TEXT, **{_plain(name): _NUMBER for name in _METRICS}},
        ),
        "_taus": _rows(list(_taus(results)), {"hash": _TEXT, "epoch": _WHOLE, "kendall_tau": _NUMBER}),
    }


def _searches(results: Sequence[Result]) -> pa.Table:
    """A row per search run."""
    rows = [
        (
            r.hash, r.spec["space"], r.spec["truth"]["measure"]["dataset"], r.spec["algorithm"], r.state,
            r.spec["budget"]["kind"], r.spec["budget"]["amount"], str(r.path),
        )
        for r in results
    ]  # fmt: skip
    kinds = {
        **dict.fromkeys(("hash", "space", "dataset", "algorithm", "state", "budget_kind"), _TEXT),
        "budget": _NUMBER, "path": _TEXT,
    }  # fmt: skip
    return _rows(rows, kinds)


def _run(result: Result) -> dict[str, Any]:
    """The row of a run."""
    spec = dict(result.spec)
    recipe, truth = spec.pop("recipe", {}), spec.pop("truth", {})
    setting, cohort = _identity(result.spec)
    return {
        **spec,
        "hash": result.hash,
        "state": result.state,
        "setting": setting,
        "cohort": cohort,
        **{name.replace(".", "_"): value for name, value in _flat(recipe)},
        **{f"truth_{name.removeprefix('measure.')}": value for name, value in _flat(truth)},
        "plugins": _plugins(spec),
        **result.ledger,
        **result.environment,
        "path": str(result.path),
        "problem": result.problem,
    }


def _run_columns() -> dict[str, pa.DataType]:
    truth = ("table", "dataset", "split", "epochs", "seed", "digest")
    spent = ("train_seconds", "train_images", "score_seconds", "score_images", "truth_queries")
    return {
        **dict.fromkeys(("hash", "state", "setting", "cohort"), _TEXT),
        **dict(_recipe_kinds(Recipe)),
        **{f"truth_{name}": _TEXT for name in truth},
        "sample": _TEXT,
        "last_epochs": _WHOLE,
        "plugins": _TEXT,
        "format": _WHOLE,
        **{name: _NUMBER if name.endswith("seconds") else _WHOLE for name in spent},
        **dict.fromkeys(("commit", "device", "torch", "python", "numpy", "machine"), _TEXT),
        "threads": _WHOLE,
        "path": _TEXT,
        "problem": _TEXT,
    }


def _recipe_kinds(section: Any, prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Columns for the keys of a recipe, by their annotations."""
    for name, kind in typing.get_type_hints(section).items():
        if is_dataclass(kind):
            yield from _recipe_kinds(kind, f"{prefix}{name}_")
            continue
        if isinstance(kind, types.UnionType):
            kind = next(option for option in typing.get_args(kind) if option is not type(None))
        yield f"{prefix}{name}", _KINDS.get(kind, _TEXT)


def _identity(spec: Mapping[str, Any]) -> tuple[str, str]:
    """What runs share that differ in the seed alone, and those whose taus can be compared: setting and cohort."""
    recipe = {name: value for name, value in spec.get("recipe", {}).items() if name != "seed"}
    truth = {name: value for name, value in spec.get("truth", {}).items() if name != "table"}
    content = {**spec, "recipe": recipe, "truth": truth, "plugins": _plugins(spec)}
    return _digest(content), _digest([recipe.get("space"), truth, spec.get("sample")])


def _recipes(results: Sequence[Result]) -> pa.Table:
    """Every key of every run but the seed, as text; a key that a run does not have is null."""
    rows = []
    for result in results:
        spec = result.spec
        others = {"last_epochs": spec.get("last_epochs"), "plugins": _plugins(spec), "format": spec.get("format")}
        rows.append({**dict(_flat(spec.get("recipe", {}))), **others})
    keys = dict.fromkeys(key for row in rows for key in row if key != "seed")
    long = [(r.hash, key, _text(row.get(key))) for r, row in zip(results, rows, strict=True) for key in keys]
    return _rows(long, {"hash": _TEXT, "key": _TEXT, "value": _TEXT})


def _taus(results: Iterable[Result]) -> Iterator[tuple[str, int, float | None]]:
    """Tau after each of the last epochs."""
    for result in results:
        taus = result.metrics.get("kendall_tau_by_epoch") or []
        first = result.spec["recipe"]["training"]["epochs"] - len(taus) + 1 if taus else 0
        yield from ((result.hash, first + k, tau) for k, tau in enumerate(taus))


def _reported(said: Reported) -> dict[str, pa.Table]:
    """What the reports of studies say of their settings."""
    return {
        "effects": _table(said.effects, {name: _KINDS[kind] for name, kind in EFFECTS.items()}),
        "_labels": _table(said.labels, {name: _KINDS[kind] for name, kind in LABELS.items()}),
    }


def _failures(store: Store) -> pa.Table:
    """Runs whose last try failed."""
    failed = sorted(path.stem for path in (store.root / ".failed").glob("*.json") if path.stem not in store)
    return _rows([(run, store.failure(run)) for run in failed], {"hash": _TEXT, "problem": _TEXT})


def _files(results: Sequence[Result], searches: Sequence[Result], root: Path) -> dict[str, ds.Dataset | pa.Table]:
    """Scores and logs, which are read when they are asked for; the name of a file's folder is the run's hash."""
    base = root.resolve()
    folders = ds.partitioning(pa.schema([("hash", _TEXT)]))
    found: dict[str, ds.Dataset | pa.Table] = {}
    for name, among, file, kind, schema in (
        ("_scores", results, files.SCORES, "parquet", _SCORES),
        ("_log", results, files.LOG, "json", _LOG),
        ("_trace", searches, files.TRACE, "parquet", _TRACE),
    ):
        paths = [str(path) for path in (base / r.hash / file for r in among) if path.exists()]
        found[name] = ds.dataset(paths, schema, kind, partitioning=folders, partition_base_dir=str(base))
    return found


def _lazily(table: GroundTruth) -> ds.Dataset:
    # Checksums of pages are verified here as they are when a table is read elsewhere.
    return ds.dataset(str(table.path), format=ds.ParquetFileFormat(page_checksum_verification=True))


# ---- plain values ------------------------------------------------------------------------------------------------


def _table(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """A table with these columns, and with whatever else the rows have."""
    names = dict.fromkeys([*kinds, *(name for row in rows for name in row)])
    different: dict[str, str] = {}  # SQL does not tell capitals from small letters
    for name in names:
        different.setdefault(name.lower(), name)
    return pa.table(
        {_clean(name): _column([row.get(name) for row in rows], kinds.get(name)) for name in different.values()}
    )


def _column(values: Sequence[Any], kind: pa.DataType | None) -> pa.Array:
    values = [_clean(value) if isinstance(value, str) else value for value in values]
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):  # values of several types, as of two versions
        return pa.array([None if value is None else _clean(_text(value)) for value in values], _TEXT)


def _rows(rows: Sequence[Sequence[Any]], kinds: Mapping[str, pa.DataType]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
    return pa.table({name: _column(list(c), kind) for (name, kind), c in zip(kinds.items(), columns, strict=True)})


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves under dotted names."""
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _plugins(spec: Mapping[str, Any]) -> str | None:
    """Digests of plug-ins, which tell them apart wherever they lie."""
    return ", ".join(plugin["sha256"] for plugin in spec.get("plugins", ())) or None


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _clean(text: str) -> str:
    """A text without what UTF-8 cannot write, such as the bytes of a file name that is no text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(name: str) -> str:
    """A name that SQL takes without quotes: regret@1 -> regret_1."""
    return re.sub(r"\W+", "_", name)


def _is_number(value: Any) -> bool:
    """Whether a metric has one number, or would have one where it is defined."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
