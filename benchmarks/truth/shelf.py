"""Where ground-truth tables lie, and which of them answers a question."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from benchmarks.errors import BadTable, NoSuchResult, UserError
from benchmarks.truth.table import GroundTruth, Measure
from benchmarks.versions import DIGITS_VERSION

ENVIRONMENT = "SUPERNET_DATA"
EMBEDDED = Path(__file__).parents[1] / "embedded"
"""Tables that ship with the project."""


def data_dir() -> Path:
    """The folder of imported tables and data sets: $SUPERNET_DATA, or the user's data folder."""
    return Path(os.environ.get(ENVIRONMENT) or platformdirs.user_data_path("supernet-study", appauthor=False))


def tables() -> tuple[list[GroundTruth], list[str]]:
    """All ground-truth tables at hand, most results first, and what is wrong with Parquet files that look like one."""
    found, problems = [], []
    for path in [*sorted(data_dir().glob("*.parquet")), *sorted(EMBEDDED.glob("*.parquet"))]:
        if path.name.endswith(".curves.parquet"):
            continue
        try:
            table = opened(path)
        except BadTable as error:
            problems.append(str(error))
            continue
        if table.measures:
            found.append(table)
    return sorted(found, key=lambda table: (table.space, -len(table.measures), table.path.name)), problems


def is_embedded(table: GroundTruth) -> bool:
    """Whether the table ships with the project."""
    return table.path.parent == EMBEDDED


def opened(path: Path) -> GroundTruth:
    """The table at a path.

    Raises:
        BadTable: it is none, or it was measured on other digits than this version of the project makes.
    """
    table = GroundTruth(path)
    version = table.about.get("digits_version", DIGITS_VERSION)
    if version != DIGITS_VERSION:
        raise BadTable(
            f"{path} was measured on version {version} of the digits task, but this is version {DIGITS_VERSION}: "
            "they do not compare. Build it anew with `supernet benchmark build`, or install the version it came with."
        )
    return table


def covers(table: GroundTruth, space: str) -> bool:
    """Whether the table holds results for this space (NAS-Bench-101 does for its 1Shot1 sub-spaces)."""
    return table.space == space or (table.space == "nb101" and space.startswith("nb1shot1-"))


def table_for(space: str, measure: Measure, named: str | None = None) -> GroundTruth:
    """The table to judge scores by: the named one, or the one with most results that has this measure.

    Args:
        named: a path, or the file name (with or without .parquet) of a table in the data folder.

    Raises:
        UserError: there is none; says how to get one, or what the tables at hand have.
    """
    if named:
        places = [
            Path(named),
            *(folder / (named + end) for folder in (data_dir(), EMBEDDED) for end in ("", ".parquet")),
        ]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise UserError(
                f"There is no ground-truth table {named!r}, neither as a path nor in {data_dir()} nor among the "
                f"embedded ones ({', '.join(sorted(p.stem for p in EMBEDDED.glob('*.parquet')))})."
            )
        table = opened(path)
        if not covers(table, space):
            raise UserError(f"{path} holds results of {table.space}, not of {space}.")
        return table
    fitting = [table for table in tables()[0] if covers(table, space)]
    for table in fitting:
        if measure in table:
            return table
    if fitting:
        there = "\n".join(f"{table.path.name} ({table.family}):\n{table.describe()}" for table in fitting)
        how = "\n" + how_to_get(space, measure.dataset) if all(map(is_embedded, fitting)) else ""
        raise NoSuchResult(f"No table at hand has {measure} for {space}. There is:\n{there}{how}")
    raise UserError(how_to_get(space, measure.dataset))


def measure_for(space: str, dataset: str, split: str, epochs: str | None, seed: str) -> Measure:
    """The measure asked for; without epochs that of the largest budget that a table at hand has."""
    if epochs is not None:
        return Measure(dataset, split, epochs, seed)
    there = [m for table in tables()[0] if covers(table, space) for m in table.measures]
    fitting = [m for m in there if (m.dataset, m.split, m.seed) == (dataset, split, seed) and m.epochs.isdecimal()]
    if not fitting:
        raise NoSuchResult(f"No table at hand has {dataset} {split} ({seed}) for {space}. {how_to_get(space, dataset)}")
    return max(fitting, key=lambda m: int(m.epochs))


def how_to_get(space: str, dataset: str | None = None) -> str:
    """What to do when there is no ground truth for a space: on this data set, where it is said."""
    if dataset == "digits":
        return (
            "Tables of the embedded task are measured by this project: `supernet benchmark list` names them, and "
            f"`supernet benchmark build FILE.yaml` makes one for {space}."
        )
    source = "nats" if space == "nb201" else "nb101"
    command = "nb201" if space == "nb201" else "nb101"
    return (
        f"There is no ground truth for {space} in {data_dir()}. Get the official file with `supernet data fetch "
        f"{source}` and import it with `supernet data import {command} FILE`; or set {ENVIRONMENT} to a folder that "
        "has a table."
    )
