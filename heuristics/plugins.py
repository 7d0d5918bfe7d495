"""Plug-ins: Python files of a user that register methods, heuristics or search algorithms when they are imported."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.regular import read_plain

_importing: list[Plugin] = []
"""The plug-ins that are being imported now, the innermost last."""


@dataclass(frozen=True)
class Plugin:
    """A Python file, identified by its content."""

    path: str
    sha256: str
    """SHA-256 of the content, hexadecimal."""

    @classmethod
    def read(cls, path: Path) -> Plugin:
        """Read a plug-in from a file, without importing it.

        Raises:
            UserError: the file cannot be read.
        """
        return cls(str(path.resolve()), hashlib.sha256(_content(path)).hexdigest())

    def load(self) -> None:
        """Import the file, once per process.

        Raises:
            UserError: the file cannot be imported, or has changed since it was read.
        """
        name = f"supernet_plugin_{self.sha256[:16]}"
        if name in sys.modules:
            return
        content = _content(Path(self.path))
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise UserError(f"The plug-in {self.path} has changed since this run was planned. Plan the run again.")
        definition = importlib.util.spec_from_file_location(name, self.path)
        if definition is None or definition.loader is None:
            raise UserError(f"The plug-in {self.path} is not a Python file: its name does not end in .py.")
        module = importlib.util.module_from_spec(definition)
        sys.modules[name] = module
        _importing.append(self)
        try:
            # Not by the loader: a bytecode cache goes by time stamp and size, and could hold another content.
            exec(compile(content, self.path, "exec", dont_inherit=True), module.__dict__)
        except Exception as error:
            del sys.modules[name]
            if isinstance(error, UserError):
                raise UserError(f"The plug-in {self.path} cannot be imported: {error}") from error
            raise UserError(f"The plug-in {self.path} cannot be imported: {type(error).__name__}: {error}.") from error
        finally:
            _importing.pop()


def _content(path: Path) -> bytes:
    try:
        return read_plain(path)
    except OSError as error:
        raise UserError(f"The plug-in {path} cannot be read: {error.strerror}.") from None


def load_all(files: Path | str | Sequence[Path | str]) -> tuple[Plugin, ...]:
    """Import these files, or this single one, each once per process, and return them as plug-ins.

    Raises:
        UserError: one of them cannot be read or imported.
    """
    every = [files] if isinstance(files, Path | str) else files
    plugins = tuple(Plugin.read(Path(file)) for file in every)
    for plugin in plugins:
        plugin.load()
    return plugins


def importing() -> Plugin | None:
    """Return the plug-in that is being imported now, which owns everything registered meanwhile; None if none is."""
    return _importing[-1] if _importing else None
