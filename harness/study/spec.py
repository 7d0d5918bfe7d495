"""A run: one recipe and seed, trained, scored and measured. Its hash names its results."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.regular import read_plain
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.heuristics import recipe as recipes
from supernet.heuristics.recipe import Recipe

FORMAT = 5
"""Goes up when runs of equal specs would give other results than before."""


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

    def open(self, space_name: str) -> GroundTruth:
        """The table.

        Raises:
            BadTable: the one at hand is another than when the run was planned, or was altered.
        """
        table = shelf.table_for(space_name, self.measure, self.table)
        if table.digest != self.digest:
            raise BadTable(f"{table.path} has changed since this run was planned. Plan it anew.")
        return table


@dataclass(frozen=True)
class Plugin:
    """A file of the user's that registers heuristics, samplers or other methods when it is imported."""

    path: str
    sha256: str

    @classmethod
    def read(cls, path: Path) -> Plugin:
        try:
            content = read_plain(path)
        except OSError as error:
            raise UserError(f"The plug-in {path} cannot be read: {error.strerror}.") from None
        return cls(str(path.resolve()), hashlib.sha256(content).hexdigest())

    def load(self) -> None:
        """Import the file, once in a process.

        Raises:
            UserError: it cannot be imported, or has changed since it was read.
        """
        name = f"supernet_plugin_{self.sha256[:16]}"
        if name in sys.modules:
            return
        if Plugin.read(Path(self.path)).sha256 != self.sha256:
            raise UserError(f"The plug-in {self.path} has changed since this run was planned. Plan it anew.")
        definition = importlib.util.spec_from_file_location(name, self.path)
        if definition is None or definition.loader is None:
            raise UserError(f"The plug-in {self.path} is no Python file: its name does not end in .py.")
        module = importlib.util.module_from_spec(definition)
        sys.modules[name] = module
        try:
            definition.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise UserError(f"The plug-in {self.path} cannot be imported: {type(error).__name__}: {error}.") from error


class Job(Protocol):
    """What executors make and the store keeps: runs of studies, and searches."""

    @property
    def hash(self) -> str: ...

    def as_dict(self) -> dict[str, Any]: ...

    def make(self, work: Path, device: str, report: Any) -> str:
        """Leave the files of a finished run in the work folder; the state: done or diverged."""
        ...


def job(content: Mapping[str, Any]) -> Job:
    """The spec that `as_dict` wrote, of whichever kind."""
    if content.get("kind") == "search":
        from supernet.harness.search.spec import SearchSpec

        return SearchSpec.from_dict(content)
    return RunSpec.from_dict(content)


def hash_of(content: Mapping[str, Any]) -> str:
    """The hash of the run that `RunSpec.as_dict` described; its plug-ins are not loaded.

    Raises:
        KeyError: its recipe has keys that this version lacks.
    """
    named = {**content, "recipe": recipes.hash_of(content["recipe"])}
    named["plugins"] = [plugin["sha256"] for plugin in content["plugins"]]
    named["truth"] = {key: value for key, value in content["truth"].items() if key != "table"}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RunSpec:
    """Everything that a run's results depend on."""

    recipe: Recipe
    truth: Truth
    sample: str = "all"
    """Which architectures are scored: all that the ground truth has, or so many of them."""
    last_epochs: int = 1
    """Scores are taken after each of so many last epochs."""
    plugins: tuple[Plugin, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values."""
        return {**dataclasses.asdict(self), "format": FORMAT}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunSpec:
        """The spec that `as_dict` wrote."""
        plugins = tuple(Plugin(**plugin) for plugin in content["plugins"])
        for plugin in plugins:
            plugin.load()
        truth = content["truth"]
        return cls(
            recipes.from_dict(content["recipe"]),
            Truth(truth["table"], Measure(**truth["measure"]), truth["digest"]),
            content["sample"],
            content["last_epochs"],
            plugins,
        )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run, wherever its plug-ins lie."""
        return hash_of(self.as_dict())

    def make(self, work: Path, device: str, report: Any) -> str:
        """Train, score and measure in the work folder; the state: done or diverged."""
        from supernet.harness.study.make import make

        return make(self, work, device, report)

    def architectures(self, table: GroundTruth) -> NDArray[np.int64]:
        """Indices of the architectures to score, all with ground truth, ascending: (n,).

        Raises:
            UserError: more are asked for than the table has.
        """
        within = space(self.recipe.space)
        known, rows = measured_in(within, table)
        m = self.truth.measure
        known = known[~np.isnan(table.readings(m.dataset, m.split, m.epochs, m.seed, rows))]
        if self.sample == "all":
            return known
        if int(self.sample) > len(known):
            raise UserError(
                f"The study scores {int(self.sample):,} architectures, but {table.path.name} has {len(known):,} of "
                f"{within.name}. Lower `sample`, or say `sample: all`."
            )
        return np.sort(within.sample(np.random.default_rng(0), int(self.sample), among=known))
