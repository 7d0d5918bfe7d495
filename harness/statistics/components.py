"""What of a variance several seeds share, and what of it each group of features explains."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats as distributions

from supernet.harness.statistics.seeds import LEVEL, Mean

Floats = NDArray[np.float64]

JACKKNIFE_SEEDS = 5
"""Seeds from which on a jackknife over them gives an interval: fewer leave-outs hardly tell a spread."""
_RANK = 1e-9
"""Singular values below this share of the largest count as zero."""


def components(values: ArrayLike) -> tuple[float, float]:
    """Variance components (common to all seeds, of a seed's own) of items that every seed measured once.

    The unbiased estimates of the two-way analysis of variance without repeats: (MS_items - MS_rest) / seeds, which may
    be negative, and MS_rest. The first equals the mean covariance between two seeds.

    Args:
        values: (items, seeds) with two or more of each.
    """
    c = np.cov(np.asarray(values, dtype=np.float64), rowvar=False)
    seeds = len(c)
    common = float((c.sum() - np.trace(c)) / (seeds * (seeds - 1)))
    return common, float(np.trace(c)) / seeds - common


def squares_and_products(values: Floats) -> tuple[float, float]:
    """Mean over seeds of the sum of squares, and mean over pairs of seeds of the sum of products; 0 of one seed.

    The products leave out what belongs to one seed: they are the squares of what all seeds have in common.

    Args:
        values: (items, seeds).
    """
    count = values.shape[1]
    squares = float(np.square(values).sum())
    products = float(np.square(values.sum(axis=1)).sum()) - squares
    return squares / count, products / (count * (count - 1)) if count > 1 else 0.0


def common_share(values: ArrayLike) -> Mean | None:
    """Share of the variance between items that is common to all seeds, with a jackknife interval from five seeds on.

    The interval is over seeds: it holds for these items.

    Args:
        values: (items, seeds). One seed, or no variance, has no share.
    """
    v = np.asarray(values, dtype=np.float64)
    seeds = v.shape[1]
    if seeds < 2 or not v.var(axis=0).sum() > 0:
        return None
    full = _share(v)
    if seeds < JACKKNIFE_SEEDS:
        return Mean(full, None, None, seeds)
    share = jackknife(full, [_share(np.delete(v, k, axis=1)) for k in range(seeds)])
    low, high = (None if end is None else min(max(end, 0.0), 1.0) for end in (share.low, share.high))
    return Mean(full, low, high, seeds)


def _share(values: Floats) -> float:
    common, own = components(values)
    return common / (common + own) if common + own > 0 else 0.0


def jackknife(full: float, without: Sequence[float]) -> Mean:
    """An estimate from all seeds with a t interval from those without each of them (Tukey's jackknife).

    Args:
        without: the estimate without each seed: (seeds,). Fewer than JACKKNIFE_SEEDS give no interval.
    """
    seeds = len(without)
    if seeds < JACKKNIFE_SEEDS:
        return Mean(full, None, None, seeds)
    pseudo = seeds * full - (seeds - 1) * np.asarray(without, dtype=np.float64)
    half = float(distributions.t.ppf((1 + LEVEL) / 2, seeds - 1)) * float(pseudo.std(ddof=1)) / math.sqrt(seeds)
    return Mean(full, full - half, full + half, seeds)


def basis(columns: Floats) -> Floats:
    """An orthonormal basis of the space that the columns span: (n, k) -> (n, rank)."""
    if columns.shape[1] == 0:
        return columns
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    found: Floats = left[:, sizes > _RANK * max(float(sizes[0]), 1e-300)]
    return found


def lmg(names: Sequence[str], value: Callable[[tuple[str, ...]], ArrayLike]) -> dict[str, Floats]:
    """What each group adds to the value of all, averaged over all orders in which groups can be added.

    Lindeman, Merenda and Gold (Introduction to Bivariate and Multivariate Analysis, 1980), who take R² as the value;
    the shares add up to the value of all groups.

    Args:
        names: of at most six groups or so: the value is taken of every subset.
        value: of a subset of the names, in their order; any shape, 0 for none of them.
    """
    known = {
        subset: np.asarray(value(subset), dtype=np.float64)
        for size in range(len(names) + 1)
        for subset in itertools.combinations(names, size)
    }
    out = {}
    for name in names:
        total = np.zeros_like(known[()])
        for subset, before in known.items():
            if name not in subset:
                after = known[tuple(other for other in names if other in subset or other == name)]
                orders = math.factorial(len(subset)) * math.factorial(len(names) - len(subset) - 1)
                total = total + orders / math.factorial(len(names)) * (after - before)
        out[name] = total
    return out
