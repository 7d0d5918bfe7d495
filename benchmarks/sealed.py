"""Content that carries its own SHA-256, so that damage is seen before anything parses the content.

The checksum is appended, which makes content and checksum one file that one rename replaces. Readers of ZIP archives
(`torch.load` among them) ignore data after the archive.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

MARK = b"\nsupernet-study sha256 "
_SEAL = re.compile(re.escape(MARK) + rb"([0-9a-f]{64})\n\Z")
_LENGTH = len(MARK) + 64 + 1


class Unsealed(Exception):
    """The checksum is missing or does not match the content; the text says which."""


def sealed(content: bytes | memoryview) -> bytes:
    """The content followed by its checksum."""
    return b"".join((content, MARK, hashlib.sha256(content).hexdigest().encode(), b"\n"))


def unsealed(data: bytes) -> memoryview:
    """The content, without its checksum.

    Raises:
        Unsealed: the checksum is missing or does not match.
    """
    found = _SEAL.search(data[-_LENGTH:])
    if found is None:
        raise Unsealed("its checksum is missing")
    content = memoryview(data)[:-_LENGTH]
    if hashlib.sha256(content).hexdigest().encode() != found[1]:
        raise Unsealed("its content does not match its checksum")
    return content


def put_aside(path: Path) -> Path:
    """Rename a damaged file to the first free name of NAME.damaged-1, NAME.damaged-2, …, and return that name."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside
