"""Downloads of the benchmark files and data sets: resumable, and kept only when the checksum holds."""

from __future__ import annotations

import errno
import fcntl
import http.client
import os
import re
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import file_digests, replace
from supernet.benchmarks.truth.unpack import unpacked
from supernet.benchmarks.wording import quoted

Progress = Callable[[int, int | None], None]
"""Called with the number of bytes received and the size of the file, None if the server does not state it."""

MOST_BYTES = 64 << 30
"""Largest download in bytes of a file of unknown size: ten times the largest official file."""
POLL_SECONDS = 0.2
"""Seconds between checks whether another process has finished the same download: our choice."""
PATIENCE_SECONDS = 60.0
"""Seconds without new bytes after which waiting for another process's download ends: our choice."""

_RETRIES = 3
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Remote:
    """A file to download, or, without `url`, to get by hand from `where`."""

    name: str
    url: str | None
    size_bytes: int | None
    """Size of the download; approximate for a file to get by hand."""
    checksum: str | None
    """`sha256:…` or `md5:…`; None if no checksum was published. Such a file is not downloaded."""
    what: str
    then: str
    """The next step once the file is there, for messages."""
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
            name="nb101",  # what a user types: the file has no other name
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
            name="nb201",  # what a user types: the file has no other name
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
            name="nds",
            url=None,
            size_bytes=None,
            checksum=None,
            what="NDS, networks with random cells of DARTS among others (data.zip)",
            then="unpack it and run `supernet data import nds FILE` with DARTS_fix-w-d.json or DARTS.json",
            where="https://dl.fbaipublicfiles.com/nds/data.zip, the link at https://github.com/facebookresearch/nds",
        ),
        Remote(
            name="nb301",
            url=None,
            size_bytes=None,
            checksum=None,
            what="NAS-Bench-301, training records of its networks (dataset v1.0, a zip archive)",
            then="run `supernet data import nb301 FILE`, or unpack it and import one of its folders",
            where="https://figshare.com/articles/dataset/NAS-Bench-301_Dataset_v1_0/13246952, the link at "
            "https://github.com/automl/nasbench301",
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
    """Download `remote` to `folder` and return the file, or the folder that it unpacks to.

    The bytes are written to `FILE.part`, which a later call continues and which gets its final name only when the
    checksum matches. An existing file is not downloaded again. If several processes fetch one file, one of them
    downloads it and the others wait.

    Args:
        timeout: seconds that each wait for the server may take.

    Raises:
        UserError: the remote has no address; the server cannot be reached or breaks off (the .part is kept); the
            checksum is wrong (the .part is removed); the archive is unsafe; or the disk cannot be written.
    """
    if remote.url is None or remote.checksum is None:
        raise UserError(
            f"{remote.what} has no stable direct address. Get it by hand from {remote.where}; then {remote.then}."
        )
    file = folder / remote.url.rpartition("/")[2]
    try:
        if remote.unpacks_to is not None and (folder / remote.unpacks_to).is_dir():
            return folder / remote.unpacks_to
        folder.mkdir(parents=True, exist_ok=True)
        part = _locked_part(file, progress) if not file.exists() else None
        if part is None:
            if (found := _checksum(file, remote.checksum)) != remote.checksum:
                raise UserError(
                    f"{file} is not {remote.what}: its checksum is {found}, not {remote.checksum}. "
                    "Move it away or delete it and run the same command again."
                )
        else:
            with part:
                _into(part, file, remote, progress, timeout)
        return file if remote.unpacks_to is None else unpacked(file, remote.unpacks_to)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise UserError(
            f"{remote.what} cannot be kept in {folder}: {error}. To go on, {'free some space or ' if full else ''}"
            "choose another folder and run the same command again; what was downloaded so far is kept."
        ) from error


def _into(part: BinaryIO, file: Path, remote: Remote, progress: Progress | None, timeout: float) -> None:
    """Complete the locked `part` and give it its final name; remove it if its checksum is wrong."""
    assert remote.url is not None
    assert remote.checksum is not None
    path = Path(part.name)
    try:
        _complete(remote, remote.url, part, progress, timeout)
    finally:
        if not _size(path):
            path.unlink(missing_ok=True)
    if (found := _checksum(path, remote.checksum)) != remote.checksum:
        path.unlink()
        raise UserError(
            f"What {remote.url} sent is not {remote.what}: its checksum is {found}, "
            f"not {remote.checksum}. It was removed; run the same command again to start afresh. "
            f"If that fails too, download it by hand (see {remote.where}) and put it at {file}."
        )
    replace(path, file)


def _locked_part(file: Path, progress: Progress | None) -> BinaryIO | None:
    """Open `FILE.part` exclusively for this process; None if another process completed the file meanwhile.

    Raises:
        UserError: the part is a link or not a regular file, or another process holds it and receives nothing.
    """
    path = file.with_name(file.name + ".part")
    last, since = -1, time.monotonic()
    while not file.exists():
        part = _opened_part(path)
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            size = os.fstat(part.fileno()).st_size
            part.close()
        except OSError:  # a file system without locks
            return part
        else:
            if _is_at(path, part):
                if not file.exists():
                    return part
                path.unlink()  # another process completed the file before this part was made
            part.close()  # otherwise another process gave it its final name, or removed it
            continue
        if size != last:
            last, since = size, time.monotonic()
        if time.monotonic() - since > PATIENCE_SECONDS:
            raise UserError(
                f"Another process downloads {file} and has received nothing for {PATIENCE_SECONDS:.0f} s. Wait for it, "
                f"or end it and run the same command again: the {size:,} bytes in {path.name} are kept."
            )
        if progress is not None:
            progress(size, None)
        time.sleep(POLL_SECONDS)
    return None


def _opened_part(path: Path) -> BinaryIO:
    """The part, open for reading and writing; created if missing. Links are not followed; pipes do not block."""
    flags = os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        part = open(path, "r+b", opener=lambda name, mode: os.open(name, mode | flags, 0o666))  # noqa: SIM115
    except OSError:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(part.fileno()).st_mode):
        part.close()
        raise _not_regular(path)
    return part


def _is_at(path: Path, part: BinaryIO) -> bool:
    """Whether the part is still the file at this path: another process can rename or remove it at any moment."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(part.fileno()))
    return False


def _not_regular(path: Path) -> UserError:
    kind = "a symbolic link, which is not followed" if path.is_symlink() else "not a regular file"
    return UserError(f"{path} is {kind}. Remove it and run the same command again.")


class _Interrupted(Exception):
    """The server could not be reached or did not send all."""


class _TooLong(Exception):
    """The server sends more than the file has."""


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


def _complete(remote: Remote, url: str, part: BinaryIO, progress: Progress | None, timeout: float) -> None:
    """Download the missing rest of `part`; raise UserError if that fails, and keep the received bytes."""
    path, checksum, most = Path(part.name), remote.checksum or "", remote.size_bytes or MOST_BYTES
    start = size = _size(path)
    retries = _RETRIES
    while True:
        try:
            return _transfer(url, part, start, most, progress, timeout)
        except _TooLong as error:
            part.truncate(0)
            raise UserError(
                f"What {url} sends is not {remote.what}: {error}. It was removed; run the same command again later, or "
                f"download the file by hand (see {remote.where}) and put it at {path.with_suffix('')}."
            ) from None
        except _Interrupted as error:
            if isinstance(error, _CannotResume) and start:
                if _checksum(path, checksum) == checksum:
                    return
                start = 0
                continue
            before, size = size, _size(path)
            if size > before and retries:
                start, retries = size, retries - 1
                continue
            again = f": it goes on after the {size:,} bytes already received" if size else ""
            raise UserError(
                f"{remote.what} could not be downloaded from {url}: {error}. "
                f"Run the same command again{again}; or download it by hand (see {remote.where}) "
                f"and put it at {path.with_suffix('')}."
            ) from error


def _transfer(url: str, part: BinaryIO, start: int, most: int, progress: Progress | None, timeout: float) -> None:
    """Append the bytes of `url` from `start` on to `part`, or replace it if the server sends the whole file.

    Raises:
        _Interrupted: the server fails.
        _CannotResume: the server sends another piece.
        _TooLong: the whole file has more than `most` bytes.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with _network():
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    with response:
        done, total = 0, response.length
        if response.status == 206:
            said = response.headers.get("Content-Range", "")
            piece = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})", said)
            if piece is None or int(piece[1]) != start:
                raise _CannotResume(f"asked for the bytes from {start:,} on, it sent {quoted(said or 'others')}")
            done, total = start, int(piece[2])
        part.seek(done)
        part.truncate()
        while total is None or done < total:
            if max(done, total or 0) > most:
                raise _TooLong(f"it has {'more than ' if total is None else ''}{total or most:,} bytes, not {most:,}")
            if progress is not None:
                progress(done, total)
            with _network():
                block = response.read1(_BLOCK)
            if not block:
                if total is None:
                    break
                raise _Interrupted(f"the connection broke off after {done:,} of {total:,} bytes")
            part.write(block)
            part.flush()
            done += len(block)
    if progress is not None:
        progress(done, total)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _checksum(path: Path, like: str) -> str:
    """The checksum of a file, by the same algorithm and in the same spelling as `like`."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{file_digests(path, algorithm)[0]}"
