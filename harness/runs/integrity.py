"""Checks that a run directory holds what was written to it, and that its files make sense together.

Nothing in a run directory is trusted: it may come from another version, another tool or another person. Files are
read only if they are regular files, plug-ins that a spec names are never loaded, and JSON of any shape is either
valid or damage.
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import file_digests
from supernet.benchmarks.regular import NotRegular, open_plain
from supernet.benchmarks.wording import listed, quoted
from supernet.harness.runs.job import FORMAT, SEARCH, hash_of, kind_of

SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT = (
    "spec.json",
    "status.json",
    "metrics.json",
    "ledger.json",
    "environment.json",
)
SCORES, TRACE, LOG, RECIPE, SUMS = "scores.parquet", "trace.parquet", "log.jsonl", "recipe.yaml", "checksums.json"
MEASURED = "measured.parquet"
PARTS = frozenset({SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT, SCORES, TRACE, LOG, RECIPE, MEASURED})
"""Files of a finished run; all others in its work folder are needed only to resume it."""
MEASURES = {"loss": "negative_loss", "accuracy": "accuracy"}
"""The metric that a recipe ranks by -> the column of scores that it ranks by."""
REQUIRED = (SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT, LOG)
"""Files that every finished run has."""
LARGEST = 64 << 20
"""Most bytes of a JSON file or log that are read; real files have about a thousandth of that."""
DEEPEST = 40
"""Most levels of nesting in JSON; a spec has four."""
SETTLED = 2.0
"""Seconds since its last change after which a file counts as unchanged for as long as its times and size stay.

A file system with coarse times may give the same time to two changes in quick succession.
"""

Contents = dict[str, dict[str, Any]]
Signature = tuple[tuple[str, int, int, int, int], ...]
T = TypeVar("T")

_SPENT = ("train_seconds", "train_images", "score_seconds", "score_images", "truth_queries")
_SCORE_NUMBERS = ("epoch", "index", "accuracy", "negative_loss", "true")
_TRACE_NUMBERS = ("seed", "step", "pick")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Damaged(UserError):
    """The files of a run directory are not those that were written."""


# ---- verifying once --------------------------------------------------------------------------------------------------

_known: dict[tuple[Callable[[Path], Any], Path], tuple[Signature, Any]] = {}


def verified(path: Path) -> Contents:
    """The JSON files of a finished run by name, compared with their checksums and with each other.

    A directory that has not changed since it was verified in this process is not read again.

    Raises:
        Damaged: a file was altered, is missing, or has contents that no run writes.
    """
    return once(_verify, path)


def once(check: Callable[[Path], T], path: Path) -> T:
    """The result of a check of a run directory, remembered for as long as its files do not change.

    Raises:
        Damaged: the check raised an error of any kind.
    """
    try:
        before = _signature(path)
        if (known := _known.get((check, path))) and known[0] == before:
            return copy.deepcopy(known[1])
        found = check(path)
        if max(changed for *_, changed in before) < (time.time() - SETTLED) * 1e9:
            _known[check, path] = before, copy.deepcopy(found)
        return found
    except MemoryError:  # this says nothing about the run
        raise
    except Exception as error:  # altered files can lead to errors of any kind
        raise Damaged(f"The run {path} is damaged: {_reason(error)}. `supernet study run` makes it again.") from None


def _reason(error: Exception) -> str:
    """What an error says, as one line of bounded length."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f" ({Path(os.fsdecode(error.filename)).name})" if error.filename else "")
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, ValueError | UserError):
        text = f"{type(error).__name__}: {text}"
    return (text if len(text) <= 300 else text[:300] + "…").rstrip(".")


def _signature(path: Path) -> Signature:
    """Name, inode, size, and times of modification and of the last change (ns) of every part."""
    entries = []
    for name in sorted({*PARTS, SUMS}):
        try:
            found = (path / name).lstat()
        except FileNotFoundError:
            continue
        entries.append((name, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    if not entries or SUMS not in {name for name, *_ in entries}:
        (path / SUMS).lstat()
    return tuple(entries)


# ---- the files -------------------------------------------------------------------------------------------------------


def digest(path: Path) -> str:
    """SHA-256 of a regular file.

    Raises:
        ValueError: it is not a regular file, but a link or a device, for example.
    """
    with _regular(path):
        (found,) = file_digests(path, "sha256")
    return found


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of plain, finite values.

    Raises:
        ValueError: the file holds anything else, is too large or is not a regular file.
        OSError: it cannot be read.
    """
    return _object(path.name, _text(path))


def _regular(path: Path) -> BinaryIO:
    """A regular file, open for reading.

    Raises:
        ValueError: it is a link or not a regular file.
    """
    try:
        if path.is_symlink():
            raise ValueError(f"{path.name} is not a regular file, but a link")
        return open_plain(path)
    except NotRegular:
        raise ValueError(f"{path.name} is not a regular file") from None


def _text(path: Path) -> str:
    with _regular(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path.name} has more than {LARGEST:,} bytes, which is too much")
    return content.decode("utf-8")


def _object(name: str, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text, parse_constant=_not_finite)
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None
    if not isinstance(content, dict):
        raise ValueError(f"{name} holds {quoted(content)}, not an object")
    _check_values(name, content)
    return content


def _not_finite(text: str) -> None:
    raise ValueError(f"{text} is not a finite number")


def _check_values(name: str, content: Any) -> None:
    """Check the nesting and the numbers of JSON.

    Raises:
        ValueError: it is nested too deeply, or has a number that is not finite or needs more than 64 bits.
    """
    level = [content]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} holds a number that is not finite")
            elif isinstance(value, int) and value.bit_length() > 64:
                raise ValueError(f"{name} holds {quoted(value)}, which no run writes")
        if not inner:
            return
        level = inner
    raise ValueError(f"{name} is nested too deeply")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The training log: one object of numbers per epoch, from 1 on.

    Raises:
        ValueError: the file holds anything else.
    """
    entries = [_object(path.name, line) for line in _text(path).splitlines()]
    for number, entry in enumerate(entries, 1):
        if entry.get("epoch") != number or not all(value is None or is_number(value) for value in entry.values()):
            raise ValueError(f"{path.name}, line {number} is not the entry of epoch {number}")
    return entries


# ---- the contents ----------------------------------------------------------------------------------------------------


def _verify(path: Path) -> Contents:
    sums = read_json(path / SUMS)
    missing = set(REQUIRED) - set(sums)
    if missing:
        raise ValueError(f"{listed(sorted(missing))} is not among its files")
    for name, wanted in sums.items():
        if name not in PARTS:
            raise ValueError(f"{SUMS} names {quoted(name)}, which is not a file of a run")
        if not (isinstance(wanted, str) and _DIGEST.fullmatch(wanted)):
            raise ValueError(f"{SUMS} has {quoted(wanted)} for {name}, which is not a SHA-256")
        if digest(path / name) != wanted:
            raise ValueError(f"{name} was altered")
    for name in sorted(PARTS - set(sums)):
        if (path / name).exists():
            raise ValueError(f"{name} has no checksum")
    contents = {name: read_json(path / name) for name in (SPEC, STATUS, METRICS, LEDGER, ENVIRONMENT)}
    read_log(path / LOG)
    _check_status(path.name, contents[STATUS])
    _check_spec(path.name, contents[SPEC])
    search, done = kind_of(contents[SPEC]) == SEARCH, contents[STATUS]["state"] == "done"
    _check_results(contents, needed=_needed(contents[SPEC]) if done else {})
    made = TRACE if search else SCORES
    if done and made not in sums:
        raise ValueError(f"{made} is not among its files")
    if not done and made in sums:
        raise ValueError(f"it diverged, but has {made}")
    if done:
        _check_columns(path / made, _TRACE_NUMBERS if search else _SCORE_NUMBERS)
    return contents


def _check_status(run: str, status: Mapping[str, Any]) -> None:
    if status.get("run") != run:
        raise ValueError(f"it holds the run {quoted(status.get('run'))}")
    if status.get("state") not in ("done", "diverged"):
        raise ValueError(f"its state is {quoted(status.get('state'))}, not done or diverged")
    if not isinstance(status.get("problem"), str | None):
        raise ValueError(f"its problem is {quoted(status['problem'])}, not a text")


def _check_spec(run: str, spec: Mapping[str, Any]) -> None:
    if kind_of(spec) == SEARCH:
        for keys in (("space",), ("algorithm",), ("truth", "measure", "dataset"), ("budget", "kind")):
            _check_type(spec, keys, str)
        _check_type(spec, ("budget", "amount"), int, float)
    else:
        _check_type(spec, ("recipe", "training", "epochs"), int)
    _check_type(spec, ("truth",), dict)
    plugins = spec.get("plugins", [])
    if not isinstance(plugins, list):
        raise ValueError(f"{SPEC}: plugins is {quoted(plugins)}, not a list")
    for plugin in plugins:
        if not (isinstance(plugin, dict) and isinstance(plugin.get("sha256"), str)):
            raise ValueError(f"{SPEC}: the plug-in {quoted(plugin)} has no SHA-256")
    if spec.get("format") == FORMAT and (own := _hash(spec)) not in (run, None):
        raise ValueError(f"{SPEC} describes another run, {own}")


def _hash(spec: Mapping[str, Any]) -> str | None:
    """The hash of a spec of this version; None where its recipe has a key that is not known here."""
    with suppress(KeyError):  # a key of a later version
        return hash_of(spec)
    return None


def _check_type(spec: Mapping[str, Any], keys: tuple[str, ...], *kinds: type) -> None:
    """Check that the value under nested keys is of one of these types.

    Raises:
        ValueError: it is not.
    """
    value: Any = spec
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ValueError(f"{SPEC}: {'.'.join(keys)} is {quoted(value)}")


def _needed(spec: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """File -> the numbers that it has to hold in a finished run of this version."""
    if kind_of(spec) == SEARCH or spec.get("format") != FORMAT:
        return {}
    return {METRICS: ("kendall_tau",), LEDGER: _SPENT}


def _check_results(contents: Contents, needed: Mapping[str, tuple[str, ...]]) -> None:
    for name, value in contents[METRICS].items():
        if not all(v is None or is_number(v) for v in (value if isinstance(value, list) else [value])):
            raise ValueError(f"{METRICS}: {quoted(name)} is {quoted(value)}, not a number")
    for name, value in contents[LEDGER].items():
        if not is_number(value):
            raise ValueError(f"{LEDGER}: {quoted(name)} is {quoted(value)}, not a number")
    for name, value in contents[ENVIRONMENT].items():
        if isinstance(value, dict | list):
            raise ValueError(f"{ENVIRONMENT}: {quoted(name)} is {quoted(value)}, not a text or number")
    for file, names in needed.items():
        if lacking := [name for name in names if not is_number(contents[file].get(name))]:
            raise ValueError(f"{file} has no {listed(lacking)}")
    if METRICS in needed:
        taus = contents[METRICS].get("kendall_tau_by_epoch")
        if not (isinstance(taus, list) and taus and all(is_number(tau) for tau in taus)):
            raise ValueError(f"{METRICS}: kendall_tau_by_epoch is {quoted(taus)}, not a list of numbers")


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_columns(path: Path, numeric: tuple[str, ...]) -> None:
    """Check that a Parquet file has rows and these columns of numbers, without reading the values."""
    with _regular(path) as opened, pq.ParquetFile(opened) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    if not rows:
        raise ValueError(f"{path.name} has no rows")
    for name in numeric:
        found = schema.get_all_field_indices(name)
        if len(found) != 1:
            raise ValueError(f"{path.name} has {len(found)} columns called {name}")
        kind = schema.field(name).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise ValueError(f"{path.name}: {name} holds {kind}, not numbers")
