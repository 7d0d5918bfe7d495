"""Contents of the database of runs: small tables in memory, and files that are read when a question needs them."""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.query.columns import KINDS, NUMBER, TEXT, WHOLE, flat, plain, rows_of, table_of, text
from supernet.harness.query.reported import EFFECTS, LABELS, Reported
from supernet.harness.runs import store as files
from supernet.harness.runs.integrity import is_number
from supernet.harness.runs.store import Result, Store
from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe

_SCORES = pa.schema(
    [
        ("hash", TEXT),
        ("epoch", WHOLE),
        ("index", WHOLE),
        ("arch", TEXT),
        ("accuracy", NUMBER),
        ("negative_loss", NUMBER),
        ("true", NUMBER),
        ("params", WHOLE),
        *((f"quarter_{name}", NUMBER) for name in ("accuracy", "negative_loss")),
        *(
            (f"bn_{statistics}_{name}", NUMBER)
            for statistics in ("batch", "recalibrate", "running")
            for name in ("accuracy", "negative_loss")
        ),
    ]
)
_LOG = pa.schema(
    [
        ("hash", TEXT),
        ("epoch", WHOLE),
        *((name, NUMBER) for name in ("loss", "accuracy", "learning_rate", "seconds", "images_per_second")),
    ]
)
_TRACE = pa.schema(
    [
        *((name, kind) for name, kind in (("hash", TEXT), ("seed", WHOLE), ("step", WHOLE), ("pick", WHOLE))),
        *((name, NUMBER) for name in ("queries", "seconds", "passes", "wall", "entropy", "skips")),
        *((name, NUMBER) for name in ("pick_accuracy", "mixture_accuracy")),
        ("pick_arch", TEXT),
    ]
)
_METRICS = (
    "architectures", "kendall_tau", "spearman", "tau_top_10", "supernet_accuracy", "params_tau", "negative_loss_tau",
    "accuracy_tau", "sparse_tau@0.1", "sparse_tau@1", "regret@1", "regret@10", "surpass_random",
    "quarter_tau", "bn_batch_tau", "bn_recalibrate_tau", "bn_running_tau",
)  # fmt: skip
"""Metrics for which the view `measures` always has columns, even if there is no run yet."""


def about(results: Sequence[Result]) -> dict[str, pa.Table]:
    """The small tables by name: runs, recipes, metrics, measures, and tau by epoch."""
    metrics = [(r.hash, name, value) for r in results for name, value in r.metrics.items() if _is_metric(value)]
    wide = [{name: value for name, value in r.metrics.items() if _is_metric(value)} for r in results]
    return {
        "runs": table_of([_run(result) for result in results], _run_columns()),
        "recipes": _recipes(results),
        "metrics": rows_of(metrics, {"hash": TEXT, "name": TEXT, "value": NUMBER}),
        "measures": table_of(
            [
                {"hash": r.hash, **{plain(name): value for name, value in row.items()}}
                for r, row in zip(results, wide, strict=True)
                if row
            ],
            {"hash": TEXT, **{plain(name): NUMBER for name in _METRICS}},
        ),
        "_taus": rows_of(list(_taus(results)), {"hash": TEXT, "epoch": WHOLE, "kendall_tau": NUMBER}),
    }


def searches_table(results: Sequence[Result]) -> pa.Table:
    """A table with a row for each run of searches."""
    rows = [
        (
            r.hash, r.spec["space"], r.spec["truth"]["measure"]["dataset"], r.spec["algorithm"], r.state,
            r.spec["budget"]["kind"], r.spec["budget"]["amount"], str(r.path),
        )
        for r in results
    ]  # fmt: skip
    kinds = {
        **dict.fromkeys(("hash", "space", "dataset", "algorithm", "state", "budget_kind"), TEXT),
        "budget": NUMBER, "path": TEXT,
    }  # fmt: skip
    return rows_of(rows, kinds)


def _run(result: Result) -> dict[str, Any]:
    """The row of a run in the table `runs`."""
    spec = dict(result.spec)
    recipe, truth = spec.pop("recipe", {}), spec.pop("truth", {})
    setting, cohort = _identity(result.spec)
    return {
        **spec,
        "hash": result.hash,
        "state": result.state,
        "setting": setting,
        "cohort": cohort,
        **{name.replace(".", "_"): value for name, value in flat(recipe)},
        "methods": ", ".join(map(_spelled, recipe.get("methods", ()))) or None,
        **{f"truth_{name.removeprefix('measure.')}": value for name, value in flat(truth)},
        "plugins": _plugins(result.spec),
        "free": ", ".join(result.spec.get("free", ())) or None,
        **result.ledger,
        **_environment(result),
        "path": str(result.path),
        "problem": result.problem,
    }


def _environment(result: Result) -> dict[str, Any]:
    """The environment of a run; its number of threads is null if several machines trained it with different ones."""
    threads = result.environment.get("threads")
    return {**result.environment, "threads": threads if isinstance(threads, int) else None}


def _run_columns() -> dict[str, pa.DataType]:
    truth = ("table", "dataset", "split", "epochs", "seed", "digest")
    spent = ("train_seconds", "train_images", "score_seconds", "score_images", "truth_queries")
    return {
        **dict.fromkeys(("hash", "state", "setting", "cohort"), TEXT),
        **dict(_recipe_kinds(Recipe)),
        **{f"truth_{name}": TEXT for name in truth},
        "sample": TEXT,
        "last_epochs": WHOLE,
        "plugins": TEXT,
        "free": TEXT,
        "format": WHOLE,
        **{name: NUMBER if name.endswith("seconds") else WHOLE for name in spent},
        **dict.fromkeys(("commit", "device", "torch", "python", "numpy", "machine"), TEXT),
        "threads": WHOLE,
        "path": TEXT,
        "problem": TEXT,
    }


def _recipe_kinds(section: Any, prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """Yield the name and type of a column for each key of a recipe, by its annotation."""
    for name, kind in typing.get_type_hints(section).items():
        if is_dataclass(kind):
            yield from _recipe_kinds(kind, f"{prefix}{name}_")
            continue
        if isinstance(kind, types.UnionType):
            kind = next(option for option in typing.get_args(kind) if option is not type(None))
        yield f"{prefix}{name}", KINDS.get(kind, TEXT)


def _identity(spec: Mapping[str, Any]) -> tuple[str, str]:
    """Identifiers of a run's setting and cohort.

    Runs of one setting differ in the seed alone; taus can be compared between runs of one cohort. A run that also
    scores in other ways (`free`) is of another setting than one that does not: of one seed there may be both, which are
    one training and must not count as two seeds.
    """
    recipe = {name: value for name, value in _chosen(spec.get("recipe", {})).items() if name != "seed"}
    truth = {name: value for name, value in spec.get("truth", {}).items() if name != "table"}
    content = {**spec, "recipe": recipe, "truth": truth, "plugins": _plugins(spec)}
    return digest(content), digest([spec.get("recipe", {}).get("space"), truth, spec.get("sample")])


def _recipes(results: Sequence[Result]) -> pa.Table:
    """A table of every key of every run except the seed, as text; `null` for a key that a run does not have."""
    rows = []
    for result in results:
        spec = result.spec
        others = {"last_epochs": spec.get("last_epochs"), "plugins": _plugins(spec), "format": spec.get("format")}
        rows.append({**dict(_keys(spec.get("recipe", {}))), **others})
    keys = dict.fromkeys(key for row in rows for key in row if key != "seed")
    long = [(r.hash, key, text(row.get(key))) for r, row in zip(results, rows, strict=True) for key in keys]
    return rows_of(long, {"hash": TEXT, "key": TEXT, "value": TEXT})


def _chosen(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The keys that a recipe sets, so that adding a key to recipes leaves equal settings equal.

    A recipe of another version, whose keys are not known here, is used as it is.
    """
    try:
        return recipes.chosen_keys(recipe)
    except (KeyError, TypeError, AttributeError):
        return recipe


def _keys(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every key of a recipe; a method stands under methods.NAME, its parameters under methods.NAME.PARAMETER."""
    yield from flat({name: value for name, value in recipe.items() if name not in ("methods", "plugins")})
    for method in recipe.get("methods", ()):
        name = method["name"]
        yield f"methods.{name}", True
        yield from ((f"methods.{name}.{key}", value) for key, value in method.items() if key != "name")


def _spelled(method: Mapping[str, Any]) -> str:
    """A method and its parameters, such as magic-t(changes=2)."""
    parameters = ", ".join(f"{key}={text(value)}" for key, value in method.items() if key != "name")
    return f"{method['name']}({parameters})" if parameters else str(method["name"])


def _taus(results: Iterable[Result]) -> Iterator[tuple[str, int, float | None]]:
    """Yield (hash, epoch, tau) for each of the last epochs of each run."""
    for result in results:
        taus = result.metrics.get("kendall_tau_by_epoch") or []
        first = result.spec["recipe"]["training"]["epochs"] - len(taus) + 1 if taus else 0
        yield from ((result.hash, first + k, tau) for k, tau in enumerate(taus))


def reported_tables(said: Reported) -> dict[str, pa.Table]:
    """Tables of what the reports of studies say about their settings."""
    return {
        "effects": table_of(said.effects, {name: KINDS[kind] for name, kind in EFFECTS.items()}),
        "_labels": table_of(said.labels, {name: KINDS[kind] for name, kind in LABELS.items()}),
    }


def failures(store: Store) -> pa.Table:
    """A table of the runs whose last attempt failed, with the reason."""
    failed = sorted(path.stem for path in (store.root / ".failed").glob("*.json") if path.stem not in store)
    return rows_of([(run, store.failure(run)) for run in failed], {"hash": TEXT, "problem": TEXT})


def lazy_files(results: Sequence[Result], searches: Sequence[Result], root: Path) -> dict[str, ds.Dataset | pa.Table]:
    """Scores, logs and traces as data sets, which are read when a question needs them.

    The name of a file's folder, which is the run's hash, becomes a column.
    """
    base = root.resolve()
    folders = ds.partitioning(pa.schema([("hash", TEXT)]))
    found: dict[str, ds.Dataset | pa.Table] = {}
    for name, among, file, kind, schema in (
        ("_scores", results, files.SCORES, "parquet", _SCORES),
        ("_log", results, files.LOG, "json", _LOG),
        ("_trace", searches, files.TRACE, "parquet", _TRACE),
    ):
        paths = [str(path) for path in (base / r.hash / file for r in among) if path.exists()]
        found[name] = ds.dataset(paths, schema, kind, partitioning=folders, partition_base_dir=str(base))
    return found


def lazily(table: GroundTruth) -> ds.Dataset:
    """A ground-truth table as a data set, which is read when a question needs it."""
    # The checksums of pages are verified, as everywhere where a table is read.
    return ds.dataset(str(table.path), format=ds.ParquetFileFormat(page_checksum_verification=True))


def _plugins(spec: Mapping[str, Any]) -> str | None:
    """Digests of the plug-ins of a run, which identify them wherever they are stored; None without plug-ins."""
    listed = [*spec.get("plugins", ()), *spec.get("recipe", {}).get("plugins", ())]
    return ", ".join(plugin["sha256"] for plugin in listed) or None


def digest(content: Any) -> str:
    """Twelve hexadecimal digits that identify plain values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _is_metric(value: Any) -> bool:
    """Whether this is one number, or None, which stands for a number that is not defined."""
    return value is None or is_number(value)
