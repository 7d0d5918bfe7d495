"""The records of a NATS-Bench archive, a folder or a tar file, read within stated bounds.

An archive is untrusted: a few bytes of it can expand to gigabytes, and its members need not be regular files. Nothing
is unpacked to the disk. The bounds are our choice, well above the sizes of the official archive.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.regular import open_regular, read_regular

MOST_PACKED = 4 << 20
"""Largest size of a packed record in bytes; real ones have 84 kB."""
MOST_UNPACKED = 16 << 20
"""Largest size of an unpacked record in bytes; real ones have 0.33 MB."""
MOST_MEMBERS = 100_000
"""Largest number of members of an archive; the official one has 15,626."""
MOST_OTHER = 1 << 30
"""Largest size in bytes of a member that is not a record. It is skipped, but skipping may need decompression."""
MOST_HEADER = 1 << 20
"""Largest number of header bytes between two members of a tar file; real ones have 512, or some thousands with long
names."""
MOST_DICTIONARY = 256 << 20
"""Largest amount of memory in bytes that an .xz file may need."""

_MEMBER = re.compile(r"(?:^|/)(\d{6})\.pickle\.pbz2$", re.ASCII)
_OPENERS: tuple[tuple[bytes, Callable[[BinaryIO], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)
"""First bytes of each compressed format, and the reader that decompresses it in pieces of bounded size."""

Member = tuple[str, int, bytes]
"""Location of a record, architecture index from its name, and its bytes."""


def is_tar(source: Path) -> bool:
    """Whether the path is a tar archive, compressed or not.

    Raises:
        BadTable: it cannot be read, or is not a regular file.
    """
    try:
        with _tar(source):
            return True
    except BadTable:
        raise
    except MemoryError:
        raise
    except Exception:  # other kinds of files and damaged archives can raise anything
        return ".tar" in source.name


def members(source: Path) -> Iterator[Member]:
    """Every record of an archive, folder or tar.

    Raises:
        BadTable: a record is not a regular file, is too large, or cannot be read; or the archive has no records.
    """
    found = False
    for member in _of_folder(source) if source.is_dir() else _of_tar(source):
        found = True
        yield member
    if not found:
        raise BadTable(f"{source} holds no NATS-Bench records (files like 000000.pickle.pbz2).")


def unpack(packed: bytes) -> bytes:
    """The content of one bzip2 stream.

    Raises:
        BadTable: it unpacks to more than MOST_UNPACKED.
        OSError, ValueError: it is damaged, breaks off, or goes on after its end.
    """
    stream = bz2.BZ2Decompressor()
    content = stream.decompress(packed, MOST_UNPACKED + 1)
    if len(content) > MOST_UNPACKED:
        raise BadTable(f"it unpacks to more than {MOST_UNPACKED:,} bytes, which no record does")
    if not stream.eof:
        raise ValueError("its bzip2 stream breaks off")
    if stream.unused_data:
        raise ValueError(f"{len(stream.unused_data):,} bytes follow its bzip2 stream")
    return content


def _of_folder(folder: Path) -> Iterator[Member]:
    try:
        paths = sorted(path for path in folder.iterdir() if _MEMBER.search(path.name))
    except OSError as error:
        raise BadTable(f"{folder} cannot be read: {error.strerror}.") from None
    _check_count(folder, len(paths))
    for path in paths:
        yield str(path), _index(path.name), read_regular(path, MOST_PACKED)


def _of_tar(source: Path) -> Iterator[Member]:
    count, last = 0, -1
    try:
        with _tar(source) as (tar, file):
            while True:
                file.allow(MOST_HEADER)
                member = tar.next()
                if member is None:
                    _check_end(tar, file)
                    break
                count += 1
                _check_count(source, count)
                where = f"{source}:{member.name}"
                _check_member(where, member)
                if member.offset <= last:
                    raise BadTable(f"{where} lies before an earlier member: the archive is damaged or forged.")
                last = member.offset
                if _MEMBER.search(member.name):
                    yield where, _index(member.name), _content(where, tar, file, member)
    except (BadTable, MemoryError):
        raise
    except Exception as error:  # damaged headers and streams can lead to anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadTable(f"{source} cannot be read to its end, it may be truncated or damaged: {reason}.") from None


def _content(where: str, tar: tarfile.TarFile, file: _Metered, member: tarfile.TarInfo) -> bytes:
    if not member.isreg() or member.issparse():
        raise BadTable(f"{where} is not a regular file (but a link, device, folder or sparse file), so it is not read.")
    if member.size > MOST_PACKED:
        raise BadTable(f"{where} has {member.size:,} bytes, where a record has at most {MOST_PACKED:,}.")
    file.allow(member.size + MOST_HEADER)
    stream = tar.extractfile(member)
    content = stream.read() if stream else b""
    if len(content) != member.size:
        raise BadTable(f"{where} is cut off: the archive ends within it.")
    return content


def _check_end(tar: tarfile.TarFile, file: _Metered) -> None:
    """Raise ValueError unless reading reached the archive's end: `tarfile` treats a damaged header as the end."""
    file.allow(MOST_HEADER)
    file.seek(tar.offset)
    rest = file.read(MOST_HEADER)
    if len(rest) < tarfile.BLOCKSIZE or rest.count(0) != len(rest):
        raise ValueError(f"it has neither a header nor its end at byte {tar.offset:,}")


def _check_member(where: str, member: tarfile.TarInfo) -> None:
    if not 0 <= member.size <= MOST_OTHER:
        raise BadTable(f"{where} claims to have {member.size:,} bytes; at most {MOST_OTHER:,} are passed over.")


def _check_count(source: Path, count: int) -> None:
    if count > MOST_MEMBERS:
        raise BadTable(f"{source} has more than {MOST_MEMBERS:,} members, the official archive has 15,626.")


def _index(name: str) -> int:
    found = _MEMBER.search(name)
    assert found is not None
    return int(found[1])


@contextmanager
def _tar(source: Path) -> Iterator[tuple[tarfile.TarFile, _Metered]]:
    """A tar archive with its first header read, and the file that it reads from."""
    with open_regular(source) as raw:
        start = raw.read(4096)
        raw.seek(0)
        opener = next((reader for magic, reader in _OPENERS if start.startswith(magic)), None)
        if opener is lzma.LZMAFile:
            lzma.LZMADecompressor(memlimit=MOST_DICTIONARY).decompress(start, 1)
        file = _Metered(raw if opener is None else opener(raw))
        file.allow(MOST_HEADER)
        with tarfile.open(fileobj=cast(BinaryIO, file), mode="r:") as tar:
            yield tar, file


class _Metered:
    """A file with a limit on the bytes read: `tarfile` reads headers of any claimed size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._left = file, 0

    def allow(self, size: int) -> None:
        """Allow `size` more bytes to be read."""
        self._left = size

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._left:
            raise ValueError(f"a header claims to have {size:,} bytes, more than any real one")
        self._left -= size
        return self._file.read(size)

    def seek(self, *to: Any) -> int:
        return self._file.seek(*to)

    def tell(self) -> int:
        return self._file.tell()
