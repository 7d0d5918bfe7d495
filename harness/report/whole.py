"""Reports that appear whole: a folder of figures, tables and a page, built aside and then put in place."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from supernet.benchmarks.files import sync
from supernet.benchmarks.regular import open_lock, take_lock

PAGE = "index.html"
PATIENCE = 5.0
"""Seconds of waiting for another writer before a word is said."""
REMIND = 60.0
"""Seconds between words after that."""


@contextmanager
def writing(out: Path, *, check: Callable[[], None] = lambda: None) -> Iterator[Path]:
    """A temporary folder whose files move to `out` when the block ends without an error, the page last.

    One process at a time writes a report; others wait. A reader, or whoever looks after a kill, finds complete files
    in `out`: up to the moment of moving those of the old report. What killed writers left is removed.

    Args:
        check: called when no other process writes `out` any more; an error that it raises leaves `out` as it is.

    Raises:
        OSError: the folder cannot be written to.
    """
    _make(out.parent)
    # A name of fixed length, so that a report may have the longest name that the file system allows.
    stem = f".report-{hashlib.sha256(os.fsencode(out.name)).hexdigest()[:12]}"
    with _locked(out.parent / f"{stem}.lock", out):
        check()
        for left in out.parent.glob(f"{stem}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        partial = out.parent / f"{stem}.{os.getpid()}.partial"
        partial.mkdir()
        try:
            yield partial
            _move(partial, out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def results_folder(out: Path | str | None) -> Iterator[Path]:
    """The folder that results are kept in; without one, a temporary folder that is removed at the end."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="supernet-results-") as folder:
        yield Path(folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), error.filename) from None


@contextmanager
def _locked(path: Path, out: Path) -> Iterator[None]:
    """Hold the lock file; say so if another process does for long."""
    began = time.monotonic()
    remind = PATIENCE
    with open_lock(path) as lock:
        while True:
            try:
                take_lock(lock, path, wait=False)
                break
            except BlockingIOError:
                time.sleep(0.05)
            if time.monotonic() - began >= remind:
                remind += REMIND
                click.echo(f"Waiting for another process, which writes the report {out}.", err=True)
        yield


def _move(source: Path, target: Path) -> None:
    """Move every file to the same place under `target`, the page of the report last.

    The contents are on the disk before the first file moves, so that the moves take less than a millisecond together.
    """
    files = sorted((path for path in source.rglob("*") if path.is_file()), key=lambda path: (path.name == PAGE, path))
    for path in files:
        _make((target / path.relative_to(source)).parent)
        sync(path)
    for path in files:
        path.replace(target / path.relative_to(source))
    for folder in {path.parent for path in files}:
        sync(target / folder.relative_to(source))
