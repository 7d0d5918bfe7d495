"""Unpacks one folder of a tar archive, whole or not at all."""

from __future__ import annotations

import fcntl
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.regular import open_regular


def unpacked(archive: Path, name: str) -> Path:
    """The folder `name` of an archive, next to the archive; it is unpacked if it is not there yet.

    If several processes unpack one archive, one of them does the work and the others wait. Where the file system has no
    locks, each unpacks into a folder of its own, and the first one to finish gives its folder the final name.

    Raises:
        UserError: the archive is unsafe or damaged; nothing is unpacked.
        OSError: the disk cannot be written.
    """
    target = archive.with_name(name)
    with open_regular(archive) as file:
        locked = _locked(file)
        if target.is_dir():  # another process unpacked it meanwhile
            return target
        if locked:  # otherwise they may belong to a process that is at work
            for left in archive.parent.glob(f".{name}.*partial"):
                shutil.rmtree(left, ignore_errors=True)  # the remains of a killed process
        own = Path(tempfile.mkdtemp(".partial", f".{name}.", archive.parent))
        try:
            with tarfile.open(fileobj=file) as tar:
                tar.extractall(own, filter="data")
            _place(own / name, target)
        except (tarfile.TarError, EOFError, zlib.error, FileNotFoundError) as error:
            raise UserError(
                f"{archive} cannot be unpacked safely to {target}: {error}. Nothing was unpacked; do not use this "
                "archive."
            ) from error
        finally:
            shutil.rmtree(own, ignore_errors=True)
    return target


def _locked(file: BinaryIO) -> bool:
    """Wait until no other process unpacks the archive; False on a file system without locks, or without exclusive ones
    for files that are open for reading, such as NFS."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _place(folder: Path, target: Path) -> None:
    """Give the folder its final name, unless another process has unpacked the archive first."""
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
