"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a file by one rename; whoever reads it sees the old content or the new."""
    write_lines(path, [text])


def write_json(path: Path, content: Any) -> None:
    """Likewise of JSON, in which a NaN is an error."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Likewise of lines that end as they shall in the file."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as out:
            out.writelines(lines)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
