"""Ground truth: one Parquet table of stand-alone results per benchmark, read lazily.

A table has one row per architecture in the benchmark's official order. Its accuracy columns are named
`dataset.split.eEPOCHS.SEED` in percent, costs `dataset.params`, `dataset.flops` and
`dataset.train_seconds.eEPOCHS[.SEED]`; the schema metadata key `ground_truth` holds a JSON object with the
space, the record family, the unit, where the numbers were imported from, and digests of the contents and of itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import BadTable, NoSuchResult
from supernet.benchmarks.files import whole
from supernet.benchmarks.regular import open_regular
from supernet.benchmarks.truth.about import (
    CONTENT_KEY,
    METADATA_KEY,
    content_digest,
    is_text,
    read_about,
    written_about,
)
from supernet.benchmarks.truth.asked import Asked
from supernet.benchmarks.truth.places import found
from supernet.benchmarks.wording import listed, quoted

if TYPE_CHECKING:  # imported where it is used: training and scoring need no table
    import pyarrow as pa

MOST_ROWS, MOST_COLUMNS = 10_000_000, 10_000
"""Largest table that is read: twenty times the largest benchmark. A few bytes of a file can claim any row count."""
KEY_COLUMNS = ("arch", "hash")
"""Columns that identify a row: the official string, or the NAS-Bench-101 graph hash."""

_DIGESTS: dict[tuple[Any, ...], str] = {}
"""Path, size, time and inode of a file -> digest of its contents."""
_MEASURE = re.compile(r"(?P<dataset>[^.]+)\.(?P<split>[^.]+)\.e(?P<epochs>\w+)\.(?P<seed>\w+)")


def count_of(epochs: int | str) -> str:
    """A number of epochs in words, such as "1 epoch" or "12 epochs"."""
    return f"{epochs} epoch" + ("" if str(epochs) == "1" else "s")


@dataclass(frozen=True, order=True)
class Measure:
    """The data set, split, epochs and seed of one accuracy column."""

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

    Dataset, split, epochs and seed are always explicit. A request for a missing measure raises NoSuchResult, which
    lists the existing ones. So does a request for an architecture that was not measured under that seed; `readings`
    returns NaN for it instead.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a table and read its footer. The contents are compared with their digest at their first use.

        Args:
            path: a relative one is looked up in the working folder, then in the data folder.

        Raises:
            BadTable: the file cannot be read, is not a ground-truth table, or has altered metadata.
        """
        self.path = found(Path(path))
        self._stamp = _stamp(self.path)
        import pyarrow.parquet as pq

        try:
            self._file = pq.ParquetFile(self.path, memory_map=True, page_checksum_verification=True)
            schema = self._file.schema_arrow
            self.columns: list[str] = list(schema.names)
            """Names of all columns."""
            self._rows_there = int(self._file.metadata.num_rows)
            metadata = dict(schema.metadata or {})
        except Exception as error:  # a damaged footer can fail in any way
            raise BadTable(f"{self.path} cannot be read as a Parquet file: {_one_line(error)}") from None
        self.about: dict[str, Any] = read_about(self.path, metadata.get(METADATA_KEY))
        self.space: str = self.about["space"]
        self.family: str = self.about["family"]
        self.key_column = next((name for name in KEY_COLUMNS if name in self.columns), "")
        if not self.key_column:
            raise BadTable(f"{self.path} has neither an `arch` nor a `hash` column to identify its rows.")
        _check_shape(self.path, self._rows_there, self.columns)
        self._loaded: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return self._rows_there

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

    # ---- digests ---------------------------------------------------------------------------------------------

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the columns' names and values, computed from them once per process and file.

        Raises:
            BadTable: the recorded digest differs, because the contents were altered; or the table cannot be read.
        """
        digest = _DIGESTS.get(self._stamp)
        if digest is None:
            digest = content_digest(self.columns, map(self.stored, self.columns))
            if _stamp(self.path) == self._stamp:  # the file did not change meanwhile
                _DIGESTS[self._stamp] = digest
        recorded = self.about.get(CONTENT_KEY, digest)
        if recorded != digest:
            raise BadTable(
                f"{self.path} was altered after it was written: the SHA-256 of its contents is {digest}, but "
                f"{quoted(recorded)} is recorded in it. Nothing was computed from it. Import or copy it again."
            )
        return digest

    def check_contents(self) -> None:
        """Compare the contents with the digest that the table records, if it records one.

        Raises:
            BadTable: see `digest`.
        """
        if CONTENT_KEY in self.about:
            self.digest  # noqa: B018 - compares it

    # ---- questions -------------------------------------------------------------------------------------------

    def accuracy(
        self, dataset: str, split: str, epochs: int | str, seed: str, rows: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Accuracy in percent of these rows (default: all): (n,).

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
                f"{listed(self._seeds_of(measure))}."
            )
        return values

    def readings(
        self, dataset: str, split: str, epochs: int | str, seed: str, rows: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Accuracy in percent, NaN for architectures that were not measured under this seed: (n,)."""
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
        """Recorded seconds of stand-alone training, of one seed if the table has a column per seed: (n,)."""
        return self._cost(f"{dataset}.train_seconds.e{epochs}" + (f".{seed}" if seed else ""), rows)

    def timed_epochs(self, dataset: str) -> list[str]:
        """Budgets in epochs with training seconds for any seed, in the order of the columns."""
        return list(self._timings(dataset))

    def mean_train_seconds(self, dataset: str, epochs: int | str, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """Seconds of stand-alone training, mean over the seeds that have columns: (n,)."""
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
        """Official string or graph hash of these rows (default: all)."""
        column = self._keys
        return (column if rows is None else column.take(self._checked(rows))).to_pylist()

    def rows(self, keys: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Row of each key, -1 where the table has none: (n,)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(keys, type=pa.string())
        return pc.fill_null(pc.index_in(wanted, value_set=self._distinct_keys), -1).to_numpy().astype(np.int64)

    # ---- reading ---------------------------------------------------------------------------------------------

    @cached_property
    def _keys(self) -> pa.Array:
        values = self.read(self.key_column)
        if not is_text(values.type) or values.null_count:
            raise BadTable(f"{self.path}: column {self.key_column} has rows without a text that names an architecture.")
        return values.cast("string")

    @cached_property
    def _distinct_keys(self) -> pa.Array:
        import pyarrow.compute as pc

        if pc.count_distinct(self._keys).as_py() != len(self):
            raise BadTable(f"{self.path}: column {self.key_column} names an architecture twice.")
        return self._keys

    def read(self, name: str) -> pa.Array:
        """One column as stored.

        Raises:
            NoSuchResult: there is no such column.
            BadTable: the file is damaged, or its contents do not match their digest.
        """
        self.check_contents()
        return self.stored(name)

    def stored(self, name: str) -> pa.Array:
        """One column as stored, without a comparison of the contents with their digest."""
        if name not in self.columns:
            raise NoSuchResult(f"{self.path.name} has no column {quoted(name)}; it has {listed(self.columns)}.")
        import pyarrow as pa

        try:
            read = self._file.read(columns=[name])  # also reads columns whose names begin with this one
            column = read.column(read.schema.get_field_index(name)).combine_chunks()
            column = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
            if is_text(column.type):
                column.validate(full=True)  # invalid UTF-8
        except Exception as error:  # damage can raise anything
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
            column = self.read(name)
            if not _is_number(column.type):
                raise BadTable(f"{self.path}: column {name} holds {column.type} values instead of numbers.")
            self._loaded[name] = column.to_numpy(zero_copy_only=False).astype(np.float64)
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
            raise NoSuchResult(f"{self.path.name} has no column {name}; its costs are: {listed(costs) or 'none'}.")
        return self._rows(name, rows)

    def _count(self, name: str, rows: ArrayLike | None) -> NDArray[np.int64]:
        values = self._cost(name, rows)
        if np.isnan(values).any():
            raise NoSuchResult(f"{self.path.name} has no {name} for {np.isnan(values).sum():,} of the rows asked for.")
        if not np.isfinite(values).all() or (values < 0).any():
            raise BadTable(f"{self.path}: column {name} holds values that are not counts.")
        return values.astype(np.int64)

    def _existing(self, dataset: str, split: str, epochs: int | str, seed: str) -> Measure:
        measure = Measure(dataset, split, str(epochs), str(seed))
        if measure not in self.measures:
            raise NoSuchResult(f"{self.path.name} has no accuracy for {self._asked(measure)}: {self.instead(measure)}")
        return measure

    def instead(self, measure: Measure) -> str:
        """A sentence about the first part of a missing measure that the table lacks, and the known values."""
        return self._asked(measure).instead(self.measures)

    @staticmethod
    def _asked(measure: Measure) -> Asked:
        return Asked(measure.dataset, measure.split, measure.epochs, measure.seed)

    def _seeds_of(self, measure: Measure) -> list[str]:
        return [m.seed for m in self.measures if m.column.rpartition(".")[0] == measure.column.rpartition(".")[0]]


def write_table(path: Path, columns: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a ground-truth table whole or not at all.

    Args:
        path: the file; it appears in one rename.
        columns: column name -> array or list, all of one length.
        about: the `ground_truth` metadata: space, family, accuracy_unit, source, … Digests of the contents and of the
            metadata are added; they are verified whenever the table is used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial:
        store_table(partial, columns, about)


def store_table(path: Path, columns: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a ground-truth table directly to a path, without a rename; arguments as for `write_table`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(dict(columns))
    written = written_about(about, content_digest(table.column_names, table.columns))
    table = table.replace_schema_metadata({METADATA_KEY: written})
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def _stamp(path: Path) -> tuple[Any, ...]:
    """Values that change whenever a regular file changes; BadTable if the path is another kind of file."""
    with open_regular(path) as file:
        about = os.fstat(file.fileno())
    return str(path.absolute()), about.st_size, about.st_mtime_ns, about.st_dev, about.st_ino


def _check_shape(path: Path, rows: int, columns: Sequence[str]) -> None:
    if rows > MOST_ROWS or len(columns) > MOST_COLUMNS:
        raise BadTable(
            f"{path} claims {rows:,} rows and {len(columns):,} columns; at most {MOST_ROWS:,} and {MOST_COLUMNS:,} are "
            "read."
        )
    if len(set(columns)) != len(columns):
        raise BadTable(f"{path} has two columns of one name, so it is damaged.")


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
