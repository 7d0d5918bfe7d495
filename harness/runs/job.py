"""What executors make and the store keeps: runs of studies, and searches. The hash of its spec names a run."""

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

FORMAT = 5
"""Goes up when runs of equal specs would give other results than before."""
STUDY, SEARCH = "study", "search"
_LATER = {STUDY: (), SEARCH: ("plugins", "code")}
"""Kind -> keys that older specs of the kind lack; left out of the hash where they are empty, so that names stay."""


class Job(Protocol):
    """The spec of a run, as plain data."""

    @property
    def kind(self) -> str:
        """`study` or `search`: who makes the run."""
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
    """What scores are compared with: one accuracy of one table, which its digest identifies."""

    table: str
    measure: Measure
    digest: str

    @classmethod
    def find(cls, space_name: str, measure: Measure, named: str | None = None) -> Truth:
        """The measure in the named table, or in the one at hand that has it; NoSuchResult where there is none."""
        table = shelf.table_for(space_name, measure, named)
        return cls(named or table.path.name, measure, table.digest)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Truth:
        """The truth that `dataclasses.asdict` wrote."""
        return cls(content["table"], Measure(**content["measure"]), content["digest"])

    def open(self, space_name: str) -> GroundTruth:
        """The table.

        Raises:
            BadTable: the one at hand is another than when the run was planned, or was altered.
        """
        table = shelf.table_for(space_name, self.measure, self.table)
        if table.digest != self.digest:
            raise BadTable(f"{table.path} has changed since this run was planned. Plan it anew.")
        return table


def kind_of(content: Mapping[str, Any]) -> str:
    """The kind of the job whose `as_dict` gave this."""
    return SEARCH if content.get("kind") == SEARCH else STUDY


def hash_of(content: Mapping[str, Any]) -> str:
    """The hash of the job whose `as_dict` gave this, wherever its table and plug-ins lie; no plug-in is loaded.

    Raises:
        KeyError: its recipe has keys that this version lacks.
    """
    named = {**content, "recipe": content["recipe"] and recipes.hash_of(content["recipe"])}
    named["plugins"] = [plugin["sha256"] for plugin in content.get("plugins", ())]
    named["truth"] = {key: value for key, value in content["truth"].items() if key != "table"}
    for key in _LATER[kind_of(content)]:
        if not named.get(key):
            named.pop(key, None)
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]
