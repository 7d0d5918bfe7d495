"""What the studies that ship measured of each heuristic, from their tables of effects."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from supernet.benchmarks.plain_yaml import read_yaml
from supernet.harness.study import reading

REPORTS = Path(__file__).parents[2] / "results" / "reference"
SIGNIFICANT = 0.05
"""Largest p-value, corrected by Dunnett's method, of a change that is called clear."""


@dataclass(frozen=True)
class Effect:
    """The difference of Kendall's tau that a value of a heuristic made in a study."""

    study: str
    value: str
    runs: int
    difference: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """Say whether the change is clear, and in which direction."""
        if self.p >= SIGNIFICANT:
            return "undecided"
        return "raises tau" if self.difference > 0 else "lowers tau"


@dataclass(frozen=True)
class Source:
    """A study with a report that ships."""

    name: str
    title: str
    measure: str
    base_runs: int
    page: str | None
    """Its report, from the root of the site; None if only its tables ship."""


@cache
def effects() -> dict[str, list[Effect]]:
    """Heuristic -> what was measured of its values, in all studies whose tables ship."""
    found: dict[str, list[Effect]] = {}
    for path in tables():
        for heuristic, effect in _read(path):
            found.setdefault(heuristic, []).append(effect)
    return found


def tables() -> list[Path]:
    """Return the tables of effects that ship."""
    return sorted(REPORTS.glob("*/tables/effects.csv"))


def source(study: str) -> Source:
    """Return what a page says of a study."""
    content = read_yaml(reading.FOLDER / f"{study}.yaml")
    truth = content["truth"]
    with (REPORTS / study / "tables" / "effects.csv").open(encoding="utf-8", newline="") as file:
        base = next(row for row in csv.DictReader(file) if row["heuristic"] == "base")
    there = (REPORTS / study / "index.html").is_file()
    page = f"results/reference/{study}/index.html" if there else None
    return Source(study, content["title"], f"{content['space']}, {truth['dataset']}", int(base["runs"]), page)


def _read(path: Path) -> Iterator[tuple[str, Effect]]:
    """Yield heuristic and effect of every row that was tested."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["p_dunnett"]:
                numbers = (
                    float(row[name]) for name in ("difference", "difference_low", "difference_high", "p_dunnett")
                )
                name, value = named(row["heuristic"], row["value"])
                yield name, Effect(path.parents[1].name, value, int(row["runs"]), *numbers)


def named(heuristic: str, value: str) -> tuple[str, str]:
    """Return the heuristic whose page has a row of a table, and what the page calls the value.

    A setting that changes several heuristics together is on the page of the first, under all of its changes.
    """
    names, values = heuristic.split(" + "), value.split(" + ")
    if len(names) == 1:
        return heuristic, value
    return names[0], ", ".join(f"{name}={each}" for name, each in zip(names, values, strict=True))
