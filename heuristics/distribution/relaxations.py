"""Planners that turn a distribution over architectures into the paths of a step: mixtures, gates and samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.heuristics.distribution.models import Controller, Factorised, Simplex, Softmax
from supernet.heuristics.hooks import Context, Method, NotFinite
from supernet.heuristics.methods.buffers import scoring
from supernet.heuristics.options import divides_by_paths
from supernet.heuristics.routes import Gate, Path, Routing

Distribution = Factorised | Controller


class Mixture(Method):
    """Plans the weighted sum of all options of every decision (DARTS; DrNAS draws the weights)."""

    def __init__(self, model: Factorised) -> None:
        self.model = model

    def route(self, ctx: Context) -> Routing:
        """Return the relaxed network of one step, with gradients to the distribution."""
        return on_device(self.model.weights(), ctx)

    def plan(self, ctx: Context) -> list[Path]:
        """Return the path of a step of the weights, without gradients to the distribution."""
        with torch.no_grad():
            return [Path(self.route(ctx))]


class Gates(Method):
    """Plans one option of every operation, drawn by Gumbel-max, with straight-through gradients to all options (GDAS).

    Decisions about parents remain mixtures, as in NAS-Bench-1Shot1's experiments. All cells use the same draw.

    Args:
        operations: numbers of the decisions that are gated.
    """

    def __init__(self, model: Softmax | Simplex, operations: Sequence[int]) -> None:
        self.model, self._operations = model, set(operations)

    def route(self, ctx: Context) -> Routing:
        """Return the relaxed network of one step, with gradients to the distribution."""
        log_p = self.model.log_probabilities()
        gumbel = -torch.empty_like(log_p).exponential_().clamp(min=1e-20).log()
        soft = ((log_p + gumbel) / temperature(ctx)).softmax(1)
        chosen = soft.argmax(1, keepdim=True)
        hard = torch.zeros_like(soft).scatter_(1, chosen, 1.0) - soft.detach() + soft
        rows = on_device(self.model.rows(hard), ctx)
        mixed = on_device(self.model.rows(soft), ctx)
        return tuple(
            Gate(option, rows[decision]) if decision in self._operations else mixed[decision]
            for decision, option in enumerate(chosen[:, 0].tolist())
        )

    def plan(self, ctx: Context) -> list[Path]:
        """Return the path of a step of the weights, without gradients to the distribution."""
        with torch.no_grad():
            routing = self.route(ctx)
        return [Path(tuple(choice.option if isinstance(choice, Gate) else choice for choice in routing))]


class RandomPerturbation(Mixture):
    """Plans mixtures with uniform noise, under which the weights learn (SmoothDARTS-RS, Chen and Hsieh, ICML 2020)."""

    def plan(self, ctx: Context) -> list[Path]:
        with torch.no_grad():
            clean = self.model.mixture()
            radius = perturbation_radius(ctx)
            if radius == 0:
                return [Path(on_device(self.model.rows(clean), ctx))]
            noise = torch.empty_like(clean).uniform_(-radius, radius)
            return [Path(on_device(self.model.rows(projected(clean + noise, clean, radius, self.model.allowed)), ctx))]


class AdversarialPerturbation(Mixture):
    """Plans the nearby mixture with the largest loss (SmoothDARTS-ADV, Chen and Hsieh, ICML 2020).

    Projected sign-gradient steps search for it from a random start. If its loss is not larger than that of the clean
    mixture, the clean mixture is used. As in the authors' code, the network is in evaluation mode for the search.
    """

    STEPS = 7
    """Number of sign-gradient steps, as in the authors' code (xiangning-chen/SmoothDARTS)."""

    def plan(self, ctx: Context) -> list[Path]:
        with torch.no_grad():
            clean = self.model.mixture()
        radius = perturbation_radius(ctx)
        if radius == 0:
            return [Path(on_device(self.model.rows(clean), ctx))]
        with scoring(ctx.network):
            worst = self._worst(clean, radius, ctx)
        return [Path(on_device(self.model.rows(worst), ctx))]

    def _worst(self, clean: Tensor, radius: float, ctx: Context) -> Tensor:
        """Return the table with the largest loss that the search finds around a clean one: (decisions, options)."""
        point = projected(clean + torch.empty_like(clean).uniform_(-radius, radius), clean, radius, self.model.allowed)
        for _ in range(self.STEPS):
            point.requires_grad_(True)
            (slope,) = torch.autograd.grad(self._loss(point, ctx), [point])
            with torch.no_grad():
                moved = point + 2 * radius / self.STEPS * slope.sign()
                point = projected(moved, clean, radius, self.model.allowed)
        with torch.no_grad():
            return point if self._loss(point, ctx) > self._loss(clean, ctx) else clean

    def _loss(self, table: Tensor, ctx: Context) -> Tensor:
        """Return the loss of a mixture on the step's images, a scalar."""
        return F.cross_entropy(ctx.logits(ctx.images, on_device(self.model.rows(table), ctx)), ctx.labels)


class Sampled(Method):
    """Plans one architecture drawn from the distribution (ENAS)."""

    def __init__(self, model: Distribution) -> None:
        self._model = model

    def plan(self, ctx: Context) -> list[Path]:
        return [Path(self._model.sample())]


class ImportanceSampled(Method):
    """Plans several sampled architectures, weighted by their likelihoods of the batch (PARSEC, Casale et al., 2019).

    Each likelihood costs a forward pass. Architectures with a negligible weight are not trained.

    Args:
        samples: number of architectures drawn per step.
        power: power to which likelihoods are raised.
    """

    NEGLIGIBLE = 1e-4
    """Weight up to which an architecture is not trained, of a sum of one; our choice."""

    def __init__(self, model: Distribution, samples: int, power: float) -> None:
        self._model, self._samples, self._power = model, samples, power

    def plan(self, ctx: Context) -> list[Path]:
        archs = [self._model.sample() for _ in range(self._samples)]
        weights = importance(ctx, archs, ctx.images, ctx.labels, self._power).tolist()
        kept = [Path(arch, w) for arch, w in zip(archs, weights, strict=True) if w > self.NEGLIGIBLE]
        # An update that divides by the number of paths would shrink the weights.
        return [replace(path, weight=path.weight * len(kept)) for path in kept] if divides_by_paths(ctx) else kept


def importance(ctx: Context, archs: Sequence[Routing], images: Tensor, labels: Tensor, power: float) -> Tensor:
    """Return weights in proportion to a power of the likelihoods of a batch under architectures: (architectures,).

    The network is in evaluation mode for it, so that they do not depend on what dropout would drop.

    Args:
        images: (n, 3, size, size).
        labels: (n,).

    Raises:
        NotFinite: the loss of an architecture is not finite.
    """
    with torch.no_grad(), scoring(ctx.network):
        known: dict[Routing, Tensor] = {}
        for arch in archs:
            if arch not in known:
                known[arch] = F.cross_entropy(ctx.logits(images, arch), labels, reduction="sum")
        weights = (-power * torch.stack([known[arch] for arch in archs])).softmax(0)
    if not weights.isfinite().all():
        raise NotFinite("The loss of a sampled architecture is not finite")
    return weights


def on_device(rows: Sequence[Tensor], ctx: Context) -> tuple[Tensor, ...]:
    """Return the weights on the device of the images."""
    return tuple(row.to(ctx.images.device) for row in rows)


def temperature(ctx: Context) -> float:
    """Return the temperature of gates, concrete and annealed mixtures; it changes linearly over the epochs."""
    d = ctx.recipe.distribution
    return _linear(d.temperature, d.final_temperature, ctx)


def perturbation_radius(ctx: Context) -> float:
    """Return the radius of perturbations, which changes linearly from the first to the last epoch."""
    d = ctx.recipe.distribution
    return _linear(d.radius, d.final_radius, ctx)


def _linear(start: float, end: float, ctx: Context) -> float:
    last = ctx.recipe.training.epochs - 1
    return start + (end - start) * (ctx.epoch / last if last else 0)


def projected(table: Tensor, centre: Tensor, radius: float, allowed: Tensor) -> Tensor:
    """Project a table onto mixtures: limit every weight to `radius` around the centre: (decisions, options).

    Afterwards negative weights are zero, and the weights of a decision are normalised to a sum of one. If all weights
    of a decision become zero, the largest one before that becomes one (xiangning-chen/SmoothDARTS).

    Args:
        table, centre: (decisions, options).
        allowed: whether each option can be chosen, bool: (decisions, options).
    """
    moved = centre + (table - centre).clamp(-radius, radius)
    near = moved.clamp(0, 1) * allowed
    largest = F.one_hot(moved.masked_fill(~allowed, -math.inf).argmax(1), near.shape[1]).to(near)
    near = torch.where(near.sum(1, keepdim=True) > 0, near, largest)
    return near / near.sum(1, keepdim=True)
