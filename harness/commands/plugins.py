"""The option --plugin: files of the user's own that register methods, heuristics and search algorithms."""

from __future__ import annotations

from pathlib import Path

import click


def _loaded(ctx: click.Context, parameter: click.Parameter, files: tuple[Path, ...]) -> tuple[Path, ...]:
    if files:
        from supernet.heuristics.plugins import load_all

        load_all(files)
    return files


PLUGIN = click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    callback=_loaded,
    help="Python file that registers methods or heuristics; may be given several times.",
)
"""The option --plugin. Its files are loaded before the command begins, so that recipes may name what they register."""
