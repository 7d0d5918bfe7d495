"""Least squares on the means of settings: contrasts, what they are uncertain by, and tests of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from supernet.harness.statistics.spreads import SMALLEST, Floats, Spread

LEAST_DF = 3
"""Degrees of freedom that an estimate of the error must have to be used."""
RESIDUAL, SEEDS, LENTH = "residual", "seeds", "lenth"
"""Where an error comes from: the residuals, the spread between seeds, or the small ones of the contrasts themselves."""
_ROUNDING = 1e-8


@dataclass(frozen=True)
class Fit:
    """Least squares of n values on p columns."""

    columns: Floats
    """(n, p)."""
    inverse: Floats
    """Pseudo-inverse of the columns: (p, n)."""
    known: Floats
    """Projection on what the values tell of the coefficients: (p, p)."""
    values: Floats
    """(n,)."""
    residual: Spread
    """Variance of the values about the fit, with its degrees of freedom; 0 where there are none."""

    @classmethod
    def of(cls, columns: ArrayLike, values: ArrayLike) -> Fit:
        """Fit values (n,) by columns (n, p), of which some may depend on others."""
        x, y = np.asarray(columns, dtype=np.float64), np.asarray(values, dtype=np.float64)
        left, sizes, right = np.linalg.svd(x, full_matrices=False)
        kept = sizes > _ROUNDING * sizes[0]
        inverse = (right[kept].T / sizes[kept]) @ left[:, kept].T
        df = len(y) - int(kept.sum())
        squares = float(np.square(y - x @ (inverse @ y)).sum())
        return cls(x, inverse, inverse @ x, y, Spread(squares / df if df else 0.0, float(df)))

    def weights(self, contrast: ArrayLike) -> Floats | None:
        """How much each value counts in the estimate of a sum of coefficients; None where the values do not tell it.

        Args:
            contrast: the factor of each coefficient in the sum: (p,).

        Returns:
            (n,); the estimate is their product with the values.
        """
        c = np.asarray(contrast, dtype=np.float64)
        if np.abs(c - self.known @ c).max() > _ROUNDING * np.abs(c).max():
            return None
        weights: Floats = c @ self.inverse
        return weights


@dataclass(frozen=True)
class Error:
    """How uncertain the values of a fit are."""

    source: str
    """`RESIDUAL`, `SEEDS` or `LENTH`."""
    variances: Floats
    """Error variance of each value: (n,)."""
    df: float


@dataclass(frozen=True)
class Estimate:
    """A contrast with its t interval and test; none where the error is unknown."""

    value: float
    error: float | None
    """Standard error."""
    low: float | None
    high: float | None
    p: float | None
    """Two-sided, of this contrast alone."""


def means_of(groups: Sequence[ArrayLike]) -> Floats:
    """Mean of each setting's seeds: (n,)."""
    return np.array([np.asarray(v, dtype=np.float64).mean() for v in groups])


def pure_error(groups: Sequence[ArrayLike]) -> Spread:
    """Pooled variance between the seeds of one setting, with its degrees of freedom.

    Args:
        groups: of each setting, one value per seed.
    """
    arrays = [np.asarray(v, dtype=np.float64) for v in groups]
    df = sum(len(v) - 1 for v in arrays)
    squares = sum(float(np.square(v - v.mean()).sum()) for v in arrays)
    return Spread(squares / df if df else 0.0, float(df))


def lenth(contrasts: ArrayLike) -> Spread:
    """Variance of independent contrasts of equal variance of which few are not zero: Lenth's pseudo standard error.

    Lenth (Quick and easy analysis of unreplicated factorials, Technometrics 1989): s0 is 1.5 times the median of the
    absolute contrasts, and the pseudo standard error 1.5 times the median of those below 2.5 s0, with a third of
    their number as degrees of freedom.

    Args:
        contrasts: (m,).
    """
    sizes = np.abs(np.asarray(contrasts, dtype=np.float64))
    first = 1.5 * float(np.median(sizes))
    small = sizes[sizes < 2.5 * first]
    pseudo = 1.5 * float(np.median(small)) if len(small) else 0.0
    return Spread(pseudo**2, len(sizes) / 3)


def error_of(fit: Fit, groups: Sequence[ArrayLike]) -> Error | None:
    """The error of the settings' means that a design can give, or None.

    Where most settings have two or more seeds, it is that of the seeds or that of the residuals, whichever has more
    degrees of freedom. Otherwise it is that of the residuals, which is not taken from a few settings alone and holds
    what the fit leaves out; where they have fewer than `LEAST_DF` degrees of freedom, that of the seeds; and
    where those have too few as well, Lenth's, for columns that are orthogonal and of equal length.

    Args:
        fit: of the settings' means, the constant first among its columns.
        groups: of each setting, one value per seed: n of them.
    """
    counts = np.array([np.size(v) for v in groups])
    residual, pure = fit.residual, pure_error(groups)
    replicated = 2 * (counts > 1).sum() > len(counts)
    if (replicated and pure.df > residual.df and pure.df >= LEAST_DF) or residual.df < LEAST_DF <= pure.df:
        return Error(SEEDS, np.maximum(pure.variance, SMALLEST) / counts, pure.df)
    if residual.df >= LEAST_DF:
        return Error(RESIDUAL, np.full(len(counts), max(residual.variance, SMALLEST)), residual.df)
    contrasts = _all_contrasts(fit.columns, fit.values)
    if contrasts is None:
        return None
    pseudo = lenth(contrasts)
    return Error(LENTH, np.full(len(counts), max(pseudo.variance, SMALLEST)), pseudo.df)


def _all_contrasts(x: Floats, y: Floats) -> Floats | None:
    """The n - 1 contrasts of n values, on a scale on which each has the variance of a value; None for other designs.

    They are those of the columns, and beyond these any that are orthogonal to them.
    """
    gram = x.T @ x
    if len(x) < 4 or np.abs(gram - len(x) * np.eye(x.shape[1])).max() > _ROUNDING * len(x):
        return None
    beyond = np.linalg.svd(x, full_matrices=True)[0][:, x.shape[1] :]
    contrasts: Floats = np.concatenate([x[:, 1:].T @ y / math.sqrt(len(x)), beyond.T @ y])
    return contrasts


def lack_of_fit(fit: Fit, groups: Sequence[ArrayLike]) -> float | None:
    """p-value that settings lie about the fit no further than their seeds make them (F test), or None.

    It is exact where all settings have equally many seeds.

    Args:
        fit: of the settings' means.
        groups: of each setting, one value per seed: n of them.
    """
    residual, pure = fit.residual, pure_error(groups)
    if residual.df < 1 or pure.df < LEAST_DF or pure.variance <= SMALLEST:
        return None
    expected = pure.variance * float(np.mean([1 / np.size(v) for v in groups]))
    return float(distributions.f.sf(residual.variance / expected, residual.df, pure.df))


def estimate(weights: Floats, values: Floats, error: Error | None, level: float, sampling: float = 0.0) -> Estimate:
    """A contrast of values with its t interval.

    Args:
        weights: of the values in the contrast: (n,).
        values: (n,).
        sampling: variance of the contrast that its values share and that their spread does not show, taken as known.
        level: of the interval.
    """
    value = float(weights @ values)
    if error is None:
        return Estimate(value, None, None, None, None)
    own = float(np.square(weights) @ error.variances)
    total = own + sampling
    # Satterthwaite: a variance that is known has endless degrees of freedom.
    df = error.df / max(own / total, 1e-3) ** 2
    se = math.sqrt(total)
    half = float(distributions.t.ppf((1 + level) / 2, df)) * se
    return Estimate(value, se, value - half, value + half, float(2 * distributions.t.sf(abs(value) / se, df)))
