"""Readers of the official files of NAS-Bench-201; they run no code that the files contain.

A `.pth` goes through torch's `weights_only` loader, the archive's pickles through a restricted unpickler, in processes
with bounded memory and time.
"""

from __future__ import annotations

import io
import itertools
import math
import os
import pickle
import resource
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.regular import open_regular
from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.truth.archive import Member, members, unpack
from supernet.benchmarks.truth.nb201_records import Record, reason, record_of
from supernet.benchmarks.wording import quoted
from supernet.benchmarks.workers import end_with

MOST_MEMORY = 2 << 30
"""Memory in bytes that a process may allocate to decode records, beyond its memory at the start: our choice."""
MOST_SECONDS = 20
"""CPU seconds for decoding one record, our choice; real ones take 0.05."""
PTH_SECONDS_PER_BYTE = 2e-6
"""Additional CPU seconds per byte of a .pth, our choice; official files take a tenth of it."""
MOST_ENTRIES = 1_000_000
"""Largest number of entries of a .pth in the zip format: our choice."""

_SPACE = NB201()


def read_pth(source: Path) -> Iterator[Record]:
    """Records of an official .pth file, in index order, read in a separate process.

    A small pickle can describe keys that take centuries to hash; only the end of the process stops that.

    Raises:
        BadTable: see `records_of_pth`; or reading takes much longer than an official file of this size does.
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
    """Run in a separate process: send each record, then None; or the error that ends the reading.

    Args:
        seconds: CPU seconds that a file of any size may take.
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
        with suppress(OSError):  # the receiver is gone
            sender.send(error)


def records_of_pth(source: Path) -> Iterator[Record]:
    """Records of an official .pth file, in index order; each is dropped from memory once it is read.

    Raises:
        BadTable: the file is damaged, refers to code, or has other content.
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
    except Exception as error:  # damaged bytes can make torch raise anything
        raise BadTable(
            f"{source} is not an intact NAS-Bench-201 file ({reason(error)}). It may be truncated, or "
            "contain code, which is never run. Compare its size and checksum with the download's."
        ) from None
    _check_order(source, archs)
    for index in indices:
        yield record_of(f"{source}, architecture {index}", index, infos.pop(index), ("less", "full"))


def _check_zip(file: BinaryIO) -> None:
    """Verify the checksums of a .pth in the zip format, which torch does not do.

    Raises:
        ValueError: an entry is damaged, or is not stored as torch stores its entries.
        Exception: damaged bytes can raise anything.
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


def _check_order(source: Path, archs: Any) -> None:
    if archs != [_SPACE.string(arch) for arch in _SPACE.archs().tolist()]:
        raise BadTable(f"{source} does not list the 15,625 architectures in the official order.")


def read_archive(source: Path) -> Iterator[Record]:
    """Records of the NATS-Bench topology archive (folder or tar), decoded in parallel, in bounded memory."""
    if "sss" in source.name:
        raise BadTable(f"{source} is the size search space of NATS-Bench; import the topology one (NATS-tss-…).")
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=get_context("spawn"), initializer=_begin, initargs=(os.getpid(), MOST_SECONDS)
    ) as workers:
        for batch in batches(members(source), 64):
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
"""CPU seconds for one record, set in processes that only decode records; None elsewhere."""


def _begin(parent: int, seconds: float) -> None:
    """Prepare a new decoding process: end with the parent, and bound the memory and the time per record."""
    global _seconds
    _seconds = seconds
    end_with(parent)
    import nas_201_api.api_utils  # noqa: F401 - imported before the limit is set, because it needs memory itself

    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, ValueError):  # not on Linux
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = used + MOST_MEMORY if hard == resource.RLIM_INFINITY else min(used + MOST_MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _limit_seconds(seconds: float) -> None:
    """End this process, without a core dump, once it uses more than this CPU time from now on."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    used = math.ceil(
        resource.getrusage(resource.RUSAGE_SELF).ru_utime + resource.getrusage(resource.RUSAGE_SELF).ru_stime
    )
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = used + math.ceil(seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _decode_limited(member: Member) -> Record:
    """Decode a record within the time limit; a decoding process ends if the record takes longer."""
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
        raise BadTable(f"{where} is damaged ({reason(error)}). Fetch the archive again.") from None
    return record_of(where, index, states)


def _scalar(dtype: np.dtype[Any], data: bytes) -> Any:
    if dtype.kind not in "fi" or not isinstance(data, bytes):
        raise BadTable(f"a NumPy scalar of type {dtype} is not plain data")
    return np.frombuffer(data, dtype, count=1)[0]


def _dtype(code: str, *_: Any) -> np.dtype[Any]:
    if code not in ("f8", "f4", "i8"):
        raise BadTable(f"the NumPy type {code!r} is not plain data")
    return np.dtype(code)


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler of plain containers and NumPy numbers; it refuses any other class or function."""

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


def batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of `size` items; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
