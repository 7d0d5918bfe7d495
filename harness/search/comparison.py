"""A comparison of search algorithms: what they search, what they may spend, and what a report says of their picks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmarks.errors import NoSuchResult, UserError
from benchmarks.spaces import SearchSpace, space
from benchmarks.truth.table import GroundTruth, Measure
from harness.search.algorithms import ALGORITHMS, QueryAlgorithm, recipe_for
from harness.search.ledger import Budget
from harness.search.objective import Objective, objective
from harness.search.spec import SearchSpec
from harness.study.spec import Truth
from heuristics.recipe import Recipe

BLOCK = 25
"""Seeds of one run of an algorithm that queries a table, which takes no longer than reading it."""


@dataclass(frozen=True)
class Scene:
    """What is searched on one data set, unless one says otherwise."""

    observed: Measure
    """What searches see."""
    fidelities: tuple[str, ...]
    """Epochs that algorithms of several fidelities use."""
    reported: tuple[Measure, ...]
    """What the report says of a pick; regret is of the first."""
    recipe: tuple[str, ...]
    """Of super-nets."""
    repeats: tuple[str, ...] = ()
    """Seen instead where no table at hand has the one of `observed`."""


# Super-nets of NAS-Bench-201's size, trained as its weight-sharing experiments do (configs/nas-benchmark/algos of
# D-X-Y/AutoDL-Projects): half of the training images for the weights, half for the architecture.
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


def _first(dataset: str) -> tuple[Measure, ...]:
    """The measures of all data sets, the test accuracy on this one first."""
    return tuple(sorted(_THREE, key=lambda m: (m.dataset, m.split) != (dataset, "test")))


SCENES: dict[tuple[str, str], Scene] = {
    ("nb201", "cifar10"): Scene(
        Measure("cifar10-valid", "valid", "12", "mean"), ("12", "200"), _THREE, ("task.name=cifar10", *_GPU)
    ),
    ("nb201", "cifar100"): Scene(
        Measure("cifar100", "valid", "12", "mean"), ("12", "200"), _first("cifar100"), ("task.name=cifar100", *_GPU)
    ),
    ("nb201", "imagenet16-120"): Scene(
        Measure("imagenet16-120", "valid", "12", "mean"),
        ("12", "200"),
        _first("imagenet16-120"),
        ("task.name=imagenet16-120", *_GPU),
    ),
    ("nb201", "digits"): Scene(
        Measure("digits", "valid", "1", "s0"), ("1",), (Measure("digits", "test", "1", "s0"),), _DIGITS
    ),
    ("nb1shot1-1", "digits"): Scene(
        Measure("digits", "valid", "1", "s0"), ("1",), (Measure("digits", "test", "1", "s0"),), _DIGITS
    ),
    **{
        (f"nb1shot1-{number}", "cifar10"): Scene(
            Measure("cifar10", "valid", "108", "one"),
            ("4", "12", "36", "108"),
            (Measure("cifar10", "test", "108", "mean"),),
            ("task.name=cifar10", "network.cells=3", *_GPU),
            repeats=("r0",),
        )
        for number in (1, 2, 3)
    },
}
"""(Space, data set) -> scene."""


@dataclass(frozen=True)
class Comparison:
    """Algorithms, a budget, and seeds."""

    space: str
    dataset: str
    algorithms: tuple[str, ...]
    budget: Budget
    seeds: int
    table: str | None = None
    """Name or path of the ground truth, where it is not to be found by itself."""
    epochs: str | None = None
    """Fidelity that algorithms of one fidelity see."""
    only: tuple[str, ...] | None = None
    """Fidelities that algorithms of several use, where these are not all there are."""
    overrides: tuple[str, ...] = ()
    """Changes of the super-nets' base recipe."""
    rate: float = 1.0
    """Factor of the learning rates of distributions, for searches of other lengths than published ones."""

    def __post_init__(self) -> None:
        if (self.space, self.dataset) not in SCENES:
            known = "; ".join(f"{where} with {dataset}" for where, dataset in SCENES)
            raise UserError(f"There is no comparison on {self.space} with {self.dataset}. There is: {known}.")
        if self.seeds < 1:
            raise UserError("A comparison needs at least one seed.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Comparison:
        """What `as_dict` wrote, as JSON has it."""
        lists = {key: tuple(content[key]) for key in ("algorithms", "overrides")}
        only = content["only"] and tuple(content["only"])
        return cls(**{**content, **lists, "only": only, "budget": Budget(**content["budget"])})

    @property
    def scene(self) -> Scene:
        """What is searched."""
        return SCENES[self.space, self.dataset]

    @property
    def within(self) -> SearchSpace:
        return space(self.space)

    @cached_property
    def truth(self) -> Truth:
        """What algorithms of one fidelity see."""
        scene = self.scene
        seen = dataclasses.replace(scene.observed, epochs=self.epochs or scene.observed.epochs)
        for repeat in scene.repeats:
            try:
                return Truth.find(self.space, seen, self.table)
            except NoSuchResult:
                seen = dataclasses.replace(seen, seed=repeat)
        return Truth.find(self.space, seen, self.table)

    @cached_property
    def ground_truth(self) -> GroundTruth:
        """The table."""
        return self.truth.open(self.space)

    def objective(self, epochs: str) -> Objective:
        """What algorithms see at this fidelity."""
        m = self.truth.measure
        return objective(self.within, self.ground_truth, m.dataset, (epochs,), m.seed, m.split)

    @property
    def fidelities(self) -> tuple[str, ...]:
        """Epochs at which the table has what algorithms of several fidelities see, from the cheapest up.

        Raises:
            UserError: the table lacks some that were asked for.
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
        """The super-net's recipe of an algorithm that shares weights."""
        recipe = recipe_for(algorithm, self.base, self.within)
        d = recipe.distribution
        if d.model == "none":
            return recipe
        return dataclasses.replace(
            recipe, distribution=dataclasses.replace(d, learning_rate=self.rate * d.learning_rate)
        )

    def specs(self) -> list[SearchSpec]:
        """All runs, those of one algorithm together, in the order of seeds."""
        found = []
        for name in self.algorithms:
            algorithm = ALGORITHMS[name]
            if isinstance(algorithm, QueryAlgorithm):
                truth = self.truth
                epochs = (self.fidelities if algorithm.fidelities else ()) or (truth.measure.epochs,)
                truth = dataclasses.replace(truth, measure=dataclasses.replace(truth.measure, epochs=epochs[-1]))
                blocks = [range(s, min(s + BLOCK, self.seeds)) for s in range(0, self.seeds, BLOCK)]
                recipe = None
            else:
                truth, epochs = self.truth, (self.truth.measure.epochs,)
                blocks = [range(seed, seed + 1) for seed in range(self.seeds)]
                recipe = self.recipe(name)
            found += [
                SearchSpec(self.space, truth, epochs, name, self.budget, tuple(block), recipe) for block in blocks
            ]
        return found


def _number(epochs: str) -> float:
    """To sort by; what is no number, such as half of a training, comes last."""
    return float(epochs) if epochs.isdecimal() else float("inf")
