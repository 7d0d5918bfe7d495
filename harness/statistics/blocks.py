"""Means of paired differences over runs of several settings, with settings as blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats as distributions

from supernet.harness.statistics.seeds import LEVEL
from supernet.harness.statistics.spreads import SMALLEST


@dataclass(frozen=True)
class Blocked:
    """The mean over settings of a paired difference."""

    value: float
    low: float | None
    """Ends of the t interval; None where no setting has two runs, or all runs of each setting are equal and not 0."""
    high: float | None
    p: float | None
    """Two-sided, that the mean is 0."""
    blocks_p: float | None
    """That all settings have the same mean difference (F test); None where this cannot be tested."""
    runs: int
    blocks: int


def blocked(values: Sequence[ArrayLike]) -> Blocked | None:
    """Mean over settings of their mean differences; runs of one setting say how sure it is.

    Settings are fixed blocks of equal weight: the mean is over these settings, and a setting of more runs counts no
    more than others. The variance of a run is pooled within settings, with runs - settings degrees of freedom.

    Args:
        values: of each setting, one difference per run; settings without runs are left out.
    """
    groups = [v for v in (np.asarray(v, dtype=np.float64) for v in values) if len(v)]
    if not groups:
        return None
    runs, blocks = sum(map(len, groups)), len(groups)
    value = float(np.mean([v.mean() for v in groups]))
    df = runs - blocks
    variance = sum(float(np.square(v - v.mean()).sum()) for v in groups) / df if df else 0.0
    if variance < SMALLEST:  # rank correlations of few architectures move in steps: equal ones are no sign of certainty
        if df and not any(v.any() for v in groups):
            return Blocked(0.0, 0.0, 0.0, 1.0, None, runs, blocks)
        return Blocked(value, None, None, None, None, runs, blocks)
    error = math.sqrt(variance * sum(1 / len(v) for v in groups)) / blocks
    half = float(distributions.t.ppf((1 + LEVEL) / 2, df)) * error
    p = float(2 * distributions.t.sf(abs(value) / error, df))
    return Blocked(value, value - half, value + half, p, _equal(groups, variance, df), runs, blocks)


def _equal(groups: Sequence[np.ndarray], variance: float, df: int) -> float | None:
    if len(groups) < 2:
        return None
    overall = np.concatenate(groups).mean()
    between = sum(len(v) * float((v.mean() - overall) ** 2) for v in groups) / (len(groups) - 1)
    return float(distributions.f.sf(between / variance, len(groups) - 1, df))
