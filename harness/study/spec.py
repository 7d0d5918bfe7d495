"""A run: one recipe and seed, trained, scored and measured. Its hash names its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.join import measured_in
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.runs.job import FORMAT, STUDY, Truth, hash_of
from supernet.heuristics import recipe as recipes
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe


@dataclass(frozen=True)
class RunSpec:
    """Everything that a run's results depend on."""

    recipe: Recipe
    truth: Truth
    sample: str = "all"
    """Which architectures are scored: `all` that the ground truth has, or how many of them."""
    last_epochs: int = 1
    """How many of the last epochs are followed by scoring."""
    plugins: tuple[Plugin, ...] = ()
    free: tuple[str, ...] = ()
    """What is scored again in other ways, for comparisons that need no training (`harness.study.beside`)."""
    kind: ClassVar[str] = STUDY

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values; `free` only where there is something in it, so that it changes no name of other runs."""
        content = {**dataclasses.asdict(self), "recipe": self.recipe.as_dict(), "format": FORMAT}
        content["free"] = list(self.free)
        return content if self.free else {key: value for key, value in content.items() if key != "free"}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunSpec:
        """The spec that `as_dict` wrote."""
        plugins = tuple(Plugin(**plugin) for plugin in content["plugins"])
        for plugin in plugins:
            plugin.load()
        return cls(
            recipes.from_dict(content["recipe"]),
            Truth.from_dict(content["truth"]),
            content["sample"],
            content["last_epochs"],
            plugins,
            tuple(content.get("free", ())),
        )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run, wherever its plug-ins lie."""
        return hash_of(self.as_dict())

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
