"""Genotypes: how DARTS (Liu et al., ICLR 2019) spells a pair of cells, read as plain values: no text is run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from supernet.benchmarks.errors import BadArchitecture
from supernet.benchmarks.wording import quoted

Cell = tuple[tuple[str, int], ...]
"""The edges of a cell, two for each node: (operation, number of the state that it reads)."""

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_CALL = re.compile(r"Genotype\((.*?),?\s*\)", re.DOTALL)
_RANGE = re.compile(r"range\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)")
_ARGUMENT = re.compile(r"\b([a-z_]+)\s*=")
_LAST_COMMA = re.compile(r",\s*([\])])")
_BRACKETS = str.maketrans("()'", '[]"')

LONGEST = 4_000
"""Characters of the longest text that is read: our choice. The spelling of two cells of four nodes takes about 500."""


def written(normal: Cell, reduce: Cell, concat: range) -> str:
    """Return the text of a genotype, as Python prints the named tuple of DARTS."""
    return f"Genotype(normal={list(normal)}, normal_concat={concat}, reduce={list(reduce)}, reduce_concat={concat})"


def read(text: str) -> dict[str, Any]:
    """Return the fields of a genotype: its text in Python or in JSON, with plain values.

    Raises:
        BadArchitecture: the text is not a genotype.
    """
    if len(text) > LONGEST:
        raise BadArchitecture(f"{quoted(text)} has {len(text):,} characters; a genotype has at most {LONGEST:,}")
    try:
        found = json.loads(_as_json(text), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BadArchitecture(
            f"{quoted(text)} is not a genotype of the form Genotype(normal=[('operation', state), …], "
            "normal_concat=range(2, 6), reduce=[…], reduce_concat=range(2, 6)), nor one in JSON"
        ) from None
    if not isinstance(found, dict) or set(found) != set(FIELDS):
        raise BadArchitecture(f"{quoted(text)} does not have the four fields of a genotype: {', '.join(FIELDS)}")
    return found


def _as_json(text: str) -> str:
    """The text with Python's brackets, quotes, ranges and names of arguments as JSON writes them."""
    call = _CALL.fullmatch(text.strip())
    if call is None:
        return text
    listed = _RANGE.sub(lambda bounds: str(list(range(int(bounds[1]), int(bounds[2])))), call[1])
    named = _ARGUMENT.sub(r'"\1": ', listed)
    return "{" + _LAST_COMMA.sub(r"\1", named).translate(_BRACKETS) + "}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field is given twice")
    return found


def checked_cells(fields: Mapping[str, Any], ops: Sequence[str], nodes: int) -> tuple[Cell, Cell]:
    """Return the edges of both cells of a genotype, whose values may come from a file.

    Args:
        fields: the four fields of a genotype.
        ops: the names of the operations.
        nodes: number of nodes of a cell. Node i reads states 0 … i + 1, and the output concatenates all nodes.

    Raises:
        BadArchitecture: a cell has another number of edges, an unknown operation, a state that its node cannot read,
            or an output that leaves a node out; the text says which.
    """
    for name in ("normal_concat", "reduce_concat"):
        concat = fields[name]
        whole = isinstance(concat, list | tuple) and all(type(state) is int for state in concat)
        if not whole or sorted(concat) != list(range(2, nodes + 2)):
            raise BadArchitecture(
                f"{name} is {quoted(concat)}; a cell of this space concatenates all of its nodes, "
                f"states 2 to {nodes + 1}"
            )
    return _edges(fields, "normal", ops, nodes), _edges(fields, "reduce", ops, nodes)


def _edges(fields: Mapping[str, Any], name: str, ops: Sequence[str], nodes: int) -> Cell:
    given = fields[name]
    if not isinstance(given, list | tuple) or len(given) != 2 * nodes:
        raise BadArchitecture(f"{name} is {quoted(given)}; a cell has {2 * nodes} edges, two for each node")
    edges = []
    for number, edge in enumerate(given):
        if not isinstance(edge, list | tuple) or len(edge) != 2:
            raise BadArchitecture(f"{name} has the edge {quoted(edge)}, not an operation and a state")
        op, state = edge
        if op not in ops:
            raise BadArchitecture(f"{name} has the unknown operation {quoted(op)}; known: {', '.join(ops)}")
        node = number // 2
        if type(state) is not int or not 0 <= state < node + 2:
            raise BadArchitecture(
                f"{name}: node {node + 2} reads state {quoted(state)}, but only states 0 to {node + 1} precede it"
            )
        edges.append((op, state))
    return tuple(edges)
