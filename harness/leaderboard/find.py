"""Which files of the registry are at hand, and where the others can be had."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import file_digests
from supernet.benchmarks.regular import read_regular
from supernet.benchmarks.wording import listed, shown
from supernet.harness.leaderboard.formats import Written
from supernet.harness.leaderboard.sources import Entry, Repository, ScoreFile

MOST_BYTES = 64 << 20
"""Largest score file that is read, our choice; the largest of the registry has 3 million bytes."""
MOST_FILES = 1_000_000
"""Most files of a folder that are looked at, our choice."""


@dataclass(frozen=True)
class Shelf:
    """The files of the registry that were found."""

    paths: dict[str, Path]
    """SHA-256 -> file."""
    problems: list[str]
    """Files that have the place of one of the registry and another content."""

    def has(self, entry: Entry) -> bool:
        """Whether all files of the entry are at hand."""
        return all(file.sha256 in self.paths for file in entry.files)


def find(folders: Sequence[Path], entries: Sequence[Entry]) -> Shelf:
    """Look for the files of the registry, by name and digest, in folders and all folders below.

    A file counts where its name and its SHA-256 are those of the registry, wherever it lies.

    Raises:
        UserError: one of the folders is not there, or holds more than MOST_FILES files.
    """
    known = {file.sha256: file for entry in entries for file in entry.files}
    names = {PurePosixPath(file.path).name for file in known.values()}
    paths: dict[str, Path] = {}
    problems: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"There is no folder {folder}. Name folders that hold copies of the published files.")
        for path in _files(folder, names):
            digest = _digest(path)
            if digest is not None and digest in known:
                paths.setdefault(digest, path)
            elif place := _placed_as(path, known.values()):
                problems.append(f"{path} is named as {place.path}, but {_otherwise(digest, place)} It was left out.")
    return Shelf(paths, problems)


def _files(folder: Path, names: set[str]) -> list[Path]:
    """Files below the folder that have one of these names, in the order of their paths."""
    found, seen = [], 0
    for where, _, files in os.walk(folder):
        seen += len(files)
        if seen > MOST_FILES:
            raise UserError(
                f"{folder} holds more than {MOST_FILES:,} files. Name the folders of the score files alone."
            )
        found += [Path(where) / name for name in files if name in names]
    return sorted(found)


def _digest(path: Path) -> str | None:
    """SHA-256; None where the file cannot be read, or is too large to be of the registry."""
    try:
        return file_digests(path, "sha256")[0] if path.stat().st_size <= MOST_BYTES else None
    except OSError:
        return None


def _otherwise(digest: str | None, place: ScoreFile) -> str:
    """How a file differs from the one of the registry."""
    if digest is None:
        return f"it cannot be read, or has more than {MOST_BYTES:,} bytes."
    return f"its SHA-256 is {digest[:12]}… and not {place.sha256[:12]}…: it is another version, or was altered."


def _placed_as(path: Path, files: Iterable[ScoreFile]) -> ScoreFile | None:
    """The file of the registry whose whole path this one ends with."""
    parts = path.absolute().parts
    for file in files:
        own = PurePosixPath(file.path).parts
        if parts[-len(own) :] == own:
            return file
    return None


def read(entry: Entry, file: ScoreFile, path: Path) -> Written:
    """The scores of a file.

    Raises:
        UserError: the file is not of the form that the registry states, or names an architecture twice.
    """
    try:
        written = entry.read(read_regular(path, MOST_BYTES))
    except UserError as error:
        raise UserError(f"{path} cannot be read as {file.path} of {entry.repository.name}. {error}") from None
    except Exception as error:  # content of another form can fail in any way
        raise UserError(
            f"{path} cannot be read as {file.path} of {entry.repository.name}: it is not of that form "
            f"({type(error).__name__}: {shown(str(error))})."
        ) from None
    if len(set(written.architectures)) < len(written.architectures):
        raise UserError(f"{path} names an architecture twice, as {file.path} of {entry.repository.name} does not.")
    return written


def addresses(entries: Sequence[Entry]) -> list[str]:
    """Where the files of these entries can be had: two lines for each repository."""
    wanted: dict[Repository, dict[str, None]] = {}
    for entry in entries:
        wanted.setdefault(entry.repository, {}).update({file.path: None for file in entry.files})
    lines = []
    for repository, paths in wanted.items():
        lines.append(f"{repository.address} (licence: {repository.licence})")
        lines.append(f"    {_short(list(paths))}")
    return lines


def _short(paths: list[str]) -> str:
    """A path, or the folder that several are below, their number and their names."""
    if len(paths) == 1:
        return paths[0]
    folder = os.path.commonpath([os.path.dirname(path) for path in paths])
    return f"{folder}: {len(paths)} files named {listed(dict.fromkeys(PurePosixPath(path).name for path in paths))}"
