"""Downloads of the benchmark files and data sets: resumable, and kept only when the checksum holds."""

from __future__ import annotations

import http.client
import re
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import UserError
from benchmarks.files import file_digests

Progress = Callable[[int, int | None], None]
"""Called with the bytes at hand and the size of the whole file, or None where the server does not say it."""

_RETRIES = 3
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Remote:
    """A file to download, or, without `url`, to be got by hand from `where`."""

    name: str
    url: str | None
    size_bytes: int | None
    """Approximate: for showing only."""
    checksum: str | None
    """`sha256:…` or `md5:…`; None where none was published, and then nothing is downloaded."""
    what: str
    then: str
    """What to do with the file once it is there."""
    where: str
    unpacks_to: str | None = None
    """The folder inside the tar archive that `fetch` leaves next to the archive."""


_NB101_PAGE = "https://github.com/google-research/nasbench"
_CIFAR_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_NB201_PAGE = "https://github.com/D-X-Y/NAS-Bench-201"

REMOTES: dict[str, Remote] = {
    remote.name: remote
    for remote in (
        Remote(
            name="nb101",
            url="https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord",
            size_bytes=522_767_376,
            checksum="sha256:4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1",
            what="NAS-Bench-101, 108 epochs only (nasbench_only108.tfrecord)",
            then="run `supernet data import nb101 FILE`",
            where=_NB101_PAGE,
        ),
        Remote(
            name="nb101-full",
            url="https://storage.googleapis.com/nasbench/nasbench_full.tfrecord",
            size_bytes=2_085_986_016,
            checksum="sha256:3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c",
            what="NAS-Bench-101, 4, 12, 36 and 108 epochs (nasbench_full.tfrecord)",
            then="run `supernet data import nb101 FILE`",
            where=_NB101_PAGE,
        ),
        Remote(
            name="cifar10",
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            size_bytes=170_498_071,
            checksum="md5:c58f30108f718f92721af3b95e74349a",
            what="CIFAR-10 (cifar-10-python.tar.gz)",
            then="nothing: it is unpacked and ready for training",
            where=_CIFAR_PAGE,
            unpacks_to="cifar-10-batches-py",
        ),
        Remote(
            name="nb201",
            url=None,
            size_bytes=4_700_000_000,
            checksum="md5:55e847143ce1f7c2d89b676f6b096897",
            what="NAS-Bench-201 1.1 (NAS-Bench-201-v1_1-096897.pth)",
            then="run `supernet data import nb201 FILE`",
            where=f"the Google Drive link listed at {_NB201_PAGE}",
        ),
        Remote(
            name="nats",
            url=None,
            size_bytes=None,
            checksum=None,
            what="NATS-Bench, topology search space (NATS-tss-v1_0-3ffb9-simple.tar)",
            then="run `supernet data import nb201 FILE`",
            where="the link listed at https://github.com/D-X-Y/NATS-Bench",
        ),
        Remote(
            name="cifar100",
            url=None,
            size_bytes=169_001_437,
            checksum="md5:eb9058c3a382ffc7106e4002c42a8d85",
            what="CIFAR-100 (cifar-100-python.tar.gz)",
            then="unpack it in the folder of the data sets",
            where=_CIFAR_PAGE,
        ),
        Remote(
            name="imagenet16-120",
            url=None,
            size_bytes=None,
            checksum=None,
            what="ImageNet16-120",
            then="unpack it in the folder of the data sets",
            where=f"the link listed at {_NB201_PAGE}",
        ),
    )
}


def fetch(remote: Remote, folder: Path, *, progress: Progress | None = None, timeout: float = 20.0) -> Path:
    """Downloads `remote` to `folder` and returns the file, or the folder that it unpacks to.

    The bytes gather in `FILE.part`, which a later call continues and which gets its final name only when the
    checksum holds. What is there already is not downloaded again. `timeout` bounds each wait for the server.

    Raises UserError where the remote has no address, the server cannot be reached or breaks off (the .part is
    kept), the checksum is wrong (the .part is removed), the archive is unsafe, or the disk refuses to write.
    """
    if remote.url is None or remote.checksum is None:
        raise UserError(
            f"{remote.what} has no stable direct address. Get it by hand from {remote.where}; then {remote.then}."
        )
    file = folder / remote.url.rpartition("/")[2]
    try:
        if remote.unpacks_to is not None and (folder / remote.unpacks_to).is_dir():
            return folder / remote.unpacks_to
        if file.exists():
            if (found := _checksum(file, remote.checksum)) != remote.checksum:
                raise UserError(
                    f"{file} is not {remote.what}: its checksum is {found}, not {remote.checksum}. "
                    "Move it away or delete it and run the same command again."
                )
        else:
            folder.mkdir(parents=True, exist_ok=True)
            part = file.with_name(file.name + ".part")
            _complete(remote, remote.url, remote.checksum, part, progress, timeout)
            if (found := _checksum(part, remote.checksum)) != remote.checksum:
                part.unlink()
                raise UserError(
                    f"What {remote.url} sent is not {remote.what}: its checksum is {found}, "
                    f"not {remote.checksum}. It was removed; run the same command again to start afresh. "
                    f"If that fails too, download it by hand (see {remote.where}) and put it at {file}."
                )
            part.replace(file)
        return file if remote.unpacks_to is None else _unpack(file, remote.unpacks_to)
    except OSError as error:
        raise UserError(
            f"{remote.what} cannot be kept in {folder}: {error}. Free some space or choose another folder "
            "and run the same command again; what was downloaded so far is kept."
        ) from error


class _Interrupted(Exception):
    """The server could not be reached or did not send all."""


class _CannotResume(_Interrupted):
    """The server does not continue the file at the byte that was asked for."""


@contextmanager
def _network() -> Iterator[None]:
    """Tells failures of the network from those of the disk, which are OSErrors too."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        raise (_CannotResume if error.code == 416 else _Interrupted)(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise _Interrupted(str(reason) or type(reason).__name__) from error


def _complete(remote: Remote, url: str, checksum: str, part: Path, progress: Progress | None, timeout: float) -> None:
    """Downloads what `part` lacks; raises UserError where that fails, and keeps what was received."""
    start = size = _size(part)
    retries = _RETRIES
    while True:
        try:
            return _transfer(url, part, start, progress, timeout)
        except _Interrupted as error:
            if isinstance(error, _CannotResume) and start:
                if _checksum(part, checksum) == checksum:
                    return
                start = 0
                continue
            before, size = size, _size(part)
            if size > before and retries:
                start, retries = size, retries - 1
                continue
            again = f": it goes on after the {size:,} bytes already received" if size else ""
            raise UserError(
                f"{remote.what} could not be downloaded from {url}: {error}. "
                f"Run the same command again{again}; or download it by hand (see {remote.where}) "
                f"and put it at {part.with_suffix('')}."
            ) from error


def _transfer(url: str, part: Path, start: int, progress: Progress | None, timeout: float) -> None:
    """Appends the bytes of `url` from `start` on to `part`, or all of them where the server sends all.

    Raises _Interrupted where the server fails, and _CannotResume where it sends another piece.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with _network():
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    with response:
        done, total = 0, response.length
        if response.status == 206:
            said = response.headers.get("Content-Range", "")
            piece = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", said)
            if piece is None or int(piece[1]) != start:
                raise _CannotResume(f"asked for the bytes from {start:,} on, it sent {said or 'others'!r}")
            done, total = start, int(piece[2])
        with part.open("ab" if done else "wb") as file:
            while total is None or done < total:
                if progress is not None:
                    progress(done, total)
                with _network():
                    block = response.read1(_BLOCK)
                if not block:
                    if total is None:
                        break
                    raise _Interrupted(f"the connection broke off after {done:,} of {total:,} bytes")
                file.write(block)
                done += len(block)
    if progress is not None:
        progress(done, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _checksum(path: Path, like: str) -> str:
    """The checksum of a file, by the same algorithm and in the same spelling as `like`."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{file_digests(path, algorithm)[0]}"


def _unpack(archive: Path, name: str) -> Path:
    """Unpacks the folder `name` of a tar archive next to it, all or nothing; UserError where it is unsafe."""
    target = archive.with_name(name)
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=f"{name}.") as unpacked:
            with tarfile.open(archive) as tar:
                tar.extractall(unpacked, filter="data")
            Path(unpacked, name).rename(target)
    except (tarfile.TarError, EOFError, zlib.error, FileNotFoundError) as error:
        raise UserError(
            f"{archive} cannot be unpacked safely to {target}: {error}. Nothing was unpacked; do not use this archive."
        ) from error
    return target
