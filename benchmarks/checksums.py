"""Checksums of files, read once and in blocks."""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_digests(path: Path, *algorithms: str) -> list[str]:
    """The file's digest by each of these algorithms (as `hashlib` names them), in hexadecimal."""
    digests = [hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms]
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for digest in digests:
                digest.update(block)
    return [digest.hexdigest() for digest in digests]
