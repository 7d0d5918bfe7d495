"""Fusion of scores: one score of an architecture from several, by their ranks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import did_you_mean, listed, quoted

Floats = NDArray[np.float64]


def relative_ranks(values: ArrayLike) -> Floats:
    """rank / n of each value, (n,): rank 1 is the lowest, ties get their mean rank, and NaN is tied below all."""
    ranks = _ranks(values)
    return np.asarray(ranks / max(len(ranks), 1), dtype=np.float64)


def _ranks(values: ArrayLike) -> Floats:
    """The rank of each value, as `relative_ranks` counts it: (n,)."""
    x = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(x)
    places = np.zeros(len(x))
    places[known] = rankdata(x[known])
    return np.asarray(rankdata(places), dtype=np.float64)


def with_last(values: ArrayLike) -> Floats:
    """The values with a number just below the lowest finite one for all that are not finite: (n,)."""
    x = np.asarray(values, dtype=np.float64)
    known = np.isfinite(x)
    return np.where(known, x, np.nextafter(x[known].min() if known.any() else 0.0, -np.inf))


def mean_of_ranks(draws: ArrayLike) -> Floats:
    """Mean over repeated scores of the relative ranks, for example over draws or seeds: (n,).

    The values themselves need not be comparable between draws, and one draw with wide spread has no more weight.

    Args:
        draws: (draws, n).
    """
    rows = np.atleast_2d(np.asarray(draws))
    # Sums of ranks are exact, so that architectures with equal sums stay tied.
    return np.asarray(np.sum([_ranks(values) for values in rows], axis=0) / (len(rows) * max(rows.shape[1], 1)))


def over_classes(values: ArrayLike, labels: ArrayLike) -> Floats:
    """Mean of the values of all members of each class, for each member: (n,).

    Architectures that compute the same function with the same weights (`SearchSpace.twins`) are further draws of one
    score.

    Args:
        values, labels: score and class of each architecture: (n,).
    """
    _, inverse, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    sums = np.bincount(inverse, weights=np.asarray(values, dtype=np.float64))
    return np.asarray((sums / counts)[inverse])


# ---- ways to fuse ---------------------------------------------------------------------------------------------------


def _log(ranks: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ np.log(ranks))


def _harmonic(ranks: Floats, weights: Floats) -> Floats:
    return np.asarray(weights.sum() / (weights @ (1 / ranks)))


def _linear(ranks: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ ranks / weights.sum())


WAYS: Mapping[str, Callable[[Floats, Floats], Floats]] = {"log": _log, "harmonic": _harmonic, "linear": _linear}
"""How relative ranks r_i with weights w_i are fused: sum w_i log r_i (as AZ-NAS, Lee and Ham, CVPR 2024, does);
sum w_i / sum (w_i / r_i); or sum w_i r_i / sum w_i. The first two punish the worse of two ranks."""


def _numbers(what: str, values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise UserError(f"{what} are numbers, not {quoted(values)}.") from None


def fuse(scores: Mapping[str, ArrayLike], weights: Mapping[str, float] | None = None, how: str = "log") -> Floats:
    """One score from several scores of the same architectures: (n,), higher is better.

    Args:
        scores: name -> values, higher is better, NaN is worst: (n,), or (draws, n) for repeated scores, whose ranks are
            averaged first.
        weights: name -> weight, above 0; 1 where none is given.
        how: a key of `WAYS`.

    Raises:
        UserError: there are no scores, they are no numbers, they differ in number, or a weight or the way cannot be
            used.
    """
    if how not in WAYS:
        raise UserError(f"Scores are not fused by {quoted(how)}; {did_you_mean(how, list(WAYS))}")
    if not isinstance(scores, Mapping):
        raise UserError(f"Scores are fused by their names: give a mapping of names to values, not {quoted(scores)}.")
    tables = {name: np.atleast_2d(_numbers(f"The scores {quoted(name)}", values)) for name, values in scores.items()}
    counts = {table.shape[1] for table in tables.values()}
    if len(counts) != 1 or counts == {0}:
        raise UserError("Scores of the same architectures are fused, at least one of each: these differ in number.")
    chosen = dict.fromkeys(tables, 1.0) | dict(weights or {})
    if extra := [name for name in chosen if name not in tables]:
        raise UserError(f"There is a weight for {listed(map(quoted, extra))}, but no such score.")
    factors = _numbers("The weights of scores", [chosen[name] for name in tables])
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise UserError("The weights of scores are numbers above 0.")
    ranks = np.stack([relative_ranks(mean_of_ranks(table)) for table in tables.values()])
    return WAYS[how](ranks, factors)
