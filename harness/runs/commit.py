"""The commit of the project by which a run was made."""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def commit() -> str | None:
    """The project's commit, with a + if the working tree differs from it; None outside a clone of the project.

    A package that is installed inside another repository, for example in its virtual environment, has no commit,
    because that repository's commit is not the project's.
    """
    root = Path(__file__).resolve().parents[2]
    top = _git(root, "rev-parse", "--show-toplevel")
    if not top or not Path(top).samefile(root):
        return None
    head = _git(root, "rev-parse", "--short=12", "HEAD")
    # Without optional locks: a commit of the user at this moment would fail if git wrote its index here.
    changed = _git(root, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return None if not head or changed is None else head + "+" * bool(changed)


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails. Git does not see variables such as GIT_DIR."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        told = subprocess.run(
            ["git", *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return told.stdout.rstrip("\n")
