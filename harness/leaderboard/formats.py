"""Importers of published score files: from the bytes of a file to architectures and scores, higher being better."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed, quoted
from supernet.harness.correlation.naming import cell_hash
from supernet.harness.leaderboard.pickles import Array, unpickled


@dataclass(frozen=True)
class Written:
    """What a file says: architectures by official string, graph hash or official index, and a score of each."""

    architectures: Sequence[str] | Sequence[int]
    scores: NDArray[np.float64]
    """(n,); infinite or not a number where the file has it so."""


Importer = Callable[[bytes], Written]

_NAMED = re.compile(r"\('(\w+)', (\d)\)")
_NASLIB = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
"""Operations of NAS-Bench-201 by the numbers that NASLib gives them."""


def lists_of_operations(data: bytes) -> Written:
    """A JSON object: the cell as Python prints `[(('nor_conv_3x3', 0),), (…), (…)]` -> accuracy (few-shot NAS)."""
    content = json.loads(data)
    if not isinstance(content, dict):
        raise UserError("It is not a JSON object of cells and accuracies.")
    return Written([_of_list(cell) for cell in content], _numbers(content.values()))


def _of_list(cell: str) -> str:
    found = _NAMED.findall(cell)
    if [source for _, source in found] != ["0", "0", "1", "0", "1", "2"]:
        raise UserError(f"{quoted(cell)} does not list the six operations of a NAS-Bench-201 cell.")
    return _cell([op for op, _ in found])


def _cell(ops: Sequence[str]) -> str:
    """The official string of operations on the edges 0-1, 0-2, 1-2, 0-3, 1-3 and 2-3."""
    return "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops)


def naslib_proxy(column: str) -> Importer:
    """A column of a CSV file whose cells are tuples of NASLib's operation numbers, under the heading `net`."""

    def read(data: bytes) -> Written:
        cells, scores = _columns(data, "net", column)
        return Written([_of_tuple(cell) for cell in cells], _numbers(scores))

    return read


def _of_tuple(cell: str) -> str:
    """NASLib numbers the edges by where they begin: 0-1, 0-2, 0-3, 1-2, 1-3, 2-3."""
    numbers = [int(digit) for digit in re.findall(r"\d+", cell)]
    if len(numbers) != 6 or max(numbers) >= len(_NASLIB):
        raise UserError(f"{quoted(cell)} is not a tuple of six operation numbers.")
    ops = [_NASLIB[number] for number in numbers]
    return _cell([ops[0], ops[1], ops[3], ops[2], ops[4], ops[5]])


def indexed(column: str) -> Importer:
    """A column of a CSV file whose architectures are official indices, under the heading `index`."""

    def read(data: bytes) -> Written:
        indices, scores = _columns(data, "index", column)
        return Written([int(index) for index in indices], _numbers(scores))

    return read


def _columns(data: bytes, *names: str) -> list[list[str]]:
    """The columns of a CSV file with these headings."""
    lines = csv.reader(io.StringIO(data.decode("utf-8")))
    heads = next(lines, [])
    missing = [name for name in names if name not in heads]
    if missing:
        raise UserError(f"It has no column {listed(map(quoted, missing))}; it has {listed(map(quoted, heads))}.")
    places = [heads.index(name) for name in names]
    rows = [line for line in lines if line]
    return [[row[place] for row in rows] for place in places]


def pandas_frame(architecture: str, score: str) -> Importer:
    """Two columns of a pickled pandas frame in the layout of pandas 1: blocks of columns that share a type."""

    def read(data: bytes) -> Written:
        blocks = unpickled(data).state["_data"].state[3]["0.14.1"]
        names = list(blocks["axes"][0].arguments[0]["data"].values)
        columns: dict[str, Any] = {}
        for block in blocks["blocks"]:
            values = block["values"].values
            places = range(len(names))[block["mgr_locs"]]
            parts = [values] if isinstance(values, list) and len(places) == 1 else list(values)
            columns |= {names[place]: part for place, part in zip(places, parts, strict=True)}
        missing = [name for name in (architecture, score) if name not in columns]
        if missing:
            raise UserError(f"It has no column {listed(map(quoted, missing))}; it has {listed(map(quoted, columns))}.")
        return Written([str(cell) for cell in columns[architecture]], _numbers(columns[score]))

    return read


def nb101_results(data: bytes) -> Written:
    """A pickled list of records, each with a NAS-Bench-101 cell and its accuracy with shared weights.

    A cell that was drawn twice has the mean of its accuracies.
    """
    found: dict[str, list[float]] = {}
    for record in unpickled(data):
        about = record["full_metrics"].values[0]
        adjacency: Array = about["module_adjacency"]
        cell = cell_hash((np.asarray(adjacency.values).tolist(), about["module_operations"]))
        found.setdefault(cell, []).append(record["proxy_metrics"]["final_validation_accuracy"])
    return Written(list(found), _numbers([np.mean(values) for values in found.values()]))


def _numbers(values: Any) -> NDArray[np.float64]:
    """Scores as numbers; an empty text, as CSV files have it, is no number."""
    return np.array([np.nan if value == "" else value for value in values], dtype=np.float64)
