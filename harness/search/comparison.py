"""A comparison of search algorithms: the benchmark, the budget, the seeds, and the accuracies that a report shows."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from supernet.benchmarks.errors import NoSuchResult, UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.tasks.split import is_whole
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.benchmarks.wording import listed, nearest, quoted
from supernet.harness.runs.job import Truth
from supernet.harness.search.algorithms.moves import moves
from supernet.harness.search.algorithms.names import algorithm_of, ships
from supernet.harness.search.algorithms.registry import QueryAlgorithm, recipe_for
from supernet.harness.search.costs import seconds_per_pass
from supernet.harness.search.ledger import NAMES, Budget
from supernet.harness.search.make import maker_of
from supernet.harness.search.objectives.table import Table, objective
from supernet.harness.search.objectives.training import epochs_of, recipe_of
from supernet.harness.search.probing import Probing
from supernet.harness.search.sharing import oracle_of
from supernet.harness.search.spec import SearchSpec
from supernet.harness.training.run import task_of
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe

MOST_SEEDS = 100_000
"""Largest number of seeds of a comparison, our choice."""
BLOCK = 25
"""Number of seeds in one run of an algorithm that queries a table, our choice: their searches take no longer than
reading the table. Those that look at untrained networks take longer, and have runs of one seed."""


@dataclass(frozen=True)
class Scene:
    """The defaults of comparisons on one data set of a benchmark."""

    observed: Measure
    """The accuracy that searches observe."""
    fidelities: tuple[str, ...]
    """Epochs at which algorithms of several fidelities query."""
    reported: tuple[Measure, ...]
    """The accuracies of picks that the report shows; regret is computed from the first."""
    recipe: tuple[str, ...]
    """Changes of the default recipe for super-nets, as `section.key=value`."""
    repeats: tuple[str, ...] = ()
    """Seeds of the table to observe instead, in this order, if no table has the seed of `observed`."""


# Super-nets of NAS-Bench-201's size, trained as in its weight-sharing experiments (configs/nas-benchmark/algos of
# D-X-Y/AutoDL-Projects): half of the training images train the weights, the other half the distribution.
_GPU = (
    "training.batch_size=64", "training.learning_rate=0.025", "training.final_learning_rate=0.001",
    "training.nesterov=true", "training.weight_decay=5e-4", "network.bn_affine=false", "task.train_portion=0.5",
    "evaluation.images=5000", "evaluation.batch_size=512", "evaluation.metric=accuracy",
)  # fmt: skip
_DIGITS = (
    "task.name=digits", "task.train_images=2000", "task.valid_images=2000", "network.channels=8", "network.cells=1",
    "network.bn_affine=false", "training.batch_size=64", "training.learning_rate=0.05",
    "training.final_learning_rate=0.001", "evaluation.images=500", "evaluation.metric=accuracy",
)  # fmt: skip
_THREE = (
    Measure("cifar10", "test", "200", "mean"),
    Measure("cifar10-valid", "valid", "200", "mean"),
    Measure("cifar100", "valid", "200", "mean"),
    Measure("cifar100", "test", "200", "mean"),
    Measure("imagenet16-120", "valid", "200", "mean"),
    Measure("imagenet16-120", "test", "200", "mean"),
)


def _of_nb201(dataset: str, observed: str) -> Scene:
    """Make the scene of a data set of NAS-Bench-201; it reports all accuracies, the test accuracy on this one first."""
    reported = sorted(_THREE, key=lambda m: (m.dataset, m.split) != (dataset, "test"))
    seen = Measure(observed, "valid", "12", "mean")
    return Scene(seen, ("12", "200"), tuple(reported), (f"task.name={dataset}", *_GPU))


_OF_DIGITS = Scene(Measure("digits", "valid", "1", "s0"), ("1",), (Measure("digits", "test", "1", "s0"),), _DIGITS)
_OF_TOPOLOGY = Scene(
    Measure("digits", "valid", "4", "s0"), ("1", "4"), (Measure("digits", "test", "4", "mean"),), _DIGITS
)
_OF_NB101 = Scene(
    Measure("cifar10", "valid", "108", "one"),
    ("4", "12", "36", "108"),
    (Measure("cifar10", "test", "108", "mean"),),
    ("task.name=cifar10", "network.cells=3", *_GPU),
    repeats=("r0",),
)
_OF_NB201 = {
    "cifar10": _of_nb201("cifar10", "cifar10-valid"),
    "cifar100": _of_nb201("cifar100", "cifar100"),
    "imagenet16-120": _of_nb201("imagenet16-120", "imagenet16-120"),
}
# These defaults are our choice, for each benchmark that has results.
_SCENES: dict[str, dict[str, Scene]] = {
    "nb201": {**_OF_NB201, "digits": _OF_DIGITS},
    "nb201-topology": {**_OF_NB201, "digits": _OF_TOPOLOGY},
    "nb1shot1-1": {"digits": _OF_DIGITS, "cifar10": _OF_NB101},
    **{name: {"cifar10": _OF_NB101} for name in ("nb1shot1-2", "nb1shot1-3")},
}
SCENES = {(where, dataset): scene for where, scenes in _SCENES.items() for dataset, scene in scenes.items()}
"""(Space, data set) -> scene."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of search algorithms under one budget, with several seeds each."""

    space: str
    dataset: str
    algorithms: tuple[str, ...]
    """Names of the algorithms, as `algorithm_of` reads them."""
    budget: Budget
    seeds: int
    """Number of seeds, which are 0, 1, …"""
    table: str | None = None
    """Name or path of the ground-truth table; default: the first suitable one."""
    epochs: str | None = None
    """Fidelity that algorithms of one fidelity observe; default: that of the scene."""
    only: tuple[str, ...] | None = None
    """Fidelities that algorithms of several fidelities use; default: those of the scene that the table has."""
    overrides: tuple[str, ...] = ()
    """Changes of the super-nets' base recipe, as `section.key=value`."""
    rate: float = 1.0
    """Factor of the learning rates of distributions, for searches whose length differs from that of published ones."""
    plugins: tuple[Plugin, ...] = ()
    """Files that register algorithms, or methods of the super-nets' recipes."""
    trains: bool = False
    """Whether architectures that the table lacks are trained when a search queries them."""
    truth_seed: str | None = None
    """Seed or repeat of the table whose accuracies searches observe; default: that of the scene."""

    def __post_init__(self) -> None:
        # The benchmarks' own spellings, such as CIFAR-10 and ImageNet16-120, are accepted, too.
        folded = {_folded(where, dataset): (where, dataset) for where, dataset in SCENES}
        known = folded.get(_folded(self.space, self.dataset))
        if known is None:
            raise UserError(_no_scene(self.space, self.dataset))
        object.__setattr__(self, "space", known[0])
        object.__setattr__(self, "dataset", known[1])
        if not is_whole(self.seeds) or not 1 <= self.seeds <= MOST_SEEDS:
            raise UserError(f"A comparison has 1 to {MOST_SEEDS:,} seeds, not {quoted(self.seeds)}.")
        object.__setattr__(self, "seeds", int(self.seeds))
        if isinstance(self.rate, bool) or not isinstance(self.rate, int | float) or not 0 < self.rate < math.inf:
            raise UserError(
                f"The factor of learning rates, --rate (`rate`), must be above 0 and finite, not {quoted(self.rate)}."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values. Plug-ins are described by file names without folders, which differ between machines."""
        plugins = [{"path": Path(p.path).name, "sha256": p.sha256} for p in self.plugins]
        return {**dataclasses.asdict(self), "plugins": plugins}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Comparison:
        """Read the comparison that `as_dict` wrote, after a way through JSON; keys of later versions are ignored."""
        known = {field.name for field in dataclasses.fields(cls)}
        lists = {key: tuple(content[key]) for key in ("algorithms", "overrides")}
        only = content["only"] and tuple(content["only"])
        plugins = tuple(Plugin(**plugin) for plugin in content.get("plugins", ()))
        return cls(
            **{
                **{key: value for key, value in content.items() if key in known},
                **lists,
                "only": only,
                "budget": Budget(**content["budget"]),
                "plugins": plugins,
            }
        )

    @property
    def identity(self) -> str:
        """Hexadecimal digits that are equal for two comparisons if and only if they compare the same searches."""
        parts = [self.space, self.dataset, *sorted(spec.hash for spec in self.specs())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def name(self) -> str:
        """The default name of the report, such as nb201-cifar10-12000s-3f2a91."""
        return f"{self.space}-{self.dataset}-{self.budget.short}-{self.identity[:6]}"

    def check(self) -> None:
        """Look for problems that are certain before any search begins.

        Raises:
            UserError: there are problems; the text has a line for each.
        """
        found: dict[str, None] = {}
        for name in self.algorithms:
            try:
                sharing = not isinstance(algorithm_of(name), QueryAlgorithm)
                (self._check_sharing if sharing else self._check_query)(name)
            except UserError as problem:
                found[str(problem)] = None
        if self.overrides and all(isinstance(algorithm_of(name), QueryAlgorithm) for name in self.algorithms):
            try:
                _ = self.base
            except UserError as problem:
                found[str(problem)] = None
        if found:
            raise UserError("\n".join(found))

    def _check_query(self, name: str) -> None:
        """Check that the algorithm works on the table, and that the budget affords a query.

        Raises:
            UserError: one of these is not so.
        """
        algorithm = algorithm_of(name)
        assert isinstance(algorithm, QueryAlgorithm)
        epochs = (self.fidelities if algorithm.fidelities else ()) or (self.truth.measure.epochs,)
        kind, amount = self.budget.kind, self.budget.amount
        algorithm.check_limit(name, kind)
        m, seen = self.truth.measure, self.objective(*epochs)
        trains = self.trains or algorithm.distils
        maker_of(name, algorithm, seen, self.ground_truth, m, whole=trains)(moves(self.space), seen.top, Random(0))
        if trains:
            recipe_of(self.ground_truth, m)
            epochs_of(epochs)
        if algorithm.distils and len(epochs) < 2:
            raise UserError(
                f"{name} trains for fewer epochs than the table's networks: it needs a table with a cheaper fidelity, "
                "such as that of the space nb201-topology on digits."
            )
        if kind == "queries" or trains:
            least = (2.0 if algorithm.distils else 1.0) if kind == "queries" else 0.0  # the teacher is a query, too
        else:
            least = float(np.nanmin([fidelity.seconds for fidelity in seen.fidelities]))
        if amount < least:
            raise UserError(
                f"{name}: a budget of {self.budget} does not afford one query, which costs {least:,.4g} or more."
            )

    def _check_sharing(self, name: str) -> None:
        """Check that the recipe can be used, that its images are available, and that the budget affords an epoch.

        Raises:
            UserError: one of these is not so.
        """
        kind, amount = self.budget.kind, self.budget.amount
        algorithm_of(name).check_limit(name, kind)
        recipe = self.recipe(name)
        task = task_of(recipe.task)
        images = len(task.train)
        if images < recipe.training.batch_size:
            raise UserError(
                f"{name}: {images:,} training images are fewer than one batch of {recipe.training.batch_size:,}."
            )
        if kind == "wall":
            return
        oracle = oracle_of(recipe, self.ground_truth, self.truth.measure, kind)
        cost = epoch_cost(recipe, task=task, steps=1, oracle=oracle).of(1).passes
        if kind == "seconds":
            cost *= seconds_per_pass(recipe, self.within, self.ground_truth, self.truth.measure, task)
        if amount < cost:
            raise UserError(
                f"{name}: a budget of {self.budget} does not afford one epoch, which costs about {cost:,.4g} "
                f"{NAMES[kind]}."
            )

    @property
    def scene(self) -> Scene:
        """The defaults of the space and data set."""
        return SCENES[self.space, self.dataset]

    @property
    def within(self) -> SearchSpace:
        return space(self.space)

    @cached_property
    def truth(self) -> Truth:
        """The accuracies that algorithms of one fidelity observe."""
        scene = self.scene
        seen = dataclasses.replace(scene.observed, epochs=self.epochs or scene.observed.epochs)
        if self.truth_seed is not None:
            return Truth.find(self.space, dataclasses.replace(seen, seed=self.truth_seed), self.table)
        for repeat in scene.repeats:
            try:
                return Truth.find(self.space, seen, self.table)
            except NoSuchResult:
                seen = dataclasses.replace(seen, seed=repeat)
        return Truth.find(self.space, seen, self.table)

    @cached_property
    def ground_truth(self) -> GroundTruth:
        """The table that searches observe."""
        return self.truth.open(self.space)

    def objective(self, *epochs: str) -> Table:
        """Return what algorithms with these fidelities, the cheapest first, observe under the budget."""
        m = self.truth.measure
        return objective(self.within, self.ground_truth, m.dataset, epochs, m.seed, m.split).under(self.budget.kind)

    @property
    def fidelities(self) -> tuple[str, ...]:
        """The fidelities of algorithms that use several, in epochs, the cheapest first.

        Raises:
            UserError: the table lacks a fidelity that was asked for.
        """
        m = self.truth.measure
        there = {e.epochs for e in self.ground_truth.measures if dataclasses.replace(e, epochs=m.epochs) == m}
        wanted = self.only or tuple(epochs for epochs in self.scene.fidelities if epochs in there)
        if lacking := [epochs for epochs in wanted if epochs not in there]:
            raise UserError(
                f"{self.ground_truth.path.name} has no {m.dataset} {m.split} accuracies of {m.seed} after "
                f"{', '.join(lacking)} epochs; it has them after {', '.join(sorted(there, key=_number))}."
            )
        return tuple(sorted(wanted, key=_number))

    @property
    def base(self) -> Recipe:
        """The super-nets' recipe before algorithms change it."""
        return Recipe().override([f"space={self.space}", *self.scene.recipe, *self.overrides])

    def recipe(self, algorithm: str) -> Recipe:
        """Return the super-net's recipe for an algorithm that shares weights."""
        recipe = recipe_for(algorithm, self.base, self.within)
        d = recipe.distribution
        if d.model == "none":
            return recipe
        return dataclasses.replace(
            recipe, distribution=dataclasses.replace(d, learning_rate=self.rate * d.learning_rate)
        )

    def specs(self) -> list[SearchSpec]:
        """Return all runs, algorithm by algorithm and in the order of seeds."""
        found = []
        for name in self.algorithms:
            algorithm = algorithm_of(name)
            # Shipped algorithms that query need no plug-in: comparisons with and without plug-ins share their runs.
            plugins = () if isinstance(algorithm, QueryAlgorithm) and ships(name) else self.plugins
            if isinstance(algorithm, QueryAlgorithm):
                truth = self.truth
                epochs = (self.fidelities if algorithm.fidelities else ()) or (truth.measure.epochs,)
                truth = dataclasses.replace(truth, measure=dataclasses.replace(truth.measure, epochs=epochs[-1]))
                trained = self.trains or algorithm.distils
                trains = recipe_of(self.ground_truth, truth.measure) if trained else None
                block = 1 if trains or isinstance(algorithm.make, Probing) else BLOCK
                blocks = [range(s, min(s + block, self.seeds)) for s in range(0, self.seeds, block)]
                recipe = None
            else:
                truth, epochs, trains = self.truth, (self.truth.measure.epochs,), None
                blocks = [range(seed, seed + 1) for seed in range(self.seeds)]
                recipe = self.recipe(name)
            found += [
                SearchSpec(self.space, truth, epochs, name, self.budget, tuple(seeds), recipe, plugins, trains=trains)
                for seeds in blocks
            ]
        return found


def _folded(where: object, dataset: object) -> tuple[str, str]:
    """Return the names in lower case without hyphens, as they are compared."""
    return str(where).lower().replace("-", ""), str(dataset).lower().replace("-", "")


def _no_scene(where: str, dataset: str) -> str:
    """Return the message about a space or data set that has no scene."""
    datasets = [known for space_, known in SCENES if space_ == where]
    if datasets:
        near = nearest(dataset, datasets)
        perhaps = f"; did you mean {near}?" if near else "."
        there = "; ".join(f"{where} with {known}" for known in datasets)
        return f"There is no comparison on {where} with {quoted(dataset)}{perhaps} There is: {there}."
    spaces = dict.fromkeys(space_ for space_, _ in SCENES)
    near = nearest(where, spaces)
    perhaps = f"; did you mean {near}?" if near else "."
    return f"There is no comparison on the space {quoted(where)}{perhaps} There is: {listed(spaces)}."


def _number(epochs: str) -> float:
    """Return a number to sort epochs by; a text that is not a number, such as half of a training, comes last."""
    return float(epochs) if epochs.isdecimal() else float("inf")
