"""Opening files that come from elsewhere: regular files alone, and none beyond a stated size."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from supernet.benchmarks.errors import BadTable


def open_regular(path: Path, most: int | None = None) -> BinaryIO:
    """Open a file for reading if it is a regular one; a symbolic link is followed first.

    A named pipe or a device would block the reader or never end.

    Args:
        most: the largest size in bytes that is accepted.

    Raises:
        BadTable: it cannot be opened, is something else, or is larger.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        raise BadTable(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    about = os.fstat(descriptor)
    problem = ""
    if not stat.S_ISREG(about.st_mode):
        problem = "is not a regular file (but a folder, pipe, socket or device)"
    elif most is not None and about.st_size > most:
        problem = f"has {about.st_size:,} bytes, where a sound file has at most {most:,}"
    if problem:
        os.close(descriptor)
        raise BadTable(f"{path} cannot be read: it {problem}.")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises:
        BadTable: see `open_regular`; or reading fails.
    """
    with open_regular(path, most) as file:
        try:
            return file.read(most + 1)
        except OSError as error:
            raise BadTable(f"{path} cannot be read: {error.strerror or error}.") from None
