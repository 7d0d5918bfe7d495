"""The method that a recipe's distribution over architectures becomes: model, planner and updater."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supernet.benchmarks.spaces import SearchSpace
from supernet.heuristics.distribution.models import Controller, Dirichlet, Factorised, Simplex, Softmax
from supernet.heuristics.distribution.relaxations import (
    AdversarialPerturbation,
    Distribution,
    Gates,
    ImportanceSampled,
    Mixture,
    RandomPerturbation,
    Sampled,
)
from supernet.heuristics.distribution.steps import (
    Adam,
    Exponentiated,
    FirstOrder,
    Importance,
    Reinforce,
    Rule,
    SecondOrder,
    Updater,
)
from supernet.heuristics.hooks import Context, Method, NotFinite, Path
from supernet.heuristics.recipe import Recipe

MODELS: dict[str, type[Factorised]] = {"softmax": Softmax, "simplex": Simplex, "dirichlet": Dirichlet}
PERTURBED: dict[str, type[Mixture]] = {
    "none": Mixture,
    "random": RandomPerturbation,
    "adversarial": AdversarialPerturbation,
}


@dataclass(eq=False)
class Learner(Method):
    """A distribution over architectures, learned in turn with the weights."""

    model: Distribution
    sampler: Method
    """The method that plans the paths of weight steps under the law `distribution`."""
    updater: Updater
    rule: Rule
    begins: int
    """Epoch in which the distribution begins to learn."""
    first: bool
    """Whether the distribution learns before the weights in each step."""

    def before_step(self, ctx: Context) -> None:
        if self.first:
            self._learn(ctx)

    def plan(self, ctx: Context) -> list[Path]:
        return self.sampler.plan(ctx)

    def after_update(self, ctx: Context) -> None:
        if not self.first:
            self._learn(ctx)

    def end_epoch(self, ctx: Context) -> None:
        if ctx.epoch >= self.begins:
            self.updater.end_epoch(ctx, lambda: ctx.stream(ctx.recipe.distribution.data, self))
            self._check()

    def _learn(self, ctx: Context) -> None:
        """Update the distribution once.

        Raises:
            NotFinite: a parameter of the distribution is not finite.
        """
        if ctx.epoch >= self.begins:
            self.updater.step(ctx, lambda: ctx.stream(ctx.recipe.distribution.data, self))
            self._check()

    def _check(self) -> None:
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise NotFinite("The distribution over architectures is not finite")

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "rule": self.rule.state_dict(),
            "updater": self.updater.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self.model.load_state_dict(state["model"])
        self.rule.load_state_dict(state["rule"])
        # Earlier versions stored the baseline of REINFORCE as a third entry.
        self.updater.load_state_dict(state["updater"] if "updater" in state else {"baseline": state["baseline"]})


def learner_for(space: SearchSpace, recipe: Recipe) -> Learner | None:
    """The distribution of a recipe, initialised from torch's global generator; None if the recipe has none."""
    d = recipe.distribution
    if d.model == "none":
        return None
    first = 0 if recipe.sampling.with_none else space.first_working
    model: Distribution
    if d.model == "controller":
        model = Controller(space.cardinalities.tolist(), first)
    else:
        model = MODELS[d.model](space.cardinalities.tolist(), first, _edges_by_node(space) if d.edge_weights else ())
    rule: Rule = Exponentiated(model, d) if isinstance(model, Simplex) else Adam(model, d)
    sampler, updater = (
        _sampled(model, rule, recipe)
        if d.step in ("importance", "reinforce")
        else (_relaxed(model, rule, space, recipe))
    )
    return Learner(model, sampler, updater, rule, d.start_epoch, d.first == "distribution")


def _sampled(model: Distribution, rule: Rule, recipe: Recipe) -> tuple[Method, Updater]:
    d = recipe.distribution
    if d.step == "reinforce":
        return Sampled(model), Reinforce(model, rule)
    return ImportanceSampled(model, d.samples, d.likelihood), Importance(model, rule)


def _relaxed(model: Distribution, rule: Rule, space: SearchSpace, recipe: Recipe) -> tuple[Method, Updater]:
    d = recipe.distribution
    assert isinstance(model, Factorised)
    if d.route == "gate":
        assert isinstance(model, Softmax | Simplex)
        gates = Gates(model, space.operations)
        return gates, FirstOrder(gates, rule)
    relaxation, sampler = Mixture(model), PERTURBED[d.perturbation](model)
    return sampler, (SecondOrder if d.step == "second-order" else FirstOrder)(relaxation, rule)


def _edges_by_node(space: SearchSpace) -> list[list[int]]:
    """For a space with operations on edges: the decisions of the incoming edges of each node with several."""
    (cell,) = space.layout([0] * len(space.decisions))
    targets = [edge.target for edge in cell.edges]
    into = {node: [edge for edge, target in enumerate(targets) if target == node] for node in targets}
    return [edges for edges in into.values() if len(edges) > 1]
