"""Two-level designs that tell many factors apart in few runs.

Every design is a Hadamard matrix folded over: its rows, and the same rows with all signs turned. By the fold, a product
of two columns is orthogonal to every column, so that no main effect is mixed with an interaction of two factors
(resolution IV; Box and Hunter, The 2^(k-p) fractional factorial designs, Technometrics 1961). From Sylvester's matrices
come regular fractions of 8, 16, 32 and 64 runs; from Paley's, the designs of Plackett and Burman (Biometrika 1946), of
24, 40 and 48 runs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard as sylvester

Ints = NDArray[np.int64]
Pair = tuple[int, int]
"""Two factors, by number."""

ORDERS = (4, 8, 12, 16, 20, 24, 32)
"""Orders of the Hadamard matrices that are folded; a matrix of order n gives 2 n runs for up to n factors."""
FEWEST, MOST = 3, ORDERS[-1]
"""Factors of a design. For two, all four combinations are as cheap."""


@dataclass(frozen=True)
class Aliases:
    """What a design cannot tell apart."""

    main: list[list[Pair]]
    """For every factor, the interactions of two factors that its main effect is mixed with, in part or entirely."""
    groups: list[list[Pair]]
    """Interactions of two factors; those of one group have the same column but for its sign."""
    partial: bool
    """Whether interactions of different groups are mixed in part, as in the designs of Plackett and Burman."""


def two_level_design(factors: int) -> Ints:
    """The design with the fewest runs for a number of factors; its first row has all factors at -1.

    Returns:
        -1 or +1, a row per run and a column per factor: (runs, factors). Columns are orthogonal to each other, to
        the constant, and to products of two columns; no row comes twice.

    Raises:
        ValueError: fewer than `FEWEST` factors, or more than `MOST`.
    """
    if not FEWEST <= factors <= MOST:
        raise ValueError(f"A design has {FEWEST} to {MOST} factors, not {factors}.")
    order = next(order for order in ORDERS if order >= factors)
    half = _hadamard(order)[:, :factors]
    design = np.concatenate([half, -half])
    return -design * design[0]


def _hadamard(order: int) -> Ints:
    """A matrix of -1 and +1 with orthogonal rows: (order, order)."""
    if order & (order - 1) == 0:
        return np.asarray(sylvester(order), dtype=np.int64)
    return _paley(order - 1)


def _paley(prime: int) -> Ints:
    """Paley's matrix of order prime + 1, for a prime that leaves 3 when divided by 4 (J. Math. and Physics 1933)."""
    squares = {k * k % prime for k in range(1, prime)}
    symbol = np.array([0] + [1 if k in squares else -1 for k in range(1, prime)])
    places = np.arange(prime)
    matrix = np.ones((prime + 1, prime + 1), dtype=np.int64)
    matrix[1:, 0] = -1
    matrix[1:, 1:] = symbol[(places[None, :] - places[:, None]) % prime] + np.eye(prime, dtype=np.int64)
    return matrix


def aliases(design: Ints) -> Aliases:
    """What a design of -1 and +1 (runs, factors) mixes: main effects with pairs of factors, and pairs with pairs."""
    pairs = list(itertools.combinations(range(design.shape[1]), 2))
    products = np.array([design[:, i] * design[:, j] for i, j in pairs])
    with_main = products @ design
    between = np.abs(products @ products.T)
    whole = between == len(design)
    groups: dict[int, list[Pair]] = {}
    for place, pair in enumerate(pairs):
        groups.setdefault(int(np.argmax(whole[place])), []).append(pair)
    return Aliases(
        [[pair for pair, shared in zip(pairs, column, strict=True) if shared] for column in with_main.T.tolist()],
        list(groups.values()),
        bool((~whole & (between > 0)).any()),
    )
