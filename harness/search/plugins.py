"""The plug-ins of a comparison of searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from supernet.harness.search.algorithms.registry import use
from supernet.heuristics.plugins import Plugin


def load_plugins(files: Sequence[Path | str | Plugin]) -> tuple[Plugin, ...]:
    """Load plug-ins, each once. Afterwards, algorithms of these plug-ins are registered, and none of other plug-ins.

    Raises:
        UserError: a plug-in cannot be read or imported, or registers a name that is taken.
    """
    read = [file if isinstance(file, Plugin) else Plugin.read(Path(file)) for file in files]
    loaded = tuple({plugin.sha256: plugin for plugin in read}.values())
    use(loaded)
    return loaded
