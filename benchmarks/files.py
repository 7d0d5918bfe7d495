"""Files that appear whole or not at all, whether they can be written to a place, and digests of files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.regular import open_plain

PARTIAL = re.compile(r"^\..+\.(\d+)\.partial$")
"""Name of a file that is being written: the final name and the process id of its writer."""


def check_place(path: Path, option: str, *, folder: bool, sources: Iterable[Path] = ()) -> None:
    """Check, before any work, that a result can be written to a path.

    Args:
        option: the option or argument that the user gave it by.
        folder: whether the path is to be a folder; otherwise it is to be a file.
        sources: what the result is made from, which it must not replace.

    Raises:
        UserError: it is a file instead of a folder or the reverse, must not be written to, or is a source.
    """
    if path.exists() and path.is_dir() != folder:
        raise UserError(f"{option} {path} is a {'file' if folder else 'folder'}. Give another path.")
    above = path if folder and path.exists() else next(p for p in path.absolute().parents if p.exists())
    if not above.is_dir():
        raise UserError(f"Not a directory: {above}. It cannot hold {option} {path}.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"{option} {path}: {above} may not be written to.")
    if path.exists() and any(source.exists() and path.samefile(source) for source in sources):
        raise UserError(f"{option} {path} is also a source, which the result would replace. Give another path.")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path in the folder of `path`; it is renamed to `path` when the block ends without an error.

    A reader of `path` sees either the old or the new content. The content is on the disk before the rename, and the
    rename is on the disk before this returns, so that a loss of power leaves no empty file. Temporary files that killed
    writers of the same file left behind are removed.
    """
    _remove_orphans(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def replace(source: Path, target: Path) -> None:
    """Rename a file or folder, durably: its content reaches the disk first, then the rename itself."""
    for path in [source, *source.iterdir()] if source.is_dir() else [source]:
        if path.is_file() or path == source:
            sync(path)
    source.replace(target)
    sync(target.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_lines(path, [text])


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole; a NaN is an error."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file whole; each line must have its line ending."""
    with whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as out:
        out.writelines(lines)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a binary file whole."""
    with whole(path) as partial:
        partial.write_bytes(content)


def file_digests(path: Path, *algorithms: str) -> list[str]:
    """The file's digest by each of these algorithms (as `hashlib` names them), in hexadecimal.

    Raises:
        OSError: it cannot be read, or is not a regular file.
    """
    digests = [hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms]
    with open_plain(path) as file:
        while block := file.read(1 << 20):
            for digest in digests:
                digest.update(block)
    return [digest.hexdigest() for digest in digests]


def sync(path: Path) -> None:
    """Wait until a file or a folder's entries are on the disk; a file system without fsync is trusted."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_orphans(path: Path) -> None:
    """Remove temporary files of `path` whose writers are gone."""
    prefix = f".{path.name}."
    with suppress(OSError):
        for name in os.listdir(path.parent):
            found = PARTIAL.match(name)
            if found and name.startswith(prefix) and not _alive(int(found[1])):
                (path.parent / name).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
