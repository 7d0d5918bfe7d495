"""Reads one value as the name of an architecture: an index, an official string, a graph hash, or a cell's graph."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.spaces import nb101
from supernet.benchmarks.wording import quoted

LONGEST = 4000
"""Most characters of a cell that names an architecture."""
LARGEST, EXACT = (1 << 63) - 1, 1 << 53
"""Largest index of a space, and largest whole number up to which floating-point numbers are exact."""

_WRAPPED = re.compile(r"\w+\([^|]*(\|.*\|)\s*\)", re.DOTALL)
"""The `repr` of an architecture object, such as Structure(4 nodes with |…|)."""


def checked(value: Any) -> Any:
    """The value, if it may name an architecture.

    Raises:
        BadArchitecture: it is missing, too long or of another type.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        raise BadArchitecture("the architecture is missing")
    if isinstance(value, str) and len(value) > LONGEST:
        raise BadArchitecture(f"{quoted(value)} is too long to name an architecture")
    if not isinstance(value, str | int | float | tuple) or isinstance(value, bool):
        raise BadArchitecture(f"{quoted(value)} names no architecture")
    return value


def as_index(value: Any) -> int | None:
    """The whole number that the value is or spells; None if it is something else.

    Raises:
        BadArchitecture: it is too large for an index, is not exact, or begins with a zero.
    """
    if isinstance(value, int):
        return _bounded(value)
    if isinstance(value, float) and value.is_integer():
        return _bounded(int(value), exact=EXACT)
    if not isinstance(value, str) or not (found := re.fullmatch(r"\s*([0-9]{1,19})(\.0*)?\s*", value)):
        return None
    if len(found[1]) > 1 and found[1][0] == "0":
        raise BadArchitecture(
            f"{value.strip()!r} begins with a zero, but no index does; instead of operation numbers, give official "
            "strings"
        )
    return _bounded(int(found[1]), exact=EXACT if found[2] else LARGEST)


def _bounded(index: int, exact: int = LARGEST) -> int:
    """The index.

    Args:
        exact: the largest number that is exact in the form in which the index is written.

    Raises:
        BadArchitecture: it is too large, or not exact.
    """
    if abs(index) > LARGEST:
        raise BadArchitecture(f"index {quoted(index)} is too large")
    if abs(index) > exact:
        raise BadArchitecture(
            f"index {index} is written as a floating-point number, which has lost its last digits; write whole numbers "
            "or official strings"
        )
    return index


def spelling_of(value: Any) -> str:
    """The official string that a value holds, without the name of the class that printed it."""
    text = str(value).strip()
    wrapped = _WRAPPED.fullmatch(text)
    return wrapped[1] if wrapped else text


def is_hash(value: Any) -> bool:
    """Whether the value is a NAS-Bench-101 graph hash."""
    return isinstance(value, str) and nb101.is_hash(value.strip())


def cell_hash(value: Any) -> str:
    """Hash of a cell given by its string or as (matrix, operations), either of which may be text.

    Raises:
        BadArchitecture: the value does not name a valid cell.
    """
    if isinstance(value, tuple):
        cell = _cell_of_graph(*(_decoded(part) for part in value))
    elif isinstance(value, str):
        cell = nb101.Cells.from_string(spelling_of(value))
    else:
        raise BadArchitecture(f"{quoted(value)} names no architecture")
    if not cell.valid[0]:
        raise BadArchitecture("the cell has no path from input to output, or more than nine edges")
    return cell.hashes()[0]


def _cell_of_graph(matrix: Any, ops: Any) -> nb101.Cells:
    """The cell of a matrix and operations; a vertex on no path from input to output may have the operation `none`."""
    try:
        rows, names = [list(row) for row in matrix], [str(op) for op in ops]
        if any(isinstance(cell, bool | list) or int(cell) != cell for row in rows for cell in row):
            raise BadArchitecture("the matrix is not upper triangular with entries 0 and 1")
    except (TypeError, ValueError, OverflowError):
        raise BadArchitecture(f"{quoted(matrix)} and {quoted(ops)} are not a matrix and operations") from None
    absent = [vertex for vertex, name in enumerate(names) if name == "none"]
    if not absent or len({len(rows), *map(len, rows)}) > 1:
        return _from_matrix(rows, names)
    filled = _from_matrix(rows, [nb101.OPS[0] if name == "none" else name for name in names])
    # The operations may include those of the input and output vertices, or not.
    first = 0 if len(names) == len(rows) else 1
    used = any(filled.used[0, vertex + first] for vertex in absent)
    return _from_matrix(rows, names) if used else filled


def _from_matrix(rows: list[list[Any]], names: list[str]) -> nb101.Cells:
    try:
        return nb101.Cells.from_matrix(rows, names)
    except (TypeError, ValueError, IndexError, OverflowError):
        raise BadArchitecture(f"{quoted(rows)} and {quoted(names)} are not a matrix and operations") from None


def _decoded(part: Any) -> Any:
    """A list, or the list that a text holds as JSON or as Python prints it."""
    if not isinstance(part, str):
        return part
    if len(part) > LONGEST:
        raise BadArchitecture(f"{quoted(part)} is too long for a matrix or operations")
    as_json = re.sub(r",\s*\]", "]", part.translate(str.maketrans("'()", '"[]')))
    try:
        return json.loads(as_json)
    except (ValueError, RecursionError):
        raise BadArchitecture(f"{quoted(part)} is neither JSON nor a Python list") from None
