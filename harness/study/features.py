"""What could explain why a super-net displaces an architecture: its choices, its size and its depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.spaces.live import layers

Floats = NDArray[np.float64]

OPERATIONS, CONNECTIONS, SIZE, DEPTH = "operations", "connections", "parameter count", "depth and layers"
"""Groups of features."""
DEGREE = 5
"""Degree of the polynomial in true rank that stands for what architectures of one accuracy have in common."""


@dataclass(frozen=True)
class Choice:
    """One option of one decision that some architectures take."""

    decision: str
    option: str
    column: Floats
    """1 where an architecture takes it, else 0: (n,)."""


def choices(within: SearchSpace, archs: NDArray[np.int8], *, operations: bool) -> list[Choice]:
    """All options that are taken of the decisions about operations, or of the others.

    A decision of which all architectures take the same option tells nothing and is left out.

    Args:
        archs: (n, decisions).
    """
    numbers = [k for k in range(len(within.decisions)) if (k in within.operations) == operations]
    found = []
    for number in numbers:
        decision = within.decisions[number]
        taken = np.unique(archs[:, number])
        if len(taken) > 1:
            found += [
                Choice(decision.name, str(decision.options[o]), (archs[:, number] == o).astype(np.float64))
                for o in taken.tolist()
            ]
    return found


def groups_of(within: SearchSpace, archs: NDArray[np.int8], params: Floats) -> dict[str, Floats]:
    """Name of a group -> its features (n, k); groups that are the same for all architectures are left out."""
    groups = {
        OPERATIONS: _columns(choices(within, archs, operations=True), len(archs)),
        CONNECTIONS: _columns(choices(within, archs, operations=False), len(archs)),
        SIZE: rankdata(params)[:, None],
        DEPTH: _layers(within, archs),
    }
    return {name: columns for name, columns in groups.items() if columns.size and (np.ptp(columns, axis=0) > 0).any()}


def _columns(taken: list[Choice], n: int) -> Floats:
    return np.stack([choice.column for choice in taken], axis=1) if taken else np.zeros((n, 0))


def _layers(within: SearchSpace, archs: NDArray[np.int8]) -> Floats:
    """Depth and number of live operations but for skips: (n, 2)."""
    skip = within.skip_option
    passing = {str(within.decisions[k].options[skip]) for k in within.operations} if skip is not None else set()
    return layers(within, archs, passing)


def beside_truth(columns: Floats, truth: Floats) -> Floats:
    """Features less what is expected of them at the same true rank, by a polynomial of fifth degree: (n, k).

    Otherwise a feature that merely goes with accuracy would take part of what another displaces.
    """
    places = (rankdata(truth) - 0.5) / len(truth)
    powers = np.polynomial.legendre.legvander(2 * places - 1, DEGREE)
    return columns - powers @ np.linalg.lstsq(powers, columns, rcond=None)[0]
