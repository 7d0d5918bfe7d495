"""NAS-Bench-201 from its official files: `NAS-Bench-201-v1_*.pth`, or the NATS-Bench topology archive.

The records are read through the nas-bench-201 package's own classes, but nothing in the files is executed: the
`.pth` goes through torch's `weights_only` loader, the archive's pickles through a restricted unpickler. The
archive holds one small file per architecture and is read in constant memory; the `.pth` is a single pickle
that has to be in memory as a whole (tens of gigabytes), so prefer the archive, which has more trials besides.
"""

from __future__ import annotations

import bz2
import io
import itertools
import lzma
import os
import pickle
import re
import tarfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.errors import BadTable
from benchmarks.files import file_digests
from benchmarks.spaces import NB201
from benchmarks.spaces.nb201 import DATASETS
from benchmarks.truth.table import GroundTruth, write_table

Progress = Callable[[int, int], None]
"""Called with the number of architectures read and their total."""

SPLITS = {"x-valid": "valid", "x-test": "test", "ori-test": "heldout"}
"""Evaluation sets of a record -> split names; `ori-test` is the test set itself where CIFAR-10 was the data."""
CURVES = pa.schema(
    [
        ("index", pa.int32()),
        *((name, pa.string()) for name in ("dataset", "epochs", "seed", "series")),
        ("values", pa.list_(pa.float32())),
    ]
)
"""The second file: one row per training run and series (`valid.accuracy`, `train.loss`, …), a value per epoch."""

_SPACE = NB201()
_MEMBER = re.compile(r"(?:^|/)(\d{6})\.pickle\.pbz2$")


@dataclass(frozen=True)
class Record:
    """What one architecture's official record says."""

    index: int
    values: dict[str, float]
    """Column -> value."""
    curves: list[dict[str, Any]]
    """Rows of the CURVES schema."""


def import_nb201(
    source: Path, target: Path, *, allow_partial: bool = False, progress: Progress | None = None
) -> GroundTruth:
    """Write the ground-truth table `target`, and the curves beside it as `STEM.curves.parquet`.

    Args:
        source: the official .pth, or the NATS-Bench topology archive as a folder or .tar.
        allow_partial: accept a source that lacks architectures; their rows are then empty.

    Raises:
        BadTable: the source is truncated, altered, or something else; nothing is written then.
    """
    if source.is_dir() or tarfile_at(source):
        family, records, checksum = "NATS-Bench tss records", read_archive(source), None
    else:
        family, records, checksum = "NAS-Bench-201 records", read_pth(source), _checked_sum(source)
    table = _Table()
    curves_path = target.with_suffix(".curves.parquet")
    partial = curves_path.with_name(f".{curves_path.name}.{os.getpid()}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with pq.ParquetWriter(partial, CURVES, compression="zstd", write_page_checksum=True) as curves:
            for batch in _batches(records, 256):
                for record in batch:
                    table.add(record)
                rows = [row for record in batch for row in record.curves]
                curves.write_table(pa.Table.from_pylist(rows, schema=CURVES))
                if progress:
                    progress(len(table.seen), len(_SPACE))
        table.check(source, allow_partial)
        about = {"space": "nb201", "family": family, "accuracy_unit": "percent", "source": source.name}
        if checksum:
            about["source_sha256"] = checksum
        write_table(target, table.columns(), about)
        partial.replace(curves_path)
    finally:
        partial.unlink(missing_ok=True)
    return GroundTruth(target)


# ---- sources ---------------------------------------------------------------------------------------------------


def tarfile_at(source: Path) -> bool:
    """Whether the path is an (uncompressed or compressed) tar archive."""
    try:
        return tarfile.is_tarfile(source)
    except OSError as error:
        raise BadTable(f"{source} cannot be read: {error.strerror}.") from None


def read_pth(source: Path) -> Iterator[Record]:
    """Records of an official .pth file, in index order, each dropped from memory once it is read."""
    import torch

    scalar = np.float64(0).__reduce__()[0]
    safe: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *(type(np.dtype(code)) for code in ("f8", "f4", "i8")),
    ]
    try:
        with torch.serialization.safe_globals(safe):
            content = torch.load(source, map_location="cpu", weights_only=True)
        archs, infos = content["meta_archs"], content["arch2infos"]
        indices = sorted(infos.keys())
    except MemoryError:
        raise BadTable(
            f"{source} does not fit into this machine's memory: the file is one single pickle. Import the "
            "NATS-Bench archive instead, which is read one architecture at a time (`supernet data fetch nats`)."
        ) from None
    except Exception as error:  # torch raises whatever the damaged bytes lead to
        raise BadTable(
            f"{source} is no intact NAS-Bench-201 file ({_reason(error)}). It may be truncated, or "
            "contain code, which is never run. Compare its size and checksum with the download's."
        ) from None
    _check_order(source, archs)
    for index in indices:
        yield _record(f"{source}, architecture {index}", index, infos.pop(index), ("less", "full"))


def read_archive(source: Path) -> Iterator[Record]:
    """Records of the NATS-Bench topology archive (folder or tar), decoded in parallel, in bounded memory."""
    if "sss" in source.name:
        raise BadTable(f"{source} is the size search space of NATS-Bench; import the topology one (NATS-tss-…).")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as workers:
        for batch in _batches(_members(source), 64):
            yield from workers.map(_decode, batch, chunksize=8)


def _members(source: Path) -> Iterator[tuple[str, int, bytes]]:
    """(where, index, compressed bytes) of every record of an archive."""
    found = False
    try:
        if source.is_dir():
            for path in sorted(source.glob("*.pickle.pbz2")):
                if match := _MEMBER.search(path.name):
                    found = True
                    yield str(path), int(match[1]), path.read_bytes()
        else:
            with tarfile.open(source) as tar:
                for member in tar:
                    if match := _MEMBER.search(member.name):
                        found = True
                        stream = tar.extractfile(member)
                        yield f"{source}:{member.name}", int(match[1]), stream.read() if stream else b""
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise BadTable(f"{source} cannot be read to its end, it may be truncated: {error}.") from None
    if not found:
        raise BadTable(f"{source} holds no NATS-Bench records (files like 000000.pickle.pbz2).")


def _decode(member: tuple[str, int, bytes]) -> Record:
    where, index, packed = member
    try:
        states = RestrictedUnpickler(io.BytesIO(bz2.decompress(packed))).load()
    except BadTable as error:
        raise BadTable(f"{where}: {error}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise BadTable(f"{where} is damaged ({_reason(error)}). Fetch the archive again.") from None
    return _record(where, index, states)


def _scalar(dtype: np.dtype[Any], data: bytes) -> Any:
    if dtype.kind not in "fi" or not isinstance(data, bytes):
        raise BadTable(f"a NumPy scalar of type {dtype} is not plain data")
    return np.frombuffer(data, dtype, count=1)[0]


def _dtype(code: str, *_: Any) -> np.dtype[Any]:
    if code not in ("f8", "f4", "i8"):
        raise BadTable(f"the NumPy type {code!r} is not plain data")
    return np.dtype(code)


class RestrictedUnpickler(pickle.Unpickler):
    """Builds plain containers and NumPy numbers; any other class or function in the stream is refused."""

    _ALLOWED = {  # noqa: RUF012
        ("collections", "OrderedDict"): OrderedDict,
        ("numpy.core.multiarray", "scalar"): _scalar,
        ("numpy._core.multiarray", "scalar"): _scalar,
        ("numpy", "dtype"): _dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._ALLOWED[module, name]
        except KeyError:
            raise BadTable(f"the pickle asks for {module}.{name}, which no official record contains") from None


# ---- records ---------------------------------------------------------------------------------------------------


def _record(where: str, index: int, states: dict[str, Any], names: tuple[str, str] = ("12", "200")) -> Record:
    """Read both training budgets of one architecture, which the state has under these names.

    Accuracies are those after the last epoch; `mean` is over the seeds that the record holds.
    """
    from nas_201_api.api_utils import ArchResults

    try:
        expected = _SPACE.string(_SPACE.arch(index))
        values: dict[str, float] = {}
        curves: list[dict[str, Any]] = []
        for epochs, name in zip(("12", "200"), names, strict=True):
            results = ArchResults.create_from_state_dict(states[name])
            if results.arch_str != expected:
                raise BadTable(f"{where} is about {results.arch_str}, but architecture {index} is {expected}.")
            if not results.get_dataset_names():
                raise BadTable(f"{where} has no runs of {epochs} epochs.")
            for original in results.get_dataset_names():
                dataset = original.lower()
                if dataset not in DATASETS:
                    raise BadTable(f"{where} has results on {original!r}, which is no data set of the benchmark.")
                runs = [(seed, results.query(original, seed)) for seed in results.get_dataset_seeds(original)]
                if any(run.epochs != int(epochs) for _, run in runs):
                    raise BadTable(f"{where} has other runs than those of {epochs} epochs under {name!r}.")
                values |= _accuracies(dataset, epochs, runs)
                values |= _costs(dataset, epochs, results.get_compute_costs(original))
                for seed, run in runs:
                    key = {"index": index, "dataset": dataset, "epochs": epochs, "seed": f"s{seed}"}
                    curves += [
                        {**key, "series": what, "values": values} for what, values in _series(dataset, run).items()
                    ]
    except BadTable:
        raise
    except Exception as error:  # whatever a record of another shape leads to
        raise BadTable(f"{where} is no NAS-Bench-201 record ({_reason(error)}).") from None
    return Record(index, values, curves)


def _split(dataset: str, name: str) -> str:
    return "test" if name == "ori-test" and dataset in ("cifar10", "cifar10-valid") else SPLITS[name]


def _accuracies(dataset: str, epochs: str, runs: list[tuple[int, Any]]) -> dict[str, float]:
    per_split: dict[str, dict[int, float]] = {}
    for seed, run in runs:
        per_split.setdefault("train", {})[seed] = float(run.get_train()["accuracy"])
        for name in run.get_eval_set():
            per_split.setdefault(_split(dataset, name), {})[seed] = float(run.get_eval(name)["accuracy"])
    values: dict[str, float] = {}
    for split, by_seed in per_split.items():
        values |= {f"{dataset}.{split}.e{epochs}.s{seed}": accuracy for seed, accuracy in by_seed.items()}
        values[f"{dataset}.{split}.e{epochs}.mean"] = float(np.mean(list(by_seed.values())))
    return values


def _costs(dataset: str, epochs: str, costs: dict[str, Any]) -> dict[str, float]:
    found = {
        f"{dataset}.params": round(costs["params"] * 1e6),
        f"{dataset}.flops": round(costs["flops"] * 1e6),
        f"{dataset}.latency_seconds": costs["latency"],
        f"{dataset}.train_seconds.e{epochs}": costs["T-train@total"],
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _series(dataset: str, run: Any) -> dict[str, NDArray[np.float32]]:
    """Per-epoch curves of one run; NaN for the epochs at which a set was not evaluated."""
    epochs = range(run.epochs)
    series = {
        "train.accuracy": [run.train_acc1es.get(epoch, np.nan) for epoch in epochs],
        "train.loss": [run.train_losses.get(epoch, np.nan) for epoch in epochs],
    }
    for name in run.get_eval_set():
        for what, source in (("accuracy", run.eval_acc1es), ("loss", run.eval_losses)):
            values = [source.get(f"{name}@{epoch}", np.nan) for epoch in epochs]
            series[f"{_split(dataset, name)}.{what}"] = values
    return {name: np.array(values, dtype=np.float32) for name, values in series.items()}


@dataclass
class _Table:
    """The columns as they fill up, all NaN where nothing was recorded."""

    arrays: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def add(self, record: Record) -> None:
        self.seen.add(record.index)
        for name, value in record.values.items():
            if name not in self.arrays:
                self.arrays[name] = np.full(len(_SPACE), np.nan)
            self.arrays[name][record.index] = value

    def check(self, source: Path, allow_partial: bool) -> None:
        """Refuse what is incomplete or contradicts the benchmark's own arithmetic."""
        if not self.seen:
            raise BadTable(f"{source} holds no architecture's results.")
        if len(self.seen) < len(_SPACE) and not allow_partial:
            raise BadTable(
                f"{source} holds {len(self.seen):,} of the {len(_SPACE):,} architectures, so it is incomplete. Fetch "
                "it again, or import what is there with --allow-partial."
            )
        rows = np.array(sorted(self.seen))
        for name, values in self.arrays.items():
            dataset, _, what = name.partition(".")
            if what in ("params", "flops"):
                there = rows[~np.isnan(values[rows])]
                wrong = there[values[there] != getattr(_SPACE, what)(_SPACE.archs(there), dataset)]
                if len(wrong):
                    raise BadTable(
                        f"{source}: {name} of {len(wrong)} architecture(s), the first {wrong[0]}, is not what the "
                        "network has. The file was altered, or trained another network."
                    )
            elif ".e" in what and not what.startswith("train_seconds"):
                given = values[rows][~np.isnan(values[rows])]
                if ((given < 0) | (given > 100)).any():
                    raise BadTable(f"{source}: {name} has values outside 0 … 100 percent.")

    def columns(self) -> dict[str, Any]:
        order = sorted(self.arrays, key=lambda name: ("params" not in name and "flops" not in name, name))
        columns: dict[str, Any] = {
            "index": np.arange(len(_SPACE), dtype=np.int32),
            "arch": [_SPACE.string(arch) for arch in _SPACE.archs().tolist()],
        }
        for name in order:
            counts = name.endswith((".params", ".flops")) and not np.isnan(self.arrays[name]).any()
            columns[name] = self.arrays[name].astype(np.int64) if counts else self.arrays[name]
        return columns


def _check_order(source: Path, archs: Any) -> None:
    if archs != [_SPACE.string(arch) for arch in _SPACE.archs().tolist()]:
        raise BadTable(f"{source} does not list the 15,625 architectures in the official order.")


def _reason(error: Exception) -> str:
    """Kind and first sentence of an error, without torch's advice on how to run the code that it has refused."""
    refused = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
    sentence = re.split(r"\.\s|\n", str(refused or error), maxsplit=1)[0]
    return f"{type(error).__name__}: {sentence}".rstrip(" .:")


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _checked_sum(path: Path) -> str:
    """SHA-256 of a .pth; BadTable where its name carries the last digits of another MD5 sum, as official names do."""
    sha256, md5 = file_digests(path, "sha256", "md5")
    tag = re.fullmatch(r"NAS-Bench-201-v\d_\d-([0-9a-f]{6})\.pth", path.name)
    if tag and not md5.endswith(tag[1]):
        raise BadTable(
            f"{path} is truncated or altered: its MD5 sum is {md5}, which does not end in {tag[1]} as the "
            "name of the official file says. Fetch it again."
        )
    return sha256
