"""The plug-ins of a comparison of searches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from supernet.harness.search.algorithms.registry import use

if TYPE_CHECKING:
    from supernet.harness.study.spec import Plugin


def load_plugins(files: Sequence[Path | str | Plugin]) -> tuple[Plugin, ...]:
    """Plug-ins, each once; the algorithms that they register are known afterwards, and those of no others.

    Raises:
        UserError: one cannot be read or imported, or registers a name that is taken.
    """
    if not files:  # a list of the algorithms waits for no more than it needs
        use(())
        return ()
    from supernet.harness.study.spec import Plugin

    read = [file if isinstance(file, Plugin) else Plugin.read(Path(file)) for file in files]
    loaded = tuple({plugin.sha256: plugin for plugin in read}.values())
    use(loaded)
    return loaded
