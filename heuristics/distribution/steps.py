"""The ways in which a distribution over architectures learns, alternating with the weights of the super-net."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.distribution.models import Controller, Simplex
from supernet.heuristics.distribution.relaxations import Distribution, Gates, Mixture, importance
from supernet.heuristics.hooks import Context
from supernet.heuristics.methods.buffers import scoring
from supernet.heuristics.routes import Routing
from supernet.heuristics.sections import DistributionSection

Stream = Callable[[], Batch]
"""A function that returns the next batch that the distribution learns from."""


class Rule(Protocol):
    """Applies gradients to the parameters of a distribution, in the order of the parameters."""

    def apply(self, gradients: Sequence[Tensor]) -> None: ...

    def state_dict(self) -> dict[str, object]: ...

    def load_state_dict(self, state: dict[str, object]) -> None: ...


class Adam:
    """Adam on all parameters of a distribution, with its own weight decay (quark0/darts, cnn/architect.py).

    For a Dirichlet distribution, the decay penalises the distance of concentrations from one (xiangning-chen/DrNAS).
    """

    def __init__(self, model: Distribution, d: DistributionSection) -> None:
        self._parameters = list(model.parameters())
        # Distributions that learn from samples have no decay: it would move options that no sample contains.
        decay = d.weight_decay if d.step in ("first-order", "second-order") else 0.0
        self._optimiser = torch.optim.Adam(
            self._parameters, d.learning_rate, betas=(d.beta1, 0.999), eps=d.epsilon, weight_decay=decay
        )

    def apply(self, gradients: Sequence[Tensor]) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        self._optimiser.step()

    def state_dict(self) -> dict[str, object]:
        return self._optimiser.state_dict()

    def load_state_dict(self, state: dict[str, object]) -> None:
        self._optimiser.load_state_dict(state)


class Exponentiated:
    """Exponentiated gradients, which keep the parameters on the simplex (GAEA, Li et al., ICLR 2021)."""

    def __init__(self, model: Simplex, d: DistributionSection) -> None:
        self._model, self._rate, self._floor = model, d.learning_rate, d.floor

    def apply(self, gradients: Sequence[Tensor]) -> None:
        self._model.exponentiate(gradients, self._rate, self._floor)

    def state_dict(self) -> dict[str, object]:
        return {}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Do nothing: exponentiated gradients have no state."""


class Updater:
    """The way in which a distribution learns between steps of the weights. By default every hook does nothing."""

    def step(self, ctx: Context, stream: Stream) -> None:
        """Update the distribution; this is called once per step of the weights."""

    def end_epoch(self, ctx: Context, stream: Stream) -> None:
        """Update the distribution after the last step of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return all values that are kept from step to step."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the values that `state_dict` returned."""


class FirstOrder(Updater):
    """Follows the gradient of the loss on another batch with the present weights (DARTS, Liu et al., ICLR 2019)."""

    def __init__(self, relaxation: Mixture | Gates, rule: Rule) -> None:
        self._relaxation, self._rule = relaxation, rule
        self._parameters = list(relaxation.model.parameters())

    def step(self, ctx: Context, stream: Stream) -> None:
        images, labels = stream()[:2]
        self._rule.apply(torch.autograd.grad(self.loss(ctx, images, labels), self._parameters))

    def loss(self, ctx: Context, images: Tensor, labels: Tensor) -> Tensor:
        """Return the loss that the distribution minimises, a scalar with gradients to the distribution and the weights.

        Args:
            images: (n, 3, size, size).
            labels: (n,).
        """
        d, model = ctx.recipe.distribution, self._relaxation.model
        loss = F.cross_entropy(ctx.logits(images, self._relaxation.route(ctx)), labels)
        if isinstance(model, Simplex) and d.entropy:
            p = model.table[model.allowed]
            loss = loss + d.entropy * torch.xlogy(p, p).sum().to(loss.device)
        return loss


class SecondOrder(FirstOrder):
    """Follows the gradient of the loss on another batch after one step of the weights (DARTS, eq. 7 and 8).

    The product with the Hessian is approximated by a difference of two gradients, which is divided by the small
    distance between their weights. Both passes therefore drop the same values, and run in full precision under
    `training.amp`: the difference would be noise otherwise. Afterwards the weights have the same bits as before.
    """

    DISTANCE = 0.01
    """L2 distance by which the weights move for the difference, as in the authors' code (quark0/darts)."""

    def step(self, ctx: Context, stream: Stream) -> None:
        images, labels = stream()[:2]
        weights = [w for w in ctx.network.parameters() if w.requires_grad]
        kept = [w.detach().clone() for w in weights]
        buffers = [(b, b.clone()) for b in ctx.network.buffers()]
        rate = ctx.optimiser.param_groups[0]["lr"]
        try:
            self._look_ahead(ctx, weights, rate)
            loss = self.loss(ctx, images, labels)
            gradients = torch.autograd.grad(loss, [*self._parameters, *weights], allow_unused=True)
            ahead = list(gradients[: len(self._parameters)])
            direction = gradients[len(self._parameters) :]
            norm = torch.stack([g.norm() for g in direction if g is not None]).norm()
            with same_random_numbers(ctx.images.device):
                self._move(weights, kept, direction, self.DISTANCE / norm)
                plus = self._slopes(ctx)
            self._move(weights, kept, direction, -self.DISTANCE / norm)
            minus = self._slopes(ctx)
        finally:
            self._move(weights, kept, [None] * len(weights), 0.0)
            for buffer, before in buffers:
                buffer.copy_(before)
        scale = rate * (norm / (2 * self.DISTANCE)).cpu()
        self._rule.apply([a - scale * (p - m) for a, p, m in zip(ahead, plus, minus, strict=True)])

    def _slopes(self, ctx: Context) -> tuple[Tensor, ...]:
        """Return the gradient of the loss on the training batch to the distribution, in full precision."""
        value = self.loss(replace(ctx, full_precision=True), ctx.images, ctx.labels)
        return torch.autograd.grad(value, self._parameters)

    def _look_ahead(self, ctx: Context, weights: list[torch.nn.Parameter], rate: float) -> None:
        """Move the weights as their optimiser would on the training batch."""
        loss = self.loss(ctx, ctx.images, ctx.labels)
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        group = ctx.optimiser.param_groups[0]
        with torch.no_grad():
            for w, g in zip(weights, gradients, strict=True):
                if g is None:
                    continue
                moved = g + group["weight_decay"] * w
                buffer = ctx.optimiser.state[w].get("momentum_buffer")
                if buffer is not None:
                    moved = moved + group["momentum"] * buffer
                w.sub_(moved, alpha=rate)

    @staticmethod
    @torch.no_grad()
    def _move(
        weights: Sequence[Tensor], origin: Sequence[Tensor], direction: Sequence[Tensor | None], by: Tensor | float
    ) -> None:
        """Set the weights to origin + by * direction."""
        for w, start, d in zip(weights, origin, direction, strict=True):
            w.copy_(start if d is None else start + by * d)


def same_random_numbers(device: torch.device) -> AbstractContextManager[None]:
    """Restore torch's random states, of the CPU and of a device, at the end of a block, so that its numbers recur."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


class Importance(Updater):
    """Raises the log-probabilities of samples in proportion to their likelihoods (PARSEC, Casale et al., 2019).

    The mean is subtracted from the weights of the samples. In expectation this has no effect, but with it samples of
    equal likelihood leave the distribution unchanged.
    """

    def __init__(self, model: Distribution, rule: Rule) -> None:
        self._model, self._rule = model, rule

    def step(self, ctx: Context, stream: Stream) -> None:
        d = ctx.recipe.distribution
        images, labels = stream()[:2]
        archs = [self._model.sample() for _ in range(d.samples)]
        pull = importance(ctx, archs, images, labels, d.likelihood).cpu() - 1 / d.samples
        log_p = torch.stack([self._model.log_prob(arch) for arch in archs])
        self._rule.apply(torch.autograd.grad(-(pull * log_p).sum(), list(self._model.parameters())))


class Reinforce(Updater):
    """Follows policy gradients of sampled architectures' accuracies after every epoch (ENAS, Pham et al., ICML 2018).

    In NAS-Bench-201's experiments (ENAS.py of D-X-Y/AutoDL-Projects), every step resets the baseline to that of the
    last epoch; here the baseline moves with every sample.
    """

    DECAY, CLIP = 0.99, 5.0
    """Decay rate of the baseline per sample, and L2 norm to which gradients are clipped: both are those of
    NAS-Bench-201's experiments."""

    def __init__(self, model: Distribution, rule: Rule) -> None:
        self._model, self._rule = model, rule
        self.baseline: float | None = None

    def end_epoch(self, ctx: Context, stream: Stream) -> None:
        with scoring(ctx.network):
            for _ in range(ctx.recipe.distribution.updates):
                self._update(ctx, *stream()[:2])

    def _update(self, ctx: Context, images: Tensor, labels: Tensor) -> None:
        """Update the distribution once, by the accuracies of sampled architectures on a batch."""
        d = ctx.recipe.distribution
        loss = torch.zeros(())
        for _ in range(d.samples):
            arch = self._model.sample()
            log_p, entropy = self._likelihood(arch)
            reward = _accuracy(ctx, arch, images, labels) + d.entropy * float(entropy.detach())
            before = reward if self.baseline is None else self.baseline
            self.baseline = before - (1 - self.DECAY) * (before - reward)
            loss = loss - log_p * (reward - self.baseline) / d.samples
        gradients = torch.autograd.grad(loss, list(self._model.parameters()))
        norm = float(torch.stack([g.norm() for g in gradients]).norm())
        self._rule.apply([g * min(1.0, self.CLIP / (norm + 1e-6)) for g in gradients])

    def state_dict(self) -> dict[str, Any]:
        return {"baseline": self.baseline}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.baseline = state["baseline"]

    def _likelihood(self, arch: Routing) -> tuple[Tensor, Tensor]:
        """Return the log-probability of an architecture and the summed entropy of its decisions, with gradients."""
        if isinstance(self._model, Controller):
            return self._model.retrace(arch)  # type: ignore[arg-type]
        p = self._model.probabilities()
        return self._model.log_prob(arch), -torch.xlogy(p, p).sum()  # type: ignore[arg-type]


@torch.no_grad()
def _accuracy(ctx: Context, arch: Routing, images: Tensor, labels: Tensor) -> float:
    """Return the share of a batch that an architecture classifies correctly, from 0 to 1."""
    return float((ctx.logits(images, arch).argmax(1) == labels).float().mean())
