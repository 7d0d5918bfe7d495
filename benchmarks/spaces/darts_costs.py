"""What the stand-alone networks of DARTS cost, by formula: parameters and multiply-accumulates of each part."""

from __future__ import annotations

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
    after_reduction: bool
    """Whether state 0 comes from before a reduction, so that a factorised reduction adapts it."""
    inputs: tuple[int, int]
    """Channels of the outputs of the cell before the last and of the last cell."""
    width: int
    """Channels of every node."""


def places(channels: int, cells: int) -> list[Place]:
    """The cells of a network in order: three stages of `cells` normal cells, with a reduction cell between them.

    Args:
        channels: channels of a node in the first stage. Both reductions double them; the stem has three times as many.
        cells: cells per stage.
    """
    found: list[Place] = []
    inputs, width = (3 * channels, 3 * channels), channels
    for number in range(3 * cells + 2):
        reduction = number in (cells, 2 * cells + 1)
        width *= 1 + reduction
        found.append(Place(reduction, bool(found) and found[-1].reduction, inputs, width))
        inputs = (inputs[1], NODES * width)
    return found


def operation_costs(op: str, place: Place, strided: bool, area: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of one operation of a cell.

    Args:
        strided: whether it has stride 2.
        area: pixels of its output.
    """
    width = place.width
    if op in CONVOLUTIONS:
        kernel, repeats = CONVOLUTIONS[op]
        weights, norms = repeats * (kernel**2 * width + width**2), repeats
    elif op == "skip_connect" and strided:
        weights, norms = 2 * width * (width // 2), 1
    else:
        weights, norms = 0, 0
    return weights + norms * 2 * width, weights * area


def cost_tables(ops: tuple[str, ...], channels: int, cells: int, size: int) -> NDArray[np.int64]:
    """Costs of each operation, summed over the cells of a kind: (cost, kind of cell, stride 1 or 2, operations).

    The first cost counts parameters, the second one multiply-accumulates; a normal cell has no stride, so that both
    strides cost the same in it.
    """
    table = np.zeros((2, 2, 2, len(ops)), dtype=np.int64)
    for place in places(channels, cells):
        size = halved(size) if place.reduction else size
        for strided in (False, True):
            for number, op in enumerate(ops):
                costs = operation_costs(op, place, strided and place.reduction, size**2)
                table[:, int(place.reduction), int(strided), number] += costs
    return table


def fixed_costs(channels: int, cells: int, size: int, classes: int) -> tuple[int, int]:
    """Parameters and multiply-accumulates of what all architectures share: stem, inputs of the cells, classifier."""
    stem, width = 27 * 3 * channels, channels
    weights, norms, products = stem, 3 * channels, stem * size**2
    for place in places(channels, cells):
        adapted = sum(place.inputs) * place.width
        width = place.width
        weights, norms = weights + adapted, norms + 2 * width
        products += adapted * size**2
        size = halved(size) if place.reduction else size
    head = NODES * width * classes
    return weights + 2 * norms + head + classes, products + head


def halved(size: int) -> int:
    """Pixels per side after a stride of 2."""
    return (size + 1) // 2
