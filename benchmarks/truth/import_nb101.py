"""Import of the official NAS-Bench-101 files, `nasbench_only108.tfrecord` and `nasbench_full.tfrecord`.

Every record is one training run: a JSON list of the graph hash, the epochs, the adjacency matrix as a string
of 0 and 1, the operations, and the measurements as a base64 `ModelMetrics` message (google-research/nasbench,
nasbench/api.py and lib/model_metrics.proto).
"""

from __future__ import annotations

import binascii
import hashlib
import json
import math
import struct
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces.nb101 import OFFICIAL, OPS, SLOTS, UNIQUE_CELLS, Cells, is_hash
from supernet.benchmarks.truth.download import REMOTES
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.tfrecord import records

BUDGETS = (4, 12, 36, 108)
"""The epochs that the benchmark trained for."""
REPEATS = 3
CHECKED_HASHES = 500
"""Cells whose graph hash is recomputed at import, spread evenly over the file: our choice; `verify` checks more."""
MOST_RECORDS = UNIQUE_CELLS * REPEATS * len(BUDGETS)
"""Number of records in the larger official file."""

_READINGS = {
    "valid.e{}": 100,
    "test.e{}": 100,
    "train_seconds.e{}": 1,
    "valid.e{}half": 100,
    "test.e{}half": 100,
}
"""Kept measurements of a run, in this order: column -> factor, 100 to turn fractions into percent."""

_Cell = tuple[int, int, str, int]
"""Vertices, adjacency bits, one digit per operation, parameters."""

# Protobuf: a field's key is its number << 3 | wire type; fields are written in the order of their numbers.
_VARINT, _FIXED64, _BYTES = range(3)
_EVALUATION, _PARAMS = 1 << 3 | _BYTES, 2 << 3 | _VARINT
_DOUBLE_KEYS = bytes(number << 3 | _FIXED64 for number in range(1, 6))
_DOUBLES = struct.Struct("<" + "xd" * len(_DOUBLE_KEYS))
"""An evaluation: epoch, seconds, training, validation and test accuracy, each after its key."""


def import_nb101(
    source: Path,
    target: Path,
    progress: Callable[[int], object] | None = None,
    *,
    allow_partial: bool = False,
) -> GroundTruth:
    """Write the ground-truth table of an official NAS-Bench-101 file, cells in ascending hash order.

    Columns are `index`, `hash`, `vertices`, `adjacency_bits` and `ops` (see `Cells.from_bits`),
    `cifar10.params` and, for every budget of E epochs in the file, `cifar10.{valid,test}.eE.{r0,r1,r2,mean}`,
    `cifar10.train_seconds.eE.rK` and, half-way through training, `cifar10.{valid,test}.eEhalf.rK`.

    Args:
        progress: called with the number of bytes read so far.
        allow_partial: also accept a file that lacks cells or repeats; missing results are NaN, and a mean is over the
            repeats present.

    Raises:
        BadTable: the file is damaged, is not a NAS-Bench-101 file, contradicts the benchmark's graph hash or
            parameter count, or is incomplete. Nothing is written then.
    """
    digest = hashlib.sha256()
    found = _read_runs(source, progress, digest.update)
    budgets = [epochs for epochs in BUDGETS if epochs in found.epochs]
    complete = (UNIQUE_CELLS, UNIQUE_CELLS * REPEATS * len(budgets))
    if not found.cells or (not allow_partial and (len(found.cells), len(found.rows)) != complete):
        raise BadTable(
            f"{source} is incomplete: it holds {len(found.rows):,} training runs of {len(found.cells):,} cells; an "
            f"official file holds {REPEATS} runs of each of {UNIQUE_CELLS:,} cells per budget. Download it "
            "again, or allow a partial import if it is meant to hold a part of the benchmark."
        )
    keys = np.array(found.keys, dtype="S32")
    order = np.argsort(keys)
    hashes = keys[order].astype(str)
    columns = _cell_columns(source, hashes, [found.cells[row] for row in order.tolist()])
    row_of_run = np.argsort(order)[np.asarray(found.rows)]
    epochs_of_run = np.asarray(found.epochs)
    readings_of_run = _percent(source, np.asarray(found.readings).reshape(-1, len(_READINGS)))
    for epochs in budgets:
        runs = epochs_of_run == epochs
        columns |= _result_columns(source, epochs, hashes, row_of_run[runs], readings_of_run[runs])
    about = {
        "space": OFFICIAL.name,
        "family": "NAS-Bench-101",
        "accuracy_unit": "percent",
        "source": source.name,
        "source_sha256": digest.hexdigest(),
        "source_check": (
            "its SHA-256 is the published one"
            if f"sha256:{digest.hexdigest()}" in {remote.checksum for remote in REMOTES.values()}
            else "each record agrees with its CRC; its SHA-256 is not that of an official file"
        ),
    }
    write_table(target, columns, about)
    return GroundTruth(target)


@dataclass(frozen=True)
class _Runs:
    """The training runs of a file, in its order, and their cells, in the order in which they first appear."""

    keys: list[str]
    """The graph hash of each cell."""
    cells: list[_Cell]
    rows: array[int]
    """For each run, the place of its cell."""
    epochs: array[int]
    readings: array[float]
    """The readings of the first run, then those of the second, and so on."""


def _read_runs(source: Path, progress: Callable[[int], object] | None, digest: Callable[[bytes], object]) -> _Runs:
    """Read all records of a file.

    Args:
        digest: see `records`.

    Raises:
        BadTable: there are too many records, one is damaged, or two of them disagree about a cell.
    """
    rows: dict[str, int] = {}
    found = _Runs([], [], array("i"), array("i"), array("d"))
    for number, record in enumerate(records(source, progress, digest)):
        if number == MOST_RECORDS:
            raise BadTable(f"{source} has more than {MOST_RECORDS:,} records, more than any official file.")
        try:
            key, epochs, cell, readings = _parse(record)
            row = rows.setdefault(key, len(rows))
            if row == len(found.cells):
                found.keys.append(key)
                found.cells.append(cell)
            elif found.cells[row] != cell:
                raise ValueError(f"an earlier record gives {key} another cell or parameter count")
        except ValueError as error:
            raise _bad_record(source, number, str(error)) from None
        found.rows.append(row)
        found.epochs.append(epochs)
        found.readings.extend(readings)
    return found


# ---- tables ----------------------------------------------------------------------------------------------


def _cell_columns(source: Path, hashes: NDArray[np.str_], described: list[_Cell]) -> dict[str, Any]:
    """The columns that describe the cells; checks the validity and parameters of all, and the hash of a sample."""
    vertices, bits, ops, params = zip(*described, strict=True)
    cells = Cells.from_bits(vertices, bits, ops)

    def refuse(rows: NDArray[np.int64], problem: str) -> None:
        if len(rows):
            raise BadTable(
                f"{source} is not as the benchmark's authors published it: {hashes[rows[0]]}, for one, "
                f"{problem}. Download it again."
            )

    refuse(np.flatnonzero(~cells.valid), "is not a valid cell of the benchmark")
    refuse(np.flatnonzero(cells.params() != np.array(params)), "has another parameter count than its cell")
    sample = np.unique(np.linspace(0, len(hashes) - 1, CHECKED_HASHES).astype(np.int64))
    other = hashes[sample] != np.array(cells[sample].hashes())
    refuse(sample[other], "is not the graph hash of its cell")
    return {
        "index": np.arange(len(hashes), dtype=np.int32),
        "hash": hashes,
        "vertices": np.array(vertices, dtype=np.uint8),
        "adjacency_bits": np.array(bits, dtype=np.uint32),
        "ops": ops,
        "cifar10.params": np.array(params, dtype=np.uint32),
    }


def _percent(source: Path, readings: NDArray[np.float64]) -> NDArray[np.float64]:
    """The readings with accuracies in percent instead of fractions: (runs, 5)."""
    factors = np.array([*_READINGS.values()])
    sound = (readings >= 0) & (readings <= np.where(factors == 1, np.finfo(np.float32).max, 1))
    if not sound.all():
        number = int(sound.all(axis=1).argmin())
        raise _bad_record(source, number, "an accuracy is not in [0, 1], or a time is negative or not finite")
    return readings * factors


def _result_columns(
    source: Path,
    epochs: int,
    hashes: NDArray[np.str_],
    rows: NDArray[np.int64],
    readings: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """The columns of one budget of epochs from its runs; repeats are numbered in file order."""
    by_row = np.argsort(rows, kind="stable")
    rows = rows[by_row]
    repeat = np.arange(len(rows)) - np.searchsorted(rows, rows)
    if repeat.max() >= REPEATS:
        raise BadTable(
            f"{source} holds more than {REPEATS} runs of {hashes[rows[repeat.argmax()]]} over {epochs} "
            "epochs, an official file never does. Download it again."
        )
    table = np.full((len(_READINGS), REPEATS, len(hashes)), np.nan)
    table[:, repeat, rows] = readings[by_row].T
    columns: dict[str, NDArray[Any]] = {}
    for name, values in zip(_READINGS, table, strict=True):
        prefix = "cifar10." + name.format(epochs)
        columns |= {f"{prefix}.r{number}": column.astype(np.float32) for number, column in enumerate(values)}
        if name in ("valid.e{}", "test.e{}"):
            present = (~np.isnan(values)).sum(axis=0)
            columns[f"{prefix}.mean"] = np.nansum(values, axis=0) / np.where(present, present, np.nan)
    return columns


# ---- records ---------------------------------------------------------------------------------------------


def _bad_record(source: Path, number: int, problem: str) -> BadTable:
    return BadTable(
        f"{source}: record {number} (from 0) is not a result of NAS-Bench-101: {problem}. Give "
        "nasbench_only108.tfrecord or nasbench_full.tfrecord as the benchmark's authors published them."
    )


def _parse(record: bytes) -> tuple[str, int, _Cell, tuple[float, ...]]:
    """Hash, epochs, cell and `_READINGS` of one record.

    Raises:
        ValueError: the record is malformed; the text says how.
    """
    try:
        fields = json.loads(record.decode())
    except (ValueError, RecursionError):
        fields = None
    if type(fields) is not list or [type(field) for field in fields] != [str, int, str, str, str]:
        raise ValueError("it is not a JSON list of hash, epochs, adjacency, operations and metrics")
    key, epochs, adjacency, operations, metrics = fields
    if not is_hash(key):
        raise ValueError(f"{key!r:.80} is not a graph hash")
    if epochs not in BUDGETS:
        raise ValueError(f"{epochs} epochs, where the benchmark trained for {', '.join(map(str, BUDGETS))}")
    vertices, bits = _graph(adjacency)
    digits = _digits(operations)
    if len(digits) != vertices - 2:
        raise ValueError(f"{len(digits)} operations between input and output for {vertices} vertices")
    try:
        message = binascii.a2b_base64(metrics)
    except ValueError:
        raise ValueError("its metrics are not base64") from None
    params, readings = _metrics(message, epochs)
    return key, epochs, (vertices, bits, digits, params), readings


@cache
def _graph(text: str) -> tuple[int, int]:
    """Vertices and adjacency bits of a matrix that is written row by row."""
    vertices = math.isqrt(len(text))
    if vertices**2 != len(text) or not 2 <= vertices <= SLOTS or set(text) - {"0", "1"}:
        raise ValueError(f"{text!r:.80} is not an adjacency matrix of 2 to {SLOTS} vertices")
    edges = [divmod(at, vertices) for at, digit in enumerate(text) if digit == "1"]
    if any(x >= y for x, y in edges):
        raise ValueError(f"the adjacency matrix {text!r} is not upper triangular")
    return vertices, sum(1 << x + y * (y - 1) // 2 for x, y in edges)


@cache
def _digits(text: str) -> str:
    names = text.split(",")
    if len(names) < 2 or (names[0], names[-1]) != ("input", "output") or not set(names[1:-1]) <= set(OPS):
        raise ValueError(f"{text!r:.120} are not operations of the benchmark")
    return "".join(str(OPS.index(name)) for name in names[1:-1])


def _metrics(message: bytes, epochs: int) -> tuple[int, tuple[float, ...]]:
    """Parameters and `_READINGS` of a ModelMetrics message."""
    params = None
    evaluations = []
    for key, value in _fields(message):
        if key == _EVALUATION:
            if len(value) < _DOUBLES.size or value[: _DOUBLES.size : 9] != _DOUBLE_KEYS:
                raise ValueError("one of its evaluations lacks the epoch, the time or an accuracy")
            evaluations.append(_DOUBLES.unpack_from(value))
        elif key == _PARAMS:
            params = value
    if params is None or [data[0] for data in evaluations] != [0, epochs / 2, epochs]:
        raise ValueError(f"it has no parameter count, or no evaluation at 0, {epochs / 2:g} and {epochs} epochs")
    _, (_, _, _, half_valid, half_test), (_, seconds, _, valid, test) = evaluations
    return params, (valid, test, seconds, half_valid, half_test)


def _fields(message: bytes) -> list[tuple[int, Any]]:
    """Key and value of each protobuf field: an int, or the bytes of a double, string or message."""
    fields: list[tuple[int, Any]] = []
    at = 0
    while at < len(message):
        key, at = message[at], at + 1
        wire, length = key & 7, 8
        if wire != _FIXED64:
            length, at = _varint(message, at)
        if wire == _VARINT:
            fields.append((key, length))
        elif wire in (_FIXED64, _BYTES):
            fields.append((key, message[at : at + length]))
            at += length
        else:
            raise ValueError("its metrics are not a ModelMetrics message")
    if at > len(message):
        raise ValueError("its metrics are cut off")
    return fields


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and its end; at most five bytes, which suffice for ModelMetrics."""
    value = shift = 0
    for byte in message[at : at + 5]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at + shift // 7
    raise ValueError("its metrics are cut off, or hold a malformed number")
