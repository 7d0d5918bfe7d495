"""A search run: one algorithm under one budget on one benchmark, for some seeds. Its hash names its results."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from supernet.harness.runs.job import FORMAT, SEARCH, Truth, hash_of
from supernet.harness.search.algorithms import registry as algorithms
from supernet.harness.search.ledger import Budget
from supernet.heuristics import recipe as recipes
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe


@dataclass(frozen=True)
class SearchSpec:
    """Everything that a search run's results depend on."""

    space: str
    truth: Truth
    """What the search observes: validation accuracies of a table, at the most expensive fidelity."""
    fidelities: tuple[str, ...]
    """Epochs at which it can look architectures up, from the cheapest up, the last one that of `truth`."""
    algorithm: str
    budget: Budget
    seeds: tuple[int, ...]
    recipe: Recipe | None = None
    """Of the super-net, for algorithms that share weights."""
    plugins: tuple[Plugin, ...] = ()
    """Files to be imported first, which register the algorithm or what its recipe names."""
    code: str | None = None
    """What tells the algorithm's code from other code of its name; that of the present code without."""
    kind: ClassVar[str] = SEARCH

    def __post_init__(self) -> None:
        if self.code is None:
            object.__setattr__(self, "code", self.present_code())

    def present_code(self) -> str:
        """What tells results that the code makes now from those of other code."""
        split = self.recipe is not None and self.recipe.sampling.batch == "split"  # whose costs were others once
        return algorithms.code_of(self.algorithm) + ("+split" if split else "")

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values."""
        recipe = None if self.recipe is None else self.recipe.as_dict()
        return {**dataclasses.asdict(self), "recipe": recipe, "kind": SEARCH, "format": FORMAT}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> SearchSpec:
        """The spec that `as_dict` wrote.

        Raises:
            UserError: a plug-in cannot be imported or has changed since.
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
        )

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the run, wherever its table and plug-ins lie."""
        return hash_of(self.as_dict())

    @property
    def label(self) -> str:
        """What tells it from other runs of the same comparison."""
        first, *more = self.seeds
        return f"{self.algorithm}, seed {first}" + (f" to {more[-1]}" if more else "")
