"""Laws from which paths and images are drawn in proportion to gradient norms of the epoch before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context, Method, Output
from supernet.heuristics.options import trained_options


def mixed(norms: Tensor, share: float) -> Tensor:
    """Return probabilities: share * norms / sum(norms) + (1 - share) / n, uniform if all norms are 0: float64, (n,).

    Args:
        norms: from 0 on: (n,).
        share: from 0 to 1.
    """
    uniform = torch.full_like(norms, 1 / len(norms))
    total = norms.sum()
    return torch.where(total > 0, share * norms / total.clamp(min=1e-300) + (1 - share) * uniform, uniform)


@dataclass
class OperationNorms:
    """The mean gradient norm of each operation over an epoch; one serves all decisions about operations."""

    means: dict[str, float] = field(default_factory=dict)
    """Operation -> mean norm in the epoch before; those without weights have the norm 0."""
    _sums: dict[str, list[Tensor]] = field(default_factory=dict)

    def see(self, ctx: Context, out: Output) -> None:
        """Add the norms of the gradients that the operations of a path have now: sums over their tensors.

        Weights that several decisions share count once, with the first of them, so that the mean over decisions is the
        norm of all weights of an operation over the number of its uses. A weight of the path, which multiplies its
        loss, does not count.
        """
        counted: set[int] = set()
        for number in ctx.space.operations:
            option: Any = out.path.routing[number]
            own = [p for p in ctx.network.parameters_of(number, option) if id(p) not in counted]
            counted.update(map(id, own))
            found = [p.grad for p in own if p.grad is not None]
            zero = torch.zeros((), device=out.logits.device)
            norm = torch.stack([grad.norm() for grad in found]).sum() if found else zero
            self._sums.setdefault(ctx.space.decisions[number].options[option], []).append(norm / out.path.weight)

    def end(self) -> None:
        """End the epoch; operations that it did not visit keep their means."""
        self.means |= {option: float(torch.stack(norms).mean()) for option, norms in self._sums.items()}
        self._sums = {}

    def drawn(self, ctx: Context, asker: Method, routing: Any, share: float) -> tuple[Arch, float]:
        """Return an architecture with new operations, and the ratio of its uniform to its actual probability.

        Args:
            asker: the method whose random numbers are used.
            routing: gives the decisions about parents.
            share: weight of the norms in the probabilities.
        """
        arch, ratio, trained = list(routing), 1.0, trained_options(ctx)
        for number in ctx.space.operations:
            names = ctx.space.decisions[number].options
            norms = [self.means.get(names[option], 0.0) for option in trained[number]]
            law = mixed(torch.tensor(norms, dtype=torch.float64), share).numpy()
            place = int(ctx.random(asker).choice(len(law), p=law / law.sum()))
            arch[number] = trained[number][place]
            ratio /= len(law) * float(law[place])
        return tuple(arch), ratio


@dataclass
class ImageNorms:
    """The mean norm of softmax(logits) - onehot(label) of each training image over an epoch."""

    means: Tensor | None = None
    """Norms in the epoch before, 1 for images that no epoch visited, float64: (images,)."""
    _visits: Tensor = field(default_factory=lambda: torch.zeros(2, 0))

    @classmethod
    def of(cls, means: Tensor | None, device: torch.device) -> ImageNorms:
        """Return norms with these means, moved to a device."""
        return cls(None if means is None else means.to(device))

    def begin(self, images: int, device: torch.device) -> None:
        """Begin an epoch."""
        self._visits = torch.zeros(2, images, dtype=torch.float64, device=device)
        if self.means is None:
            self.means = torch.ones_like(self._visits[0])

    def see(self, out: Output) -> None:
        """Add the norms of a path's images."""
        norms = (out.logits.detach().softmax(1) - F.one_hot(out.labels, out.logits.shape[1])).norm(dim=1).double()
        self._visits.index_add_(1, out.rows, torch.stack([norms, torch.ones_like(norms)]))

    def end(self) -> None:
        """End the epoch; images that it did not visit keep their means."""
        total, count = self._visits
        self.means = torch.where(count > 0, total / count.clamp(min=1), self._known)

    def law(self, share: float) -> Tensor:
        """Return the probability of each image, float64: (images,)."""
        return mixed(self._known, share)

    @property
    def _known(self) -> Tensor:
        assert self.means is not None
        return self.means


def correction(ctx: Context, out: Output, law: Tensor) -> Tensor:
    """Return what turns the mean cross-entropy of a path's images into one weighted by uniform over actual probability.

    Args:
        law: the probability of each training image: (images,).
    """
    factor = 1 / (ctx.train_images * law[out.rows])
    smoothing = ctx.recipe.training.label_smoothing
    each = F.cross_entropy(out.logits, out.labels, label_smoothing=smoothing, reduction="none")
    return ((factor.float() - 1) * each).mean()  # the recipe's own cross-entropy has the factor 1
