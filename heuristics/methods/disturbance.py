"""Updates of shared weights that leave the responses of earlier architectures as they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Output, Path, Supernet
from supernet.heuristics.registry import method


@dataclass(eq=False)
class Protection(Method):
    """What both methods share: they protect an architecture when another takes its place, and project every update.

    They project the change of the weights that the optimiser made, not the gradient, because momentum and weight decay
    would otherwise move the weights in directions that disturb protected architectures. This is our choice.
    """

    _last: list[Any] = field(default_factory=list, init=False)
    _now: dict[Any, None] = field(default_factory=dict, init=False)
    _before: dict[str, Tensor] = field(default_factory=dict, init=False)

    def protect(self, ctx: Context, routing: Any) -> None:
        """Protect an architecture, whose training has just ended, from the updates that follow."""
        raise NotImplementedError

    def projected(self, moves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the allowed part of each change of a weight; weights that may move freely are left out."""
        raise NotImplementedError

    def after_path(self, ctx: Context, out: Output) -> None:
        first = out.path.routing[0]
        if not all(isinstance(choice, int) for choice in (first if isinstance(first, tuple) else out.path.routing)):
            raise UserError(
                "The methods di-ws and ogd protect single architectures, but this recipe trains a mixture of all: "
                "choose a sampling.law that draws architectures, such as uniform."
            )
        self._now[out.path.routing] = None

    def before_update(self, ctx: Context) -> None:
        now = list(self._now)
        self._now.clear()
        if now != self._last:
            for routing in self._last:
                self.protect(ctx, routing)
            self._last = now
        self._before = {name: w.detach().clone() for name, w in ctx.network.named_parameters()}

    def after_update(self, ctx: Context) -> None:
        weights = dict(ctx.network.named_parameters())
        with torch.no_grad():
            moves = self.projected({name: weights[name] - before for name, before in self._before.items()})
            for name, move in moves.items():
                weights[name].copy_(self._before[name] + move)

    def state_dict(self) -> dict[str, Any]:
        return {"last": _lists(self._last)}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._last = [_tuples(routing) for routing in state["last"]]


@method("di-ws")
class DisturbanceImmune(Protection):
    """Moves weights orthogonally to what earlier architectures fed into them (DI-WS, Niu et al., Neural Networks 2021).

    Every convolution and linear layer has a projector P, at first I. When an architecture gives way to another, P
    absorbs the mean input patches r of that architecture by recursive least squares, k = P r and
    P <- P - k k^T / (alpha + r^T k), so that P = (I + sum r r^T / alpha)^-1. A change D of the weights (outputs,
    inputs) becomes D P, so that D P r is almost 0: the layer answers protected inputs as before.

    The paper's abstract says that later architectures train in a space orthogonal to earlier ones. The recursion and
    the mean patches are those of OWM (Zeng et al., 2019; beijixiong3510/OWM). The parameters, a further forward pass
    on the present batch to see the inputs, and the projection of the update are our choices. Biases and batch norm are
    not projected, so that they can still change responses.
    """

    alpha: float = 1e-3
    """Regularisation: inputs whose squared norm is far above it are protected fully."""
    vectors: int = 1
    """Mean patches per layer and architecture: the batch is split into this many parts, and each has a mean."""
    window: int = 8
    """Number of latest architectures that are protected; 0: all since the last reset."""
    reset: int = 1
    """Number of epochs after which all protection is lifted; 0: never."""
    _projectors: dict[str, Tensor] = field(default_factory=dict, init=False)
    _kept: list[dict[str, Tensor]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and 1 <= self.vectors <= 1000 and 0 <= self.window <= 1000 and self.reset >= 0):
            raise ValueError("alpha is above 0, vectors lies in 1 to 1000, window in 0 to 1000, and reset from 0 on")

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        n = ctx.recipe.network
        if n.ofa_kernel != "own" or n.channel_mode != "fixed":
            raise UserError(
                "The method di-ws needs convolutions that always use all of their weights: set "
                "network.ofa_kernel=own and network.channel_mode=fixed."
            )
        return network

    def start_epoch(self, ctx: Context) -> None:
        if self.reset and ctx.epoch % self.reset == 0:
            self._projectors, self._kept = {}, []

    def protect(self, ctx: Context, routing: Any) -> None:
        with torch.no_grad(), inputs_of(ctx.network, self.vectors) as new:
            ctx.forward(Path(routing))
        if self.window:
            self._kept.append(new)
        if self.window and len(self._kept) > self.window:
            self._kept.pop(0)
            self._projectors = {}
            names = dict.fromkeys(name for rows in self._kept for name in rows)
            new = {name: torch.cat([rows[name] for rows in self._kept if name in rows], -2) for name in names}
        for name, rows in new.items():
            size = rows.shape[-1]
            start = torch.eye(size, dtype=rows.dtype, device=rows.device).expand(*rows.shape[:-2], size, size)
            self._projectors[name] = absorbed(self._projectors.get(name, start), rows, self.alpha)

    def projected(self, moves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {
            name: (_by_group(moves[name], p).to(p.dtype) @ p).reshape(moves[name].shape).to(moves[name].dtype)
            for name, p in self._projectors.items()
            if name in moves
        }

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "projectors": self._projectors, "kept": self._kept}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        super().load_state_dict(state, ctx)
        device = next(ctx.network.parameters()).device
        self._projectors = {name: p.to(device) for name, p in state["projectors"].items()}
        self._kept = [{name: rows.to(device) for name, rows in one.items()} for one in state["kept"]]


def absorbed(projector: Tensor, rows: Tensor, alpha: float) -> Tensor:
    """Return the projector after it has absorbed vectors: P - K (alpha I + R K)^-1 K^T with K = P R^T.

    For a single vector this is the recursion of OWM; for several it gives the same as one after the other.

    Args:
        projector: P, symmetric: (d, d); or (groups, d, d) for the groups of a convolution.
        rows: R: (n, d) or (groups, n, d).
    """
    gain = projector @ rows.mT
    inner = rows @ gain
    inner.diagonal(dim1=-2, dim2=-1).add_(alpha)
    return projector - gain @ torch.linalg.solve(inner, gain.mT)


def _by_group(move: Tensor, projector: Tensor) -> Tensor:
    """The change of a weight as matrices that a projector multiplies: (outputs, d) or (groups, outputs of each, d)."""
    return move.reshape(*projector.shape[:-2], -1, projector.shape[-1])


@contextmanager
def inputs_of(network: nn.Module, parts: int) -> Iterator[dict[str, Tensor]]:
    """Collect the mean input patches of the layers that compute while the block runs.

    Yields:
        Name of each weight -> float64, (parts, inputs) or (groups, parts, inputs of a group), with further parts for
        every further use of the weight.
    """
    found: dict[str, Tensor] = {}

    def recorder(name: str) -> Any:
        def record(layer: Any, inputs: tuple[Tensor, ...]) -> None:
            rows = mean_patches(layer, inputs[0], parts)
            found[name] = torch.cat([found[name], rows], -2) if name in found else rows

        return record

    layers = {
        f"{name}.weight": layer
        for name, layer in network.named_modules()
        if (weight := layer._parameters.get("weight")) is not None and weight.dim() in (2, 4)
    }
    handles = [layer.register_forward_pre_hook(recorder(name)) for name, layer in layers.items()]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def mean_patches(layer: Any, x: Tensor, parts: int) -> Tensor:
    """Return the mean of a layer's input patches over images and positions: float64, (parts, inputs).

    For a convolution in several groups of channels they are (groups, parts, inputs of a group).

    Args:
        layer: a convolution or a linear layer.
        x: its input: (n, channels, height, width) or (n, inputs).
        parts: into how many parts the images are split, each with a mean; at most n.
    """
    # Patches are linear in the image: the mean of patches is the patch of the mean.
    means = torch.stack([part.double().mean(0) for part in x.detach().tensor_split(min(parts, len(x)))])
    if x.dim() == 2:
        return means
    kernel = layer.weight.shape[-1]
    padding, stride, dilation = getattr(layer, "padding", 0), getattr(layer, "stride", 1), getattr(layer, "dilation", 1)
    patches = F.unfold(means, kernel, dilation=dilation, padding=padding, stride=stride).mean(-1)
    groups = getattr(layer, "groups", 1)
    return patches if groups == 1 else patches.view(len(patches), groups, -1).transpose(0, 1)


@method("ogd")
class OrthogonalGradient(Protection):
    """Moves weights orthogonally to gradients of earlier architectures (OGD, Farajtabar et al., AISTATS 2020).

    When an architecture gives way to another, the gradient of its mean logit of the true class, on the present batch,
    enters a memory. The component of every update in the span of the memory is removed, so that to first order the
    mean logit of protected architectures does not change. The paper projects gradients of later tasks in this way,
    with a memory of several images per task; one gradient per architecture, the bounded memory, and the projection of
    the update are our choices.
    """

    memory: int = 8
    """Number of gradients that are kept, the latest ones; each has the size of the network."""
    _gradients: list[Tensor] = field(default_factory=list, init=False)
    _basis: list[Tensor] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if not 1 <= self.memory <= 100:
            raise ValueError("memory lies in 1 to 100")

    def protect(self, ctx: Context, routing: Any) -> None:
        out = ctx.forward(Path(routing))
        score = out.logits.gather(1, out.labels[:, None]).mean()
        found = torch.autograd.grad(score, list(ctx.network.parameters()), allow_unused=True, materialize_grads=True)
        gradient = torch.cat([g.flatten() for g in found])
        kept = [g for g in self._gradients if g.shape == gradient.shape]  # the network may have been rebuilt
        self._gradients = [*kept, gradient][-self.memory :]
        self._basis = orthonormal(self._gradients)

    def projected(self, moves: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        whole = torch.cat([move.flatten() for move in moves.values()])
        basis = [direction for direction in self._basis if direction.shape == whole.shape]
        if not basis:
            return {}
        for direction in basis:
            whole = whole - (whole @ direction) * direction
        parts = whole.split([move.numel() for move in moves.values()])
        return {name: part.view(moves[name].shape) for name, part in zip(moves, parts, strict=True)}

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "gradients": self._gradients}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        super().load_state_dict(state, ctx)
        device = next(ctx.network.parameters()).device
        self._gradients = [gradient.to(device) for gradient in state["gradients"]]
        self._basis = orthonormal(self._gradients)


def orthonormal(vectors: Sequence[Tensor], least: float = 1e-4) -> list[Tensor]:
    """Return an orthonormal basis of the span of vectors, by Gram-Schmidt: up to n tensors (d,).

    Args:
        vectors: (d,) each.
        least: a vector is left out if this share of it, or less, is new.
    """
    basis: list[Tensor] = []
    for vector in vectors:
        rest = vector
        for direction in [*basis, *basis]:  # the second round removes what rounding left
            rest = rest - (rest @ direction) * direction
        if rest.norm() > least * vector.norm():
            basis.append(rest / rest.norm())
    return basis


def _lists(nested: Any) -> Any:
    return [_lists(part) for part in nested] if isinstance(nested, list | tuple) else nested


def _tuples(nested: Any) -> Any:
    return tuple(_tuples(part) for part in nested) if isinstance(nested, list | tuple) else nested
