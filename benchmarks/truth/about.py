"""The metadata of a ground-truth table, with digests that verify the metadata and the table's contents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.wording import listed, quoted

if TYPE_CHECKING:
    import pyarrow as pa

METADATA_KEY = b"ground_truth"
CONTENT_KEY, ABOUT_KEY = "content_sha256", "about_sha256"
"""Metadata keys of the digest of the columns' names and values, and of the digest of the other metadata."""
MOST_METADATA = 1_000_000
"""Largest size of the `ground_truth` metadata in bytes, our choice; real tables have about a thousand."""


class NotATable(BadTable):
    """The file is not a ground-truth table; it may be an intact file of another kind."""


def read_about(path: Path, text: bytes | None) -> dict[str, Any]:
    """The `ground_truth` metadata of a file, checked.

    Raises:
        NotATable: the file has no such metadata, or they describe something else.
        BadTable: the metadata are damaged, or were altered after they were written.
    """
    if text is None:
        raise NotATable(
            f"{path} is not a ground-truth table: its schema metadata lack a `ground_truth` object. Import one with "
            "`supernet data import`."
        )
    try:
        about = json.loads(text) if len(text) <= MOST_METADATA else None
    except (ValueError, RecursionError):
        about = None
    required = ("space", "family", "accuracy_unit")
    if isinstance(about, dict) and any(key not in about for key in required):
        raise NotATable(
            f"{path} is not a ground-truth table: the `ground_truth` object of its schema metadata lacks "
            f"{listed(key for key in required if key not in about)}. Import one with `supernet data import`."
        )
    if not isinstance(about, dict) or not all(
        isinstance(about[key], str) and 0 < len(about[key]) <= 200 for key in required[:2]
    ):
        raise BadTable(
            f"{path} is not a ground-truth table: the `ground_truth` object of its schema metadata is damaged. Import "
            "one with `supernet data import`."
        )
    if (unit := about["accuracy_unit"]) != "percent":
        raise BadTable(f"{path} gives accuracies in {quoted(unit)}; a ground-truth table holds percent.")
    if ABOUT_KEY in about and about[ABOUT_KEY] != _about_digest(about):
        raise BadTable(
            f"{path} was altered after it was written: its `ground_truth` metadata do not agree with their recorded "
            "SHA-256. Import or copy the table again."
        )
    return about


def _about_digest(about: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in about.items() if key != ABOUT_KEY}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def written_about(about: Mapping[str, Any], content: str) -> bytes:
    """The metadata as they are stored, with the digest of the table's contents and their own."""
    about = {**about, CONTENT_KEY: content}
    return json.dumps({**about, ABOUT_KEY: _about_digest(about)}).encode()


def content_digest(names: Iterable[str], columns: Iterable[pa.Array | pa.ChunkedArray]) -> str:
    """SHA-256 over the columns' names and values, independent of the file's compression and layout."""
    import pyarrow as pa

    digest = hashlib.sha256()
    for name, column in zip(names, columns, strict=True):
        digest.update(f"\0{name}\0".encode())
        values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        numbers = None if is_text(column.type) else values.to_numpy(zero_copy_only=False)
        if numbers is None or numbers.dtype.kind == "O":  # the bytes of an object array are addresses
            digest.update(json.dumps(column.to_pylist(), default=repr).encode())
        else:
            digest.update(np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
