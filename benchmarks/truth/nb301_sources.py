"""The records of NAS-Bench-301: files named results_*.json in a folder, its subfolders, or a zip archive.

An archive is untrusted: its members may expand to gigabytes. Nothing is unpacked to the disk. The bounds are our
choice, well above what a record needs.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.regular import open_regular, read_regular
from supernet.benchmarks.wording import quoted

MOST_RECORDS = 200_000
"""Largest number of records; the benchmark has about 60,000."""
MOST_BYTES = 4 << 20
"""Largest record in bytes; one with curves over 100 epochs has some tens of thousands."""
_RECORD = re.compile(r"results_.*\.json", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Record:
    """The bytes of one record, and where they come from."""

    where: str
    """For messages."""
    folder: str
    """Name of the folder that holds the record; in the benchmark, what has drawn the architecture."""
    content: bytes


class Records:
    """The records of a folder or a zip archive, in the order of their paths, numbers by value.

    Args:
        source: a folder or a zip archive.

    Raises:
        BadTable: it cannot be read, has no records or too many, or has two of one name.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        names = self._in_folder() if source.is_dir() else self._in_archive()
        self._names = sorted((name for name in names if _RECORD.fullmatch(PurePosixPath(name).name)), key=_by_numbers)
        if not self._names:
            raise BadTable(
                f"{source} holds no records of NAS-Bench-301 (files like rs/results_0.json). Give the folder that the "
                "benchmark's archive unpacks to, one of its subfolders, or the archive."
            )
        if len(self._names) > MOST_RECORDS:
            raise BadTable(f"{source} holds {len(self._names):,} records; NAS-Bench-301 has about 60,000.")
        twice = next((one for one, other in pairwise(self._names) if one == other), None)
        if twice is not None:
            raise BadTable(
                f"{source} holds two members named {quoted(twice)}, of which only one could be read. Download it again."
            )

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[Record]:
        """Read one record after the other.

        Raises:
            BadTable: a record cannot be read, or is too large.
        """
        for where, name, content in self._of_folder() if self._source.is_dir() else self._of_archive():
            parent = PurePosixPath(name).parent.name
            yield Record(where, parent or self._source.absolute().name, content)

    def _in_folder(self) -> Sequence[str]:
        try:
            return [path.relative_to(self._source).as_posix() for path in self._source.rglob("results_*.json")]
        except OSError as error:
            raise BadTable(f"{self._source} cannot be read: {error.strerror or error}.") from None

    def _of_folder(self) -> Iterator[tuple[str, str, bytes]]:
        for name in self._names:
            path = self._source / name
            yield str(path), name, read_regular(path, MOST_BYTES)

    def _in_archive(self) -> Sequence[str]:
        try:
            with open_regular(self._source) as file, zipfile.ZipFile(file) as archive:
                return archive.namelist()
        except (BadTable, MemoryError):
            raise
        except Exception as error:  # damaged archives can raise anything
            raise self._damaged(error) from None

    def _of_archive(self) -> Iterator[tuple[str, str, bytes]]:
        with open_regular(self._source) as file:
            try:
                archive = zipfile.ZipFile(file)
            except Exception as error:  # damaged archives can raise anything
                raise self._damaged(error) from None
            for name in self._names:
                where = f"{self._source}:{name}"
                try:
                    with archive.open(name) as member:
                        content = member.read(MOST_BYTES + 1)
                except MemoryError:
                    raise
                except Exception as error:  # damaged members can raise anything
                    raise self._damaged(error) from None
                if len(content) > MOST_BYTES:
                    raise BadTable(f"{where} has more than {MOST_BYTES:,} bytes, which no record does.")
                yield where, name, content

    def _damaged(self, error: Exception) -> BadTable:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return BadTable(
            f"{self._source} is not a folder, and cannot be read as a zip archive ({reason}). Download it again, or "
            "give the folder that it unpacks to."
        )


def _by_numbers(name: str) -> list[tuple[str, int]]:
    """A key by which results_2.json comes before results_10.json."""
    return [(text, int(number or 0)) for text, number in re.findall(r"([^0-9]*)([0-9]{0,18})", name)]
