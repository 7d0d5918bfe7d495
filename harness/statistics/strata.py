"""Kendall's tau of pairs within strata and of pairs between them, such as strata of equal parameter count."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from supernet.harness.statistics.concordance import Concordance
from supernet.harness.statistics.metrics import Vector, checked

FEWEST = 10
"""Items per distinct value, on average, from which on every value is a stratum of its own; else deciles are."""
PARTS = 10


@dataclass(frozen=True)
class Split:
    """tau-b split by pairs: `from_within + from_between` is the tau-b of all pairs, exactly."""

    within: float | None
    """tau-b of the pairs in one stratum; None where none of them has an order on both sides."""
    between: float | None
    """tau-b of the pairs in different strata."""
    from_within: float
    """Concordant less discordant pairs within strata, over the denominator of the tau-b of all pairs."""
    from_between: float
    """The same of pairs between strata."""


def strata_of(values: ArrayLike) -> tuple[NDArray[np.int64], bool]:
    """Strata by a value: (n,) of numbers from 0 on, ascending with the value, and whether each holds one value alone.

    Equal values share a stratum. Where there are fewer than ten items per distinct value, strata are tenths of the
    ranking by the value, which ties make unequal.
    """
    v = np.asarray(values, dtype=np.float64)
    distinct, label = np.unique(v, return_inverse=True)
    if len(distinct) * FEWEST <= len(v):
        return label.astype(np.int64), True
    places = (rankdata(v) - 0.5) / len(v)
    return np.unique((places * PARTS).astype(np.int64), return_inverse=True)[1].astype(np.int64), False


def pairs_within(strata: NDArray[np.int64]) -> float:
    """Share of all pairs whose items are in one stratum."""
    return _tied(strata) / (len(strata) * (len(strata) - 1) / 2)


def split_tau(scores: ArrayLike, truth: ArrayLike, strata: NDArray[np.int64]) -> Split:
    """tau-b within and between strata.

    With P and Q the concordant and discordant pairs, P - Q of all pairs is the sum of P - Q within strata and between
    them. Each is given over the denominator of the whole, sqrt((n0 - n1)(n0 - n2)), so that the two add up to tau-b,
    and over the same expression of its own pairs, which is the tau-b of these alone.

    Args:
        scores, truth, strata: (n,) each.
    """
    x, y = checked(scores, truth)
    within = len(x) * (len(x) - 1) / 2 * pairs_within(strata)
    across = len(x) * (len(x) - 1) / 2 - within
    # With strata as the first key on both sides, all pairs between strata agree; the others keep their order.
    by_x, by_y = (_inside(strata, v) for v in (x, y))
    excess, excess_within = _excess(x, y), _excess(by_x, by_y) - across
    untied = [len(x) * (len(x) - 1) / 2 - _tied(v) for v in (x, y)]
    untied_within = [within - _tied(v) for v in (by_x, by_y)]
    untied_between = [whole - inner for whole, inner in zip(untied, untied_within, strict=True)]
    scale = math.sqrt(untied[0]) * math.sqrt(untied[1])
    return Split(
        _tau(excess_within, untied_within),
        _tau(excess - excess_within, untied_between),
        excess_within / scale if scale else 0.0,
        (excess - excess_within) / scale if scale else 0.0,
    )


def _inside(strata: NDArray[np.int64], values: Vector) -> NDArray[np.int64]:
    """Whole numbers in the order of the strata, then of the values within each: (n,)."""
    group = np.unique(values, return_inverse=True)[1]
    return (strata * (group.max() + 1) + group).astype(np.int64)


def _excess(x: Vector | NDArray[np.int64], y: Vector | NDArray[np.int64]) -> float:
    return float(Concordance(x, y).excess(np.ones((len(x), 1)))[0])


def _tied(values: Vector | NDArray[np.int64]) -> float:
    sizes = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((sizes * (sizes - 1)).sum() / 2)


def _tau(excess: float, untied: list[float]) -> float | None:
    """None where no pair is in order on one of the sides."""
    scale = math.sqrt(untied[0]) * math.sqrt(untied[1])
    return float(np.clip(excess / scale, -1, 1)) if scale > 0 else None
