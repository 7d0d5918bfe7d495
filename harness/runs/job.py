"""Jobs: specs of the runs that executors make and the store keeps, for studies and searches.

A run is named by the hash of its spec.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.heuristics import recipe as recipes

FORMAT = 6
"""Version of the results; it goes up when runs of equal specs would give other results than before."""
STUDY, SEARCH = "study", "search"
"""The kinds of jobs."""
_LATER = {STUDY: (), SEARCH: ("plugins", "code", "trains")}
"""Kind -> keys that older specs lack. Empty ones are left out of the hash, so that the names of runs stay the same."""


class Job(Protocol):
    """The spec of a run, as plain data."""

    @property
    def kind(self) -> str:
        """STUDY or SEARCH, which decides how the run is made."""
        ...

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values."""
        ...


@dataclass(frozen=True)
class Truth:
    """What scores are compared with: one measure of one table, which is identified by its digest."""

    table: str
    measure: Measure
    digest: str

    @classmethod
    def find(cls, space_name: str, measure: Measure, named: str | None = None) -> Truth:
        """The measure in the named table, or by default in an available table that has it.

        Raises:
            NoSuchResult: no table has it.
        """
        table = shelf.table_for(space_name, measure, named)
        return cls(named or table.path.name, measure, table.digest)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Truth:
        """The truth that `dataclasses.asdict` wrote."""
        return cls(content["table"], Measure(**content["measure"]), content["digest"])

    def open(self, space_name: str) -> GroundTruth:
        """The table.

        Raises:
            BadTable: it is not the same as when the run was planned, or was altered.
        """
        table = shelf.table_for(space_name, self.measure, self.table)
        if table.digest != self.digest:
            raise BadTable(f"{table.path} has changed since this run was planned. Plan the run again.")
        return table


def kind_of(content: Mapping[str, Any]) -> str:
    """The kind of the job whose `as_dict` gave this."""
    return SEARCH if content.get("kind") == SEARCH else STUDY


def hash_of(content: Mapping[str, Any]) -> str:
    """The hash of the job whose `as_dict` gave this, wherever its table and plug-ins are stored; it loads no plug-in.

    Raises:
        KeyError: its recipe has keys that this version lacks.
    """
    named = {**content, "recipe": content["recipe"] and recipes.hash_of(content["recipe"])}
    if named.get("trains"):
        named["trains"] = recipes.hash_of(content["trains"])
    named["plugins"] = [plugin["sha256"] for plugin in content.get("plugins", ())]
    named["truth"] = {key: value for key, value in content["truth"].items() if key != "table"}
    for key in _LATER[kind_of(content)]:
        if not named.get(key):
            named.pop(key, None)
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
