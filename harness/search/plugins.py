"""The plug-ins of a comparison of searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supernet.harness.search.algorithms.registry import use
from supernet.heuristics.plugins import Plugin


def load_plugins(files: Path | str | Plugin | Sequence[Path | str | Plugin]) -> tuple[Plugin, ...]:
    """Load plug-ins, or a single one, each once. Afterwards, their algorithms are registered, and none of others.

    Raises:
        UserError: a plug-in cannot be read or imported, or registers a name that is taken.
    """
    every = [files] if isinstance(files, Path | str | Plugin) else files
    read = [file if isinstance(file, Plugin) else Plugin.read(Path(file)) for file in every]
    loaded = tuple({plugin.sha256: plugin for plugin in read}.values())
    use(loaded)
    return loaded
