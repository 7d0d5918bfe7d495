"""What the stand-alone networks of DARTS cost, by formula: parameters and multiply-accumulates of each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONVOLUTIONS = {"sep_conv_3x3": (3, 2), "sep_conv_5x5": (5, 2), "dil_conv_3x3": (3, 1), "dil_conv_5x5": (5, 1)}
"""Operation -> size of its kernel, and how often it repeats a depthwise convolution, a 1x1 convolution and a batch
norm."""
NODES = 4


@dataclass(frozen=True)
class Place:
    """One cell of a network."""

    reduction: bool
    """Whether operations on states 0 and 1 have stride 2."""
    inputs: tuple[int, int]
    """Channels of the outputs of the cell before the last and of the last cell."""
    width: int
    """Channels of every node."""


def places(channels: int, cells: int) -> list[Place]:
    """The cells of a network in order: three stages of `cells` normal cells, with a reduction cell between them.

    Args:
        channels, cells: see `placed`.
    """
    return placed(channels, layers_of(cells))


def layers_of(cells: int) -> int:
    """Number of cells of a network with this number of normal cells per stage."""
    return 3 * cells + 2


def placed(channels: int, layers: int) -> list[Place]:
    """The cells of a network in order. Reduction cells come after one and two thirds of the cells, rounded down.

    Args:
        channels: channels of a node in the first stage. Both reductions double them; the stem has three times as many.
        layers: number of cells.
    """
    found: list[Place] = []
    inputs, width = (3 * channels, 3 * channels), channels
    for number in range(layers):
        reduction = number in (layers // 3, 2 * layers // 3)
        width *= 1 + reduction
        found.append(Place(reduction, inputs, width))
        inputs = (inputs[1], NODES * width)
    return found


def network_costs(
    states: NDArray[np.int64],
    ops: NDArray[np.int64],
    names: tuple[str, ...],
    network: Sequence[Place],
    size: int,
    classes: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Trainable parameters, and multiply-accumulates for one image, of the networks of n pairs of cells: (n,) each.

    Convolutions, affine batch norms and the classifier count; its biases count as parameters alone.

    Args:
        states, ops: the state that each input of each node reads, and its operation: (n, 2, 4, 2).
        names: the operations by number.
        network: the cells in order; see `placed`.
        size: height and width of the images in pixels.
        classes: number of outputs of the classifier.
    """
    kind, strided = np.arange(2)[:, None, None], (states < 2).astype(np.int64)
    params, products = (
        table[kind, strided, ops].sum(axis=(1, 2, 3)) for table in _operation_tables(names, network, size)
    )
    shared_params, shared_products = _shared_costs(network, size, classes)
    return params + shared_params, products + shared_products


def _operation_tables(names: tuple[str, ...], network: Sequence[Place], size: int) -> NDArray[np.int64]:
    """Costs of each operation, summed over the cells of a kind: (cost, kind of cell, stride 1 or 2, operations).

    The first cost counts parameters, the second one multiply-accumulates; a normal cell has no stride, so that both
    strides cost the same in it.
    """
    tables = np.zeros((2, 2, 2, len(names)), dtype=np.int64)
    for place in network:
        size = halved(size) if place.reduction else size
        for strided in (False, True):
            for number, op in enumerate(names):
                costs = _operation_costs(op, place.width, strided and place.reduction, size**2)
                tables[:, int(place.reduction), int(strided), number] += costs
    return tables


def _operation_costs(op: str, width: int, strided: bool, area: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of one operation of a cell.

    Args:
        width: its channels.
        strided: whether it has stride 2.
        area: pixels of its output.
    """
    weights = norms = 0
    if op in CONVOLUTIONS:
        kernel, norms = CONVOLUTIONS[op]
        weights = norms * (kernel**2 * width + width**2)
    elif op == "skip_connect" and strided:
        weights, norms = 2 * width * (width // 2), 1
    return weights + norms * 2 * width, weights * area


def _shared_costs(network: Sequence[Place], size: int, classes: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of what all architectures share: stem, inputs of the cells, classifier."""
    stem = network[0].inputs[1]
    weights, norms, products = 27 * stem, stem, 27 * stem * size**2
    for place in network:
        adapted = sum(place.inputs) * place.width
        weights, norms, products = weights + adapted, norms + 2 * place.width, products + adapted * size**2
        size = halved(size) if place.reduction else size
    head = NODES * network[-1].width * classes
    return weights + 2 * norms + head + classes, products + head


def auxiliary_params(network: Sequence[Place], classes: int) -> int:
    """Parameters of the auxiliary head of the authors' networks for CIFAR-10, which reads the second reduction cell."""
    inputs = NODES * [place.width for place in network if place.reduction][-1]
    return inputs * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * classes + classes


def halved(size: int) -> int:
    """Pixels per side after a stride of 2."""
    return (size + 1) // 2
