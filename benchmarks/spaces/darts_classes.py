"""Pairs of DARTS cells that coincide: dead inputs of nodes, and nodes in another order.

Cells are arrays of shape (n, 2, 4, 2): for the normal and the reduction cell, the two inputs of each of the four nodes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

INPUTS = 2
"""The outputs of the two cells before are states 0 and 1, and node i is state i + 2."""
IMPOSSIBLE = np.iinfo(np.int64).max

Ints = NDArray[np.int64]


def live_operations(states: Ints, ops: Ints) -> Ints:
    """The operations, with 0 (`none`) for each one that reads a state that carries nothing: (n, 2, 4, 2).

    Args:
        states, ops: the state that each input reads, and its operation: (n, 2, 4, 2).
    """
    n, cells, nodes, _ = ops.shape
    carries = np.ones((n, cells, INPUTS + nodes), dtype=bool)
    live = ops.copy()
    for node in range(nodes):
        read = np.take_along_axis(carries, states[:, :, node], axis=2)
        live[:, :, node] *= read
        carries[:, :, INPUTS + node] = (live[:, :, node] > 0).any(axis=2)
    return live


def reads(states: Ints, live: Ints) -> NDArray[np.bool_]:
    """Whether the output of each cell depends on each of its two inputs: (n, 2, 2).

    Every node is a part of the output, so that one operation that reads an input suffices.

    Args:
        states, live: the state that each input of a node reads, and its live operation: (n, 2, 4, 2).
    """
    return np.stack([((states == number) & (live > 0)).any(axis=(2, 3)) for number in range(INPUTS)], axis=2)


def lowest_numbers(
    states: Ints, live: Ints, kinds: int, orders: Iterable[tuple[int, ...]] | None = None
) -> NDArray[np.int64]:
    """The lowest number of a cell that is equal to each of these, among these orders of its nodes: (n, 2).

    Args:
        states, live: the state that each input of a node reads, and its live operation: (n, 2, 4, 2).
        kinds: number of operations.
        orders: the new place of each node, for each order that is tried; orders in which a node would read a later one
            are left out. Default: all.
    """
    nodes = live.shape[2]
    lowest = np.full(live.shape[:2], IMPOSSIBLE)
    for order in itertools.permutations(range(nodes)) if orders is None else orders:
        new = np.array([0, 1, *(INPUTS + place for place in order)])
        moved = np.where(live > 0, new[states], 0)
        forward = (moved < INPUTS + np.array(order)[:, None]).all(axis=(2, 3))
        found = _numbers(moved, live, order, kinds)
        lowest = np.where(forward & (found < lowest), found, lowest)
    return lowest


def _numbers(states: Ints, live: Ints, order: tuple[int, ...], kinds: int) -> NDArray[np.int64]:
    """The number of each cell whose nodes are in this order, each input that is not live chosen freely: (n, 2)."""
    nodes = len(order)
    first, second, pair = _lowest_options(states, live)
    by_place = np.argsort(order)
    number = np.zeros(live.shape[:2], dtype=np.int64)
    for node in by_place:
        number = (number * kinds + first[:, :, node]) * kinds + second[:, :, node]
    for place in range(1, nodes):
        node = by_place[place]
        low, high = pair[:, :, node, 0], pair[:, :, node, 1]
        readable = INPUTS + place
        # Pairs are listed as by itertools.combinations.
        rank = low * readable - low * (low + 1) // 2 + high - low - 1
        number = number * (readable * (readable - 1) // 2) + rank
    return number


def _lowest_options(states: Ints, live: Ints) -> tuple[Ints, Ints, Ints]:
    """First operation, second operation and pair of states of each node: (n, 2, 4), (n, 2, 4), (n, 2, 4, 2).

    Where one input is not live, the other one comes second if a lower state can be paired with its own: the first
    operation is `none` then, which has the lowest number.
    """
    swapped = np.argsort(np.where(live > 0, states, -1), axis=-1, kind="stable")
    states, live = np.take_along_axis(states, swapped, axis=-1), np.take_along_axis(live, swapped, axis=-1)
    alone_on_first = (live[..., 0] == 0) & (live[..., 1] > 0) & (states[..., 1] == 0)
    first = np.where(alone_on_first, live[..., 1], live[..., 0])
    second = np.where(alone_on_first, 0, live[..., 1])
    low = np.where(live[..., 0] > 0, states[..., 0], 0)
    high = np.where((live[..., 1] > 0) & ~alone_on_first, states[..., 1], 1)
    return first, second, np.stack([low, high], axis=-1)
