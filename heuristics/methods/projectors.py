"""Linear algebra of updates that leave given directions alone: projectors, the inputs of layers, orthonormal bases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


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


def absorb(projectors: dict[str, Tensor], vectors: Mapping[str, Tensor], alpha: float) -> None:
    """Let the projector of each weight absorb vectors; it is I before the first of them.

    Args:
        projectors: name of a weight -> its projector, which is replaced.
        vectors: name of a weight -> (n, d) or (groups, n, d).
    """
    for name, rows in vectors.items():
        size = rows.shape[-1]
        start = torch.eye(size, dtype=rows.dtype, device=rows.device).expand(*rows.shape[:-2], size, size)
        projectors[name] = absorbed(projectors.get(name, start), rows, alpha)


def projected(moves: Mapping[str, Tensor], projectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return D P for the change D of every weight, seen as (outputs, inputs), that has a projector P.

    Args:
        moves: name of a weight -> its change.
        projectors: name of a weight -> (inputs, inputs) or (groups, inputs of a group, inputs of a group).
    """
    return {
        name: (_by_group(moves[name], p).to(p.dtype) @ p).reshape(moves[name].shape).to(moves[name].dtype)
        for name, p in projectors.items()
        if name in moves
    }


def _by_group(move: Tensor, projector: Tensor) -> Tensor:
    """The change of a weight as matrices that a projector multiplies: (outputs, d) or (groups, outputs of each, d)."""
    return move.reshape(*projector.shape[:-2], -1, projector.shape[-1])


def stacked(several: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return name -> the rows of all mappings that have this name, in their order."""
    names = dict.fromkeys(name for rows in several for name in rows)
    return {name: torch.cat([rows[name] for rows in several if name in rows], -2) for name in names}


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
