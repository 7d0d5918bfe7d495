"""Ground truth: one Parquet table of stand-alone results per benchmark, read lazily.

A table has one row per architecture in the benchmark's official order. Its accuracy columns are named
`dataset.split.eEPOCHS.SEED` in percent, costs `dataset.params`, `dataset.flops` and
`dataset.train_seconds.eEPOCHS[.SEED]`; the schema metadata key `ground_truth` holds a JSON object with the
space, the record family, the unit, and where the numbers were imported from.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from benchmarks.errors import BadTable, NoSuchResult

METADATA_KEY = b"ground_truth"
KEY_COLUMNS = ("arch", "hash")
"""What identifies a row: the official string, or the NAS-Bench-101 graph hash."""

_MEASURE = re.compile(r"(?P<dataset>[^.]+)\.(?P<split>[^.]+)\.e(?P<epochs>\w+)\.(?P<seed>\w+)")


def count_of(epochs: int | str) -> str:
    """1 epoch, 12 epochs."""
    return f"{epochs} epoch" + ("" if str(epochs) == "1" else "s")


@dataclass(frozen=True, order=True)
class Measure:
    """What one accuracy column holds."""

    dataset: str
    split: str
    epochs: str
    seed: str

    @property
    def column(self) -> str:
        return f"{self.dataset}.{self.split}.e{self.epochs}.{self.seed}"

    def __str__(self) -> str:
        return f"{self.dataset} {self.split}, {count_of(self.epochs)}, {self.seed}"


class GroundTruth:
    """Stand-alone accuracies and costs of the architectures of one benchmark.

    Dataset, split, epochs and seed are always explicit. Asking for what the table does not have raises
    NoSuchResult with a list of what it has; asking for an architecture that was not measured under that seed
    does too; `readings` marks those with NaN instead.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a table; reads its footer alone.

        Raises:
            BadTable: the file cannot be read, or is no ground-truth table.
        """
        self.path = Path(path)
        try:
            self._file = pq.ParquetFile(self.path, memory_map=True, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise BadTable(f"{self.path} cannot be read as a Parquet file: {_one_line(error)}") from None
        schema = self._file.schema_arrow
        try:
            self.about: dict[str, Any] = json.loads((schema.metadata or {})[METADATA_KEY])
            self.space: str = self.about["space"]
            self.family: str = self.about["family"]
            unit = self.about["accuracy_unit"]
        except (KeyError, ValueError, TypeError):
            raise BadTable(
                f"{self.path} is no ground-truth table: its schema metadata lacks a `ground_truth` object with "
                "space, family and accuracy_unit. Import one with `supernet data import`."
            ) from None
        if unit != "percent":
            raise BadTable(f"{self.path} gives accuracies in {unit!r}; a ground-truth table holds percent.")
        self.columns: list[str] = schema.names
        """Names of all columns."""
        self.key_column = next((name for name in KEY_COLUMNS if name in self.columns), "")
        if not self.key_column:
            raise BadTable(f"{self.path} has neither an `arch` nor a `hash` column to identify its rows.")
        self._loaded: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def __repr__(self) -> str:
        return f"<GroundTruth {self.path.name}: {self.family}, {len(self)} architectures of {self.space}>"

    # ---- what there is ---------------------------------------------------------------------------------------

    @cached_property
    def measures(self) -> list[Measure]:
        """All accuracy columns."""
        found = (_MEASURE.fullmatch(name) for name in self.columns)
        return [Measure(**m.groupdict()) for m in found if m and m["split"] != "train_seconds"]

    def seeds(self, dataset: str, split: str, epochs: int | str) -> list[str]:
        """Single seeds or repeats (not the mean) under which this was measured."""
        want = (dataset, split, str(epochs))
        return [m.seed for m in self.measures if (m.dataset, m.split, m.epochs) == want and m.seed != "mean"]

    def __contains__(self, measure: object) -> bool:
        return measure in self.measures

    def describe(self) -> str:
        """The accuracy columns, one line per data set and split."""
        lines: dict[tuple[str, str], dict[str, list[str]]] = {}
        for m in self.measures:
            lines.setdefault((m.dataset, m.split), {}).setdefault(m.epochs, []).append(m.seed)
        return "\n".join(
            f"  {dataset} {split}: " + "; ".join(f"{count_of(epochs)} ({', '.join(s)})" for epochs, s in by.items())
            for (dataset, split), by in lines.items()
        )

    # ---- questions -------------------------------------------------------------------------------------------

    def accuracy(
        self, dataset: str, split: str, epochs: int | str, seed: str, rows: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Accuracy in percent of these rows (all without `rows`): (n,).

        Raises:
            NoSuchResult: no such column, or one of the rows was not measured under this seed.
        """
        measure = Measure(dataset, split, str(epochs), seed)
        values = self.readings(dataset, split, epochs, seed, rows)
        missing = np.isnan(values)
        if missing.any():
            raise NoSuchResult(
                f"{self.path.name} has no result for {measure} of {missing.sum():,} of the {len(values):,} "
                f"architectures asked for. Ask for the others alone, or for another seed: "
                f"{', '.join(self._seeds_of(measure))}."
            )
        return values

    def readings(
        self, dataset: str, split: str, epochs: int | str, seed: str, rows: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """As `accuracy`, with NaN for architectures that were not measured under this seed: (n,)."""
        return self._rows(self._existing(dataset, split, epochs, seed).column, rows)

    def params(self, dataset: str, rows: ArrayLike | None = None) -> NDArray[np.int64]:
        """Trainable parameters of the stand-alone networks: (n,)."""
        return self._count(f"{dataset}.params", rows)

    def flops(self, dataset: str, rows: ArrayLike | None = None) -> NDArray[np.int64]:
        """Multiply-accumulates of one forward pass of one image: (n,)."""
        return self._count(f"{dataset}.flops", rows)

    def train_seconds(
        self, dataset: str, epochs: int | str, seed: str | None = None, rows: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Seconds of stand-alone training as recorded, of one seed where the table keeps seeds apart: (n,)."""
        return self._cost(f"{dataset}.train_seconds.e{epochs}" + (f".{seed}" if seed else ""), rows)

    def timed_epochs(self, dataset: str) -> list[str]:
        """Epochs whose training seconds the table has, of any seed; in the order of the columns."""
        return list(self._timings(dataset))

    def mean_train_seconds(self, dataset: str, epochs: int | str, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """Seconds of stand-alone training, mean of the seeds that the table keeps apart: (n,)."""
        columns = self._timings(dataset).get(str(epochs), [f"{dataset}.train_seconds.e{epochs}"])
        values = np.stack([self._cost(column, rows) for column in columns])
        present = (~np.isnan(values)).sum(0)
        return np.nansum(values, axis=0) / np.where(present, present, np.nan)

    def _timings(self, dataset: str) -> dict[str, list[str]]:
        """Epochs -> columns of their training seconds."""
        found: dict[str, list[str]] = {}
        for name in self.columns:
            if name.startswith(f"{dataset}.train_seconds.e"):
                found.setdefault(name.removeprefix(f"{dataset}.train_seconds.e").split(".")[0], []).append(name)
        return found

    def keys(self, rows: ArrayLike | None = None) -> list[str]:
        """Official string or graph hash of these rows (all without `rows`)."""
        column = self.read(self.key_column)
        return (column if rows is None else column.take(pa.array(self._checked(rows)))).to_pylist()

    def rows(self, keys: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Row of each key, -1 where the table has none: (n,)."""
        wanted = pa.array(keys, type=self._key_values.type)
        return pc.fill_null(pc.index_in(wanted, value_set=self._key_values), -1).to_numpy().astype(np.int64)

    # ---- reading ---------------------------------------------------------------------------------------------

    @cached_property
    def _key_values(self) -> pa.Array:
        return self.read(self.key_column)

    def read(self, name: str) -> pa.Array:
        """One column as it is stored; BadTable where the file is damaged."""
        if name not in self.columns:
            raise NoSuchResult(f"{self.path.name} has no column {name}; it has {', '.join(self.columns)}.")
        try:
            column = self._file.read(columns=[name]).column(0).combine_chunks()
        except (OSError, pa.ArrowException) as error:
            raise BadTable(
                f"{self.path}: column {name} cannot be read, the file is damaged: {_one_line(error)}"
            ) from None
        if len(column) != len(self):
            raise BadTable(
                f"{self.path}: column {name} has {len(column):,} of {len(self):,} rows, the file is damaged."
            )
        return column

    def _rows(self, name: str, rows: ArrayLike | None) -> NDArray[np.float64]:
        if name not in self._loaded:
            try:
                self._loaded[name] = self.read(name).to_numpy(zero_copy_only=False).astype(np.float64)
            except ValueError:
                raise BadTable(f"{self.path}: column {name} holds something other than numbers.") from None
        return self._loaded[name].copy() if rows is None else self._loaded[name][self._checked(rows)]

    def _checked(self, rows: ArrayLike) -> NDArray[np.int64]:
        """Row numbers as an int64 array; a mask, a fraction or a row that does not exist is an error."""
        given = np.asarray(rows)
        if given.size == 0:
            return np.zeros(0, dtype=np.int64)
        if given.dtype.kind not in "iu":
            raise NoSuchResult(f"Rows of {self.path.name} are asked for by number, not by {given.dtype} values.")
        if given.min() < 0 or given.max() >= len(self):
            outside = given.min() if given.min() < 0 else given.max()
            raise NoSuchResult(
                f"{self.path.name} has rows 0 … {len(self) - 1}, not {outside}. "
                "(A row of -1 stands for an architecture that the table does not have.)"
            )
        return given.astype(np.int64)

    def _cost(self, name: str, rows: ArrayLike | None) -> NDArray[np.float64]:
        if name not in self.columns:
            costs = [n for n in self.columns if n.endswith((".params", ".flops")) or ".train_seconds." in n]
            raise NoSuchResult(f"{self.path.name} has no column {name}; its costs are: {', '.join(costs) or 'none'}.")
        return self._rows(name, rows)

    def _count(self, name: str, rows: ArrayLike | None) -> NDArray[np.int64]:
        values = self._cost(name, rows)
        if np.isnan(values).any():
            raise NoSuchResult(f"{self.path.name} has no {name} for {np.isnan(values).sum():,} of the rows asked for.")
        return values.astype(np.int64)

    def _existing(self, dataset: str, split: str, epochs: int | str, seed: str) -> Measure:
        measure = Measure(dataset, split, str(epochs), str(seed))
        if measure not in self.measures:
            raise NoSuchResult(f"{self.path.name} has no accuracy for {measure}. It has:\n{self.describe()}")
        return measure

    def _seeds_of(self, measure: Measure) -> list[str]:
        return [m.seed for m in self.measures if m.column.rpartition(".")[0] == measure.column.rpartition(".")[0]]


def write_table(path: Path, columns: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a ground-truth table whole or not at all.

    Args:
        path: where it appears, in one rename.
        columns: column name -> array or list, all of one length.
        about: the `ground_truth` metadata: space, family, accuracy_unit, source, … A digest of the contents is
            added, which `supernet data verify` checks.
    """
    table = pa.table(dict(columns))
    about = {**about, "content_sha256": content_digest(table.column_names, table.columns)}
    table = table.replace_schema_metadata({METADATA_KEY: json.dumps(about).encode()})
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        pq.write_table(table, partial, compression="zstd", write_page_checksum=True)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def content_digest(names: Iterable[str], columns: Iterable[pa.Array | pa.ChunkedArray]) -> str:
    """SHA-256 over the columns' names and values, whatever the file's compression and layout."""
    digest = hashlib.sha256()
    for name, column in zip(names, columns, strict=True):
        digest.update(f"\0{name}\0".encode())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            digest.update(json.dumps(column.to_pylist()).encode())
        else:
            values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            digest.update(np.ascontiguousarray(values.to_numpy(zero_copy_only=False)).tobytes())
    return digest.hexdigest()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
