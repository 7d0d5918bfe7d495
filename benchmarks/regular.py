"""Functions that open files from elsewhere: only regular files, up to a stated size.

A named pipe or a device could block the reader, or never end. `open_plain` raises an OSError, for callers that add
their own message about the file; `open_regular` raises a BadTable with a complete message.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import IO, BinaryIO

from supernet.benchmarks.errors import BadTable, UserError

_OTHER = "not a regular file (but a folder, pipe, socket or device)"


class NotRegular(OSError):
    """A folder, pipe, socket or device where a file was expected."""


def open_plain(path: Path) -> BinaryIO:
    """Open a file for reading if it is a regular one; a symbolic link is followed first.

    Raises:
        NotRegular: it is something else.
        OSError: it cannot be opened.
    """
    descriptor = _opened(path, os.O_RDONLY)
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: see `open_plain`; or reading fails.
    """
    with open_plain(path) as file:
        return file.read()


def open_lock(path: Path) -> IO[bytes]:
    """Open a file to lock it; it is made if it is not there.

    Raises:
        NotRegular: it is something else than a regular file, such as a pipe, which opening would wait for.
        OSError: it cannot be opened.
    """
    return os.fdopen(_opened(path, os.O_RDWR | os.O_CREAT), "r+b")


def take_lock(file: IO[bytes], path: Path, *, wait: bool = True) -> None:
    """Keep other processes from locking an open file until it is closed.

    Args:
        path: the path of the file, for messages.
        wait: whether to wait while another process holds the lock.

    Raises:
        BlockingIOError: another process holds it, and this call does not wait.
        UserError: the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK):
            raise
        raise UserError(
            f"The file system of {path.parent} has no file locks ({error.strerror}), so that two processes "
            "could write the same files at once. Choose a folder on another file system. Some network file "
            "systems have an option for locks, such as `flock` of Lustre."
        ) from None


def open_regular(path: Path, most: int | None = None) -> BinaryIO:
    """Open a regular file like `open_plain`, with complete error messages for users.

    Args:
        most: the largest size in bytes that is accepted.

    Raises:
        BadTable: it cannot be opened, is not a regular file, or is larger.
    """
    try:
        file = open_plain(path)
    except NotRegular:
        raise BadTable(f"{path} cannot be read: it is {_OTHER}.") from None
    except OSError as error:
        raise BadTable(f"{path} cannot be read: {error.strerror or error}.") from None
    size = os.fstat(file.fileno()).st_size
    if most is not None and size > most:
        file.close()
        raise BadTable(f"{path} cannot be read: it has {size:,} bytes, where a sound file has at most {most:,}.")
    return file


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


def _opened(path: Path, mode: int) -> int:
    """The descriptor of a regular file; opening waits for nothing."""
    try:
        descriptor = os.open(path, mode | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except ValueError as error:  # a null character in the name
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def _not_regular(path: Path) -> NotRegular:
    if path.is_dir():
        return NotRegular(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return NotRegular(errno.EINVAL, _OTHER[0].upper() + _OTHER[1:], str(path))
