"""The folders of ground-truth tables and data sets."""

from __future__ import annotations

import os
from pathlib import Path

from supernet.benchmarks.errors import UserError

ENVIRONMENT = "SUPERNET_DATA"
"""Environment variable that names the data folder."""


def data_dir() -> Path:
    """The folder of imported tables and data sets: $SUPERNET_DATA, or the user's data folder; it may not exist."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named)
    import platformdirs  # imported here: a named folder can be read without it

    return platformdirs.user_data_path("supernet-study", appauthor=False)


def reading_dir() -> Path:
    """The data folder, for reading; the default folder may not exist yet.

    Raises:
        UserError: $SUPERNET_DATA names something that is not a folder.
    """
    folder = data_dir()
    if os.environ.get(ENVIRONMENT) and not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise UserError(
            f"{ENVIRONMENT} names the data folder {folder}, which {what}. Set it to the folder of your tables and data "
            "sets, make that folder, or unset the variable to use the default folder."
        )
    return folder


def found(path: Path) -> Path:
    """The path; a relative path that does not exist in the working folder is looked up in the data folder."""
    if path.is_absolute() or path.exists():
        return path
    there = data_dir() / path
    return there if there.exists() else path
