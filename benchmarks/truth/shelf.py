"""The ground-truth tables in the data folder and in the package, and the choice of a table for a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from supernet.benchmarks.errors import BadTable, NoSuchResult, UserError
from supernet.benchmarks.spaces import DEFAULT_SPACE, OFFICIAL, REGISTRY, Official
from supernet.benchmarks.spaces import space as space_named
from supernet.benchmarks.truth.about import NotATable
from supernet.benchmarks.truth.asked import Asked
from supernet.benchmarks.truth.places import ENVIRONMENT, data_dir, reading_dir
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.versions import DIGITS_VERSION
from supernet.benchmarks.wording import listed, quoted

__all__ = [
    "EMBEDDED", "ENVIRONMENT", "Survey", "covers", "data_dir", "how_to_get", "intact_tables", "is_embedded",
    "measure_for", "opened", "reading_dir", "survey", "table_for", "tables",
]  # fmt: skip

EMBEDDED = Path(__file__).parents[1] / "embedded"
"""Tables that ship with the project."""


@dataclass(frozen=True)
class Survey:
    """The Parquet files in the data folder and in the package."""

    tables: list[GroundTruth]
    """Tables with accuracies, those with most results first."""
    damaged: list[str]
    """Messages about tables that cannot be used."""
    others: list[str]
    """Messages about Parquet files that are not tables of accuracies."""


def survey() -> Survey:
    """Open all Parquet files in the data folder and in the package.

    Raises:
        UserError: $SUPERNET_DATA names something that is not a folder.
    """
    found, damaged, others = [], [], []
    for path in [*sorted(reading_dir().glob("*.parquet")), *sorted(EMBEDDED.glob("*.parquet"))]:
        if path.name.endswith(".curves.parquet"):
            continue
        try:
            table = opened(path)
        except NotATable as error:
            others.append(str(error))
            continue
        except BadTable as error:
            damaged.append(str(error))
            continue
        if table.measures:
            found.append(table)
        else:
            others.append(f"{path} has no accuracy column (named DATASET.SPLIT.eEPOCHS.SEED).")
    return Survey(sorted(found, key=lambda t: (t.space, -len(t.measures), t.path.name)), damaged, others)


def tables() -> tuple[list[GroundTruth], list[str]]:
    """Return all ground-truth tables that are available, those with most results first, and messages about others.

    Raises:
        UserError: see `survey`.
    """
    there = survey()
    return there.tables, there.damaged + there.others


def intact_tables() -> tuple[list[GroundTruth], list[str]]:
    """The tables of `tables` whose contents match their recorded digest, if any, and messages about the others."""
    there, problems = tables()
    intact = []
    for table in there:
        try:
            table.check_contents()
        except BadTable as error:
            problems.append(str(error))
        else:
            intact.append(table)
    return intact, problems


def is_embedded(table: GroundTruth) -> bool:
    """Whether the table ships with the project."""
    return table.path.parent == EMBEDDED


def opened(path: Path) -> GroundTruth:
    """The table at a path.

    Raises:
        BadTable: there is no table, or it was measured on another version of the digits task.
    """
    table = GroundTruth(path)
    version = table.about.get("digits_version", DIGITS_VERSION)
    if version != DIGITS_VERSION:
        raise BadTable(
            f"{path} was measured on version {quoted(version)} of the digits task, but this is version "
            f"{DIGITS_VERSION}, and results of the two are not comparable. Build the table again with `supernet "
            "benchmark build`, or install the version of the project that it came with."
        )
    return table


def covers(table: GroundTruth, space: str) -> bool:
    """Whether the table holds results of this space, or all results of the benchmark that the space is a part of.

    A sample of that benchmark, which the project measured itself, has too few architectures of the part.
    """
    official = _official(space)
    whole = official is not None and table.space == official.name and "sample" not in table.about
    return table.space == space or whole


def _official(space: str) -> Official | None:
    """The benchmark whose official tables hold results of a space."""
    return space_named(space).official if space in REGISTRY else OFFICIAL.get(space)


def table_for(space: str, measure: Measure, named: str | None = None) -> GroundTruth:
    """The ground truth to compare scores with: the named table, or the one with most results for this measure.

    Args:
        named: a path, or the file name (with or without .parquet) of a table in the data folder.

    Raises:
        UserError: there is no table for the space; the text says how to get one.
        NoSuchResult: the named table, or every table at hand, lacks this measure; the text lists what there is.
    """
    at_hand = _named_or_covering(space, measure.dataset, named)
    for table in at_hand:
        if measure in table:
            return table
    raise _nothing(space, Asked(measure.dataset, measure.split, measure.epochs, measure.seed), at_hand, named)


def measure_for(
    space: str, dataset: str, split: str, epochs: str | None, seed: str, named: str | None = None
) -> Measure:
    """The requested measure in the tables' spelling; without epochs, the one of the largest budget in a table.

    Args:
        named: the table to look in, as for `table_for`; default: all at hand.

    Raises:
        UserError, NoSuchResult: as for `table_for`.
    """
    at_hand = _named_or_covering(space, dataset, named)
    there = [m for table in at_hand for m in table.measures]
    asked = Asked(dataset, split, epochs, seed).spelled_as(there)
    fitting = [m for m in there if (m.dataset, m.split, m.seed) == (asked.dataset, asked.split, asked.seed)]
    if epochs is None:
        fitting = [m for m in fitting if re.fullmatch(r"[0-9]{1,9}", m.epochs)]
        if fitting:
            return max(fitting, key=lambda m: int(m.epochs))
    elif any(m.epochs == epochs for m in fitting):
        return Measure(asked.dataset, asked.split, epochs, asked.seed)
    raise _nothing(space, asked, at_hand, named)


def _named_or_covering(space: str, dataset: str, named: str | None) -> list[GroundTruth]:
    """The named table, or all at hand with results of the space: at least one.

    Tables of the space itself come before those of the benchmark that it is a part of.
    """
    if named:
        return [_named(space, named)]
    there = survey()
    fitting = [table for table in there.tables if covers(table, space)]
    if not fitting:
        unusable = f" Unusable tables there: {' '.join(there.damaged[:2])}" if there.damaged else ""
        raise UserError(how_to_get(space, dataset) + unusable)
    return sorted(fitting, key=lambda table: table.space != space)


def _named(space: str, name: str) -> GroundTruth:
    places = [Path(name)]
    if not places[0].is_file():
        places = [folder / (name + end) for folder in (reading_dir(), EMBEDDED) for end in ("", ".parquet")]
    path = next((place for place in places if place.is_file()), None)
    if path is None and Path(name).exists():
        path = Path(name)  # opening a folder or device is refused
    if path is None:
        planned = name in {p.stem for p in EMBEDDED.glob("*.yaml")}
        how = f" `supernet benchmark build {name} --out {data_dir()}` measures it, in hours." if planned else ""
        raise UserError(
            f"There is no ground-truth table {quoted(name)}, neither as a path nor in {data_dir()} nor among the "
            f"embedded ones ({listed(sorted(p.stem for p in EMBEDDED.glob('*.parquet')))}).{how}"
        )
    table = opened(path)
    if not covers(table, space):
        raise UserError(f"{path} holds results of {quoted(table.space)}, not of {quoted(space)}.")
    return table


def _nothing(space: str, asked: Asked, at_hand: Sequence[GroundTruth], named: str | None) -> NoSuchResult:
    """The error for a measure that none of these tables (at least one) has."""
    instead = asked.instead([m for table in at_hand for m in table.measures])
    if named:
        return NoSuchResult(f"{at_hand[0].path.name} has no accuracy for {asked}: {instead}")
    names = listed((table.path.stem for table in at_hand), 6)
    how = how_to_get(space, asked.dataset) if all(map(is_embedded, at_hand)) else "`supernet data list` shows them."
    return NoSuchResult(f"No table at hand has {asked} for {space} ({names}): {instead} {how}")


def how_to_get(space: str = DEFAULT_SPACE, dataset: str | None = None) -> str:
    """Advice for a space without ground truth, on this data set if one is given."""
    official = _official(space)
    if dataset == "digits" or official is None:
        return (
            "Tables of the embedded task are measured by this project: `supernet benchmark list` names them, and "
            f"`supernet benchmark build FILE.yaml` makes one for {space}."
        )
    return (
        f"There is no ground truth for {space} in {data_dir()}. Get the official file with `supernet data fetch "
        f"{official.fetched_as}` and import it with `supernet data import {official.imported_as} FILE`; or set "
        f"{ENVIRONMENT} to a folder that has a table."
    )
