"""The method that learns a recipe's distribution over architectures: a model, a planner of paths and an updater."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

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
from supernet.heuristics.distribution.temperatures import Annealed, Concrete, ReinMax
from supernet.heuristics.hooks import Context, Method, NotFinite
from supernet.heuristics.methods.schedules import first_epoch
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Path

MODELS: dict[str, type[Factorised]] = {"softmax": Softmax, "simplex": Simplex, "dirichlet": Dirichlet}
PERTURBED: dict[str, type[Mixture]] = {
    "none": Mixture,
    "random": RandomPerturbation,
    "adversarial": AdversarialPerturbation,
}
ROUTES: dict[str, type[Mixture]] = {"annealed": Annealed, "concrete": Concrete, "reinmax": ReinMax}
"""Route -> the relaxation that both the weights and the distribution use."""


class DistributionNotFinite(NotFinite):
    """A parameter of a distribution is infinite or NaN."""

    rates = ("distribution.learning_rate", "training.learning_rate")


@dataclass(eq=False)
class Learner(Method):
    """A distribution over architectures that is learned, alternating with the weights."""

    model: Distribution
    sampler: Method
    """The method that plans the paths of weight steps under the law `distribution`."""
    updater: Updater
    """Computes the gradients of the distribution."""
    rule: Rule
    """Applies these gradients."""
    begins: int
    """Number of the epoch, from 0, in which the distribution begins to learn."""
    first: bool
    """Whether the distribution learns before the weights in each step."""
    _pruned: bool = field(default=False, init=False)

    def start_epoch(self, ctx: Context) -> None:
        """Prune the distribution's options once, as DrNAS does between its stages (Chen et al., ICLR 2021)."""
        d = ctx.recipe.distribution
        if d.kept_options is None or self._pruned or ctx.epoch < first_epoch(d.prune_from, ctx.recipe.training.epochs):
            return
        assert isinstance(self.model, Factorised)
        self.model.prune(d.kept_options)
        self._pruned = True

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

    def mixture(self, ctx: Context) -> list[Tensor]:
        """Return the weights of the mixture that stands for the distribution: (options,) for each decision.

        This is the mean mixture; with the route annealed it is the mixture at the present temperature.
        """
        assert isinstance(self.model, Factorised)
        if type(self.sampler) is not Annealed:
            return self.model.mean()
        with torch.no_grad():
            return self.model.rows(self.sampler.table(ctx))

    def _learn(self, ctx: Context) -> None:
        """Update the distribution once.

        Raises:
            NotFinite: a parameter of the distribution is not finite.
        """
        if ctx.epoch >= self.begins:
            self.updater.step(ctx, lambda: ctx.stream(ctx.recipe.distribution.data, self))
            self._check()

    def _check(self) -> None:
        """Raise NotFinite if a parameter of the distribution is not finite."""
        if not all(bool(p.isfinite().all()) for p in self.model.parameters()):
            raise DistributionNotFinite("The distribution over architectures is not finite")

    def state_dict(self) -> dict[str, Any]:
        pruned = {"allowed": self.model.allowed} if self._pruned else {}
        return {
            "model": self.model.state_dict(),
            "rule": self.rule.state_dict(),
            "updater": self.updater.state_dict(),
            **pruned,
        }

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self.model.load_state_dict(state["model"])
        self.rule.load_state_dict(state["rule"])
        self.updater.load_state_dict(state["updater"])
        if "allowed" in state:
            if not isinstance(self.model, Factorised):
                raise ValueError("a controller has no options to prune")
            self.model.allowed.copy_(state["allowed"])
            self._pruned = True


def learner_for(space: SearchSpace, recipe: Recipe) -> Learner | None:
    """Make the learner of a recipe's distribution, initialised from torch's global generator.

    Returns:
        The learner; None if the recipe has no distribution.
    """
    d = recipe.distribution
    if d.model == "none":
        return None
    least = 0 if recipe.sampling.with_none else space.first_working
    first = [least if number in space.operations else 0 for number in range(len(space.decisions))]
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
    """Make the planner and the updater of a distribution that learns from sampled architectures."""
    d = recipe.distribution
    if d.step == "reinforce":
        return Sampled(model), Reinforce(model, rule)
    return ImportanceSampled(model, d.samples, d.likelihood), Importance(model, rule)


def _relaxed(model: Distribution, rule: Rule, space: SearchSpace, recipe: Recipe) -> tuple[Method, Updater]:
    """Make the planner and the updater of a distribution that learns by gradients through a relaxed network."""
    d = recipe.distribution
    assert isinstance(model, Factorised)
    if d.route == "gate":
        assert isinstance(model, Softmax | Simplex)
        gates = Gates(model, space.operations)
        return gates, FirstOrder(gates, rule)
    if d.route in ROUTES:
        drawn = ROUTES[d.route](model)
        return drawn, (SecondOrder if d.step == "second-order" else FirstOrder)(drawn, rule)
    relaxation, sampler = Mixture(model), PERTURBED[d.perturbation](model)
    return sampler, (SecondOrder if d.step == "second-order" else FirstOrder)(relaxation, rule)


def _edges_by_node(space: SearchSpace) -> list[list[int]]:
    """Return the decisions of the edges into each node that has several, for a space with operations on edges."""
    (cell,) = space.layout([0] * len(space.decisions))
    targets = [edge.target for edge in cell.edges]
    into = {node: [edge for edge, target in enumerate(targets) if target == node] for node in targets}
    return [edges for edges in into.values() if len(edges) > 1]
