"""TFRecord files without TensorFlow.

Each record is its length (uint64), the masked CRC-32C of those eight bytes, the data, and the masked CRC-32C
of the data; all numbers are little-endian (https://www.tensorflow.org/tutorials/load_data/tfrecord).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import google_crc32c

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.regular import open_regular

_HEAD = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_PROGRESS_STEP = 1 << 20
MOST_RECORD = 1 << 20
"""Largest size of a record in bytes, our choice; those of NAS-Bench-101 have about a thousand."""


def records(
    path: Path,
    progress: Callable[[int], object] | None = None,
    digest: Callable[[bytes], object] | None = None,
) -> Iterator[bytes]:
    """The data of each record in file order, both checksums verified.

    Args:
        progress: called with the number of bytes read so far, about once per MiB and at the end.
        digest: called with all bytes of the file in turn, such as the `update` method of a hash object.

    Raises:
        BadTable: the file cannot be read, is not a TFRecord file, is truncated or was altered; the text gives the
            number of the record (from 0) and the offset of its first byte.
    """
    number = offset = reported = 0

    def bad(problem: str) -> BadTable:
        return BadTable(f"{path}: record {number} (from 0), at byte {offset:,}, {problem} Download it again.")

    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            while head := file.read(_HEAD.size):
                if len(head) < _HEAD.size:
                    raise bad(f"is cut off: the file ends {len(head)} bytes into its length.")
                length, checksum = _HEAD.unpack(head)
                if checksum != _masked_crc(head[:8]):
                    raise bad(
                        "has a length that does not match its checksum: the file is damaged there."
                        if number
                        else "has no valid length: this is not a TFRecord file, or a damaged one."
                    )
                if length > MOST_RECORD:
                    raise bad(f"claims to have {length:,} bytes, more than any record of the benchmark.")
                end = offset + _HEAD.size + length + _CRC.size
                if end > size:
                    raise bad(f"is cut off: it ends at byte {end:,}, the file at byte {size:,}.")
                body = file.read(length + _CRC.size)
                data = body[:length]
                if body[length:] != _CRC.pack(_masked_crc(data)):
                    raise bad("has data that do not match their checksum: the file is damaged there.")
                if digest:
                    digest(head)
                    digest(body)
                yield data
                number, offset = number + 1, end
                if progress and offset - reported >= _PROGRESS_STEP:
                    reported = offset
                    progress(offset)
    except OSError as error:
        raise BadTable(f"{path} cannot be read: {error.strerror or error}. Check the path and the disk.") from None
    if progress:
        progress(offset)


def _masked_crc(data: bytes) -> int:
    """CRC-32C, rotated right by 15 bits plus a constant, as the format stores it."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
