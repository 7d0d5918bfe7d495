"""NAS-Bench-201 from its official files: `NAS-Bench-201-v1_*.pth`, or the NATS-Bench topology archive.

The records are read through the nas-bench-201 package's own classes, but nothing in the files is executed: the
`.pth` goes through torch's `weights_only` loader, the archive's pickles through a restricted unpickler. The
archive holds one small file per architecture and is read in constant memory; the `.pth` is a single pickle
that has to be in memory as a whole (tens of gigabytes), so prefer the archive, which has more trials besides.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import pickle
import re
import resource
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.files import file_digests, whole
from supernet.benchmarks.regular import open_regular
from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.spaces.nb201 import DATASETS
from supernet.benchmarks.truth.archive import Member, is_tar, members, unpack
from supernet.benchmarks.truth.table import GroundTruth, store_table
from supernet.benchmarks.wording import quoted
from supernet.benchmarks.workers import end_with

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

OFFICIAL_MD5 = {"55e847143ce1f7c2d89b676f6b096897": "NAS-Bench-201-v1_1-096897.pth"}
"""MD5 sums that the benchmark's authors published in full -> name of the file."""
MOST_MEMORY = 2 << 30
"""Bytes that a process which decodes records may take beyond what it has at its start."""
MOST_SECONDS = 20
"""Seconds of computing that one record may take to decode; real ones take 0.05."""
PTH_SECONDS_PER_BYTE = 2e-6
"""Seconds of computing that a .pth may take beside that; real ones take a tenth of it."""
MOST_ENTRIES = 1_000_000
"""Entries of a .pth in the zip format; the official file has some."""

_SPACE = NB201()


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
    if source.is_dir() or is_tar(source):
        family, records = "NATS-Bench tss records", read_archive(source)
        vouched = {
            "source_check": "each record agrees with its bzip2 checksum; no checksum of the archive is published"
        }
    else:
        family, records, vouched = "NAS-Bench-201 records", read_pth(source), _checked_sum(source)
    table = _Table(source)
    curves_path = target.with_suffix(".curves.parquet")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Renamed from the inside out: where the table is, the curves are.
    with whole(target) as unfinished_table, whole(curves_path) as unfinished_curves:
        with pq.ParquetWriter(unfinished_curves, CURVES, compression="zstd", write_page_checksum=True) as curves:
            for batch in _batches(records, 256):
                for record in batch:
                    table.add(record)
                rows = [row for record in batch for row in record.curves]
                curves.write_table(pa.Table.from_pylist(rows, schema=CURVES))
                if progress:
                    progress(len(table.seen), len(_SPACE))
        table.check(allow_partial)
        about = {"space": NB201.name, "family": family, "accuracy_unit": "percent", "source": source.name, **vouched}
        store_table(unfinished_table, table.columns(), about)
    return GroundTruth(target)


# ---- sources ---------------------------------------------------------------------------------------------------


def read_pth(source: Path) -> Iterator[Record]:
    """Records of an official .pth file, in index order, read in a process of its own.

    A small pickle can describe keys that take centuries to hash, which nothing but the end of the process interrupts.

    Raises:
        BadTable: see `records_of_pth`; or reading takes much longer than that of an official file of this size.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    reader = context.Process(target=_send_records, args=(source, sender, os.getpid(), MOST_SECONDS), daemon=True)
    reader.start()
    sender.close()
    try:
        while (answer := receiver.recv()) is not None:
            if isinstance(answer, Exception):
                raise answer
            yield answer
    except EOFError:
        raise BadTable(
            f"{source}: the process that reads the file ended abruptly. It was killed, or the file needs more than "
            "this machine's memory, or much more time than an official file of its size does. Run the same command "
            "again; import the NATS-Bench archive instead (`supernet data fetch nats`); or fetch the file again."
        ) from None
    finally:
        reader.kill()
        reader.join()
        receiver.close()


def _send_records(source: Path, sender: Connection, parent: int, seconds: float) -> None:
    """In a process of its own: send each record, then None; or the error that ends the reading.

    Args:
        seconds: of computing that even the smallest file may take.
    """
    end_with(parent)
    import nas_201_api.api_utils  # noqa: F401 - imported before the time is measured
    import torch  # noqa: F401

    try:
        _limit_seconds(seconds + PTH_SECONDS_PER_BYTE * source.stat().st_size)
        for record in records_of_pth(source):
            sender.send(record)
        sender.send(None)
    except (BadTable, OSError) as error:
        with suppress(OSError):  # nobody listens any more
            sender.send(error)


def records_of_pth(source: Path) -> Iterator[Record]:
    """Records of an official .pth file, in index order, each dropped from memory once it is read.

    Raises:
        BadTable: it is damaged, asks for code, or holds something else.
    """
    import torch

    scalar = np.float64(0).__reduce__()[0]
    safe: list[Any] = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
        np.dtype,
        *(type(np.dtype(code)) for code in ("f8", "f4", "i8")),
    ]
    try:
        with open_regular(source) as file:
            if zipfile.is_zipfile(file):
                _check_zip(file)
            file.seek(0)
            with torch.serialization.safe_globals(safe), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about pickles that are refused in the same call
                content = torch.load(file, map_location="cpu", weights_only=True)
        archs, infos = content["meta_archs"], content["arch2infos"]
        if not all(type(index) is int for index in infos):
            raise ValueError("its records are not numbered")
        indices = sorted(infos)
    except MemoryError:
        raise BadTable(
            f"{source} does not fit into this machine's memory: the file is one single pickle. Import the "
            "NATS-Bench archive instead, which is read one architecture at a time (`supernet data fetch nats`)."
        ) from None
    except BadTable:
        raise
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
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(), MOST_SECONDS)
    ) as workers:
        for batch in _batches(members(source), 64):
            try:
                yield from workers.map(_decode_limited, batch, chunksize=8)
            except BrokenProcessPool:
                raise BadTable(
                    f"{source}: a process that decodes records ended abruptly. It was killed, or one of the records "
                    f"from {batch[0][1]:06} to {batch[-1][1]:06} needs more than {MOST_SECONDS} s or "
                    "this machine's memory, which no official record does. Run the same command again, or fetch the "
                    "archive again."
                ) from None


_seconds: float | None = None
"""What one record may take, in a process that does nothing but decode records; None elsewhere."""


def _begin(parent: int, seconds: float) -> None:
    """In a new process that decodes records: end with its parent, and have bounded memory and time for each."""
    global _seconds
    _seconds = seconds
    end_with(parent)
    import nas_201_api.api_utils  # noqa: F401 - imported before the limit is set, because it needs memory itself

    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):  # no Linux
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = used + MOST_MEMORY if hard == resource.RLIM_INFINITY else min(used + MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _limit_seconds(seconds: float) -> None:
    """End this process if it computes for longer than this from now on, without leaving an image of its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    used = math.ceil(
        resource.getrusage(resource.RUSAGE_SELF).ru_utime + resource.getrusage(resource.RUSAGE_SELF).ru_stime
    )
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = used + math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _decode_limited(member: Member) -> Record:
    """As `_decode`; a process of its own ends when the record takes too long."""
    if _seconds is not None:
        _limit_seconds(_seconds)
    return _decode(member)


def _decode(member: Member) -> Record:
    where, index, packed = member
    try:
        states = RestrictedUnpickler(io.BytesIO(unpack(packed))).load()
    except BadTable as error:
        raise BadTable(f"{where}: {error}") from None
    except Exception as error:  # a damaged pickle can fail in any way
        raise BadTable(f"{where} is damaged ({_reason(error)}). Fetch the archive again.") from None
    return _record(where, index, states)


def _check_zip(file: BinaryIO) -> None:
    """Compare the checksums of a .pth in the zip format, which torch does not do.

    Raises:
        ValueError: an entry is damaged, or is not stored as torch stores its entries.
        Exception: whatever else damaged bytes lead to.
    """
    file.seek(0)
    with zipfile.ZipFile(file) as packed:
        entries = packed.infolist()
        if len(entries) > MOST_ENTRIES or len({entry.filename for entry in entries}) != len(entries):
            raise ValueError("its directory has too many entries, or two of one name")
        for entry in entries:
            # Torch reads nothing for an entry that is marked as a folder.
            if entry.is_dir() or entry.external_attr & 0x10 or entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"its entry {quoted(entry.filename)} is not stored as torch does")
        if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
            raise ValueError("its entries overlap")
        if (damaged := packed.testzip()) is not None:
            raise ValueError(f"its entry {quoted(damaged)} does not agree with its checksum")


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
            if type(states[name]) not in (dict, OrderedDict):  # the class would take a text for a file to load
                raise TypeError(f"what it has of {epochs} epochs is not a dictionary")
            results = ArchResults.create_from_state_dict(states[name])
            if results.arch_str != expected:
                raise BadTable(f"{where} is about {quoted(results.arch_str)}, but architecture {index} is {expected}.")
            if not results.get_dataset_names():
                raise BadTable(f"{where} has no runs of {epochs} epochs.")
            for original in results.get_dataset_names():
                dataset = original.lower()
                if dataset not in DATASETS:
                    raise BadTable(f"{where} has results on {quoted(original)}, which is no data set of the benchmark.")
                runs = [(seed, results.query(original, seed)) for seed in results.get_dataset_seeds(original)]
                if len({seed for seed, _ in runs}) != len(runs) or not all(type(seed) is int for seed, _ in runs):
                    raise ValueError(f"its runs on {dataset} do not have seeds of their own")
                if any(run.epochs != int(epochs) for _, run in runs):
                    raise BadTable(f"{where} has other runs than those of {epochs} epochs under {name!r}.")
                for seed, run in runs:
                    _check_run(f"{where}: {dataset}, {epochs} epochs, seed {seed}", run)
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
    _check_values(where, values)
    return Record(index, values, curves)


def _check_run(where: str, run: Any) -> None:
    """Refuse accuracies and times of one run that cannot be, after whichever epoch."""
    for name in ("train_acc1es", "eval_acc1es"):
        for epoch, value in getattr(run, name).items():
            if not 0 <= value <= 100:
                raise BadTable(
                    f"{where} has the accuracy {quoted(value)} after {quoted(epoch)}, outside 0 … 100 percent."
                )
    for times in (run.train_times, run.eval_times):
        for epoch, seconds in (times or {}).items():
            if not 0 <= seconds < math.inf:
                raise BadTable(f"{where} took {quoted(seconds)} seconds for {quoted(epoch)}, which cannot be.")
    for seconds in run.latency or ():
        if not (0 <= seconds < math.inf or seconds == -1):  # -1 stands for a latency that was not measured
            raise BadTable(f"{where} has the latency {quoted(seconds)}, which cannot be.")


def _check_values(where: str, values: Mapping[str, float]) -> None:
    """Refuse what no network has: numbers that are not finite, negative times, no parameters."""
    for name, value in values.items():
        what = name.partition(".")[2]
        if what in ("params", "flops"):
            possible, kind = 0 < value < math.inf, "a count"
        elif what == "latency_seconds" or what.startswith("train_seconds"):
            possible, kind = 0 <= value < math.inf, "a time"
        else:
            possible, kind = 0 <= value <= 100, "within 0 … 100 percent"
        if not possible:
            raise BadTable(f"{where}: {name} is {quoted(value)}, which is not {kind}.")


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

    source: Path
    arrays: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def add(self, record: Record) -> None:
        """Fill in one architecture's row; BadTable where it is filled already."""
        if record.index in self.seen:
            raise BadTable(
                f"{self.source} has two records of architecture {record.index}, which may contradict each other. An "
                "official archive has one of each; fetch it again, or remove the one that does not belong there."
            )
        self.seen.add(record.index)
        for name, value in record.values.items():
            if name not in self.arrays:
                self.arrays[name] = np.full(len(_SPACE), np.nan)
            self.arrays[name][record.index] = value

    def check(self, allow_partial: bool) -> None:
        """Refuse what is incomplete or contradicts the benchmark's own arithmetic."""
        if not self.seen:
            raise BadTable(f"{self.source} holds no architecture's results.")
        if len(self.seen) < len(_SPACE) and not allow_partial:
            raise BadTable(
                f"{self.source} holds {len(self.seen):,} of the {len(_SPACE):,} architectures, so it is incomplete. "
                "Fetch it again, or import what is there with --allow-partial."
            )
        rows = np.array(sorted(self.seen))
        for name, values in self.arrays.items():
            dataset, _, what = name.partition(".")
            if what in ("params", "flops"):
                there = rows[~np.isnan(values[rows])]
                wrong = there[values[there] != getattr(_SPACE, what)(_SPACE.archs(there), dataset)]
                if len(wrong):
                    raise BadTable(
                        f"{self.source}: {name} of {len(wrong):,} architecture(s), the first {wrong[0]}, is not what "
                        "the network has. The file was altered, or trained another network."
                    )

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
    said = (refused or error).args  # of values, which may be anything, no text is made that has no bound
    text = said[0] if len(said) == 1 and isinstance(said[0], str) else ", ".join(map(quoted, said[:3]))
    text = repr(text) if isinstance(error, KeyError) and len(said) == 1 and isinstance(said[0], str) else text
    sentence = re.split(r"\.\s|\n", text[:2000], maxsplit=1)[0][:300]
    return f"{type(error).__name__}: {sentence}".rstrip(" .:")


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _checked_sum(path: Path) -> dict[str, str]:
    """What vouches for a .pth: its SHA-256, and what its MD5 sum says.

    Raises:
        BadTable: its name carries the last digits of another MD5 sum, as official names do; or it is no regular file.
    """
    open_regular(path).close()
    sha256, md5 = file_digests(path, "sha256", "md5")
    tag = re.fullmatch(r"NAS-Bench-201-v\d_\d-([0-9a-f]{6})\.pth", path.name)
    if tag and not md5.endswith(tag[1]):
        raise BadTable(
            f"{path} is truncated or altered: its MD5 sum is {md5}, which does not end in {tag[1]} as the "
            "name of the official file says. Fetch it again."
        )
    if md5 in OFFICIAL_MD5:
        check = f"its MD5 sum is the published one of {OFFICIAL_MD5[md5]}"
    elif tag:
        check = f"its MD5 sum ends in {tag[1]}, as the name of the official file says"
    else:
        check = (
            "nothing vouches for the file: neither its name nor its MD5 sum is that of an official one, so altered "
            "values would go unnoticed"
        )
    return {"source_sha256": sha256, "source_check": check}
