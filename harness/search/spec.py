"""A search run: one algorithm under one budget on one benchmark, for some seeds. Its hash names its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from supernet.harness.runs.job import FORMAT, SEARCH, Truth, hash_of
from supernet.harness.search.algorithms import registry as algorithms
from supernet.harness.search.algorithms.names import base_of
from supernet.harness.search.ledger import Budget
from supernet.heuristics import recipe as recipes
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe


@dataclass(frozen=True)
class SearchSpec:
    """Everything that a search run's results depend on."""

    space: str
    truth: Truth
    """The accuracies that the search observes at the most expensive fidelity: validation accuracies of a table."""
    fidelities: tuple[str, ...]
    """Epochs after which it can look architectures up, the cheapest first; the last one is that of `truth`."""
    algorithm: str
    budget: Budget
    seeds: tuple[int, ...]
    recipe: Recipe | None = None
    """The super-net's recipe; None for algorithms that share no weights."""
    plugins: tuple[Plugin, ...] = ()
    """Files to import first, which register the algorithm or the methods of its recipe."""
    code: str | None = None
    """The version of the algorithm's code, which distinguishes it from other code of the same name; default: that of
    the present code."""
    trains: Recipe | None = None
    """How architectures that the table lacks are trained; None if they cannot be queried."""
    kind: ClassVar[str] = SEARCH

    def __post_init__(self) -> None:
        if self.code is None:
            object.__setattr__(self, "code", self.present_code())

    def present_code(self) -> str:
        """Return the version of the present code, which distinguishes its results from those of other code."""
        return algorithms.code_of(base_of(self.algorithm))

    def as_dict(self) -> dict[str, Any]:
        """Return nested plain values, which `from_dict` reads."""
        recipe = None if self.recipe is None else self.recipe.as_dict()
        trains = None if self.trains is None else self.trains.as_dict()
        return {**dataclasses.asdict(self), "recipe": recipe, "trains": trains, "kind": SEARCH, "format": FORMAT}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SearchSpec:
        """Read the spec that `as_dict` wrote; its plug-ins are imported.

        Raises:
            UserError: a plug-in cannot be imported or has changed since then.
        """
        plugins = tuple(Plugin(**plugin) for plugin in content.get("plugins", ()))
        algorithms.use(plugins)
        return cls(
            content["space"],
            Truth.from_dict(content["truth"]),
            tuple(content["fidelities"]),
            content["algorithm"],
            Budget(**content["budget"]),
            tuple(content["seeds"]),
            None if content["recipe"] is None else recipes.from_dict(content["recipe"]),
            plugins,
            content.get("code", ""),
            recipes.from_dict(content["trains"]) if content.get("trains") else None,
        )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run; they do not depend on where its table and plug-ins are."""
        return hash_of(self.as_dict())

    @property
    def label(self) -> str:
        """The name of the run within its comparison: the algorithm and the seeds."""
        first, *more = self.seeds
        return f"{self.algorithm}, seed {first}" + (f" to {more[-1]}" if more else "")
