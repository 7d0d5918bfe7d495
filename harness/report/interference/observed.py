"""What the measures of several super-nets say together: the super-net, not the pair, is the unit of all intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.stats import spearmanr

from supernet.harness.statistics import seeds
from supernet.harness.statistics.seeds import Mean
from supernet.harness.statistics.spreads import Spread

LEAST_PAIRS = 5
"""Fewest values of which a rank correlation is taken; our choice."""


@dataclass(frozen=True)
class Trend:
    """A rank correlation, one for each super-net."""

    what: str
    expected: str
    """What was published: `falls` or `rises`."""
    mean: Mean
    values: tuple[float, ...]

    @property
    def verdict(self) -> str:
        """What the interval over super-nets says of the published observation."""
        sign = -1 if self.expected == "falls" else 1
        if self.mean.low is None or self.mean.high is None:
            return "not tested: fewer than three super-nets"
        if self.mean.low <= 0 <= self.mean.high:
            return "undecided"
        return "seen" if sign * self.mean.value > 0 else "the opposite is seen"


@dataclass(frozen=True)
class Level:
    """A mean over super-nets at one value of something."""

    at: float
    mean: Mean


def trends(rows: Sequence[pd.DataFrame]) -> list[Trend]:
    """The two published observations (Xu et al., ICML 2022), and that of disturbance (Niu et al., 2021).

    Args:
        rows: for each super-net the rows of its measures at the last epoch (`Run.measured`).
    """
    found = []
    for what, expected, make in (
        ("cosine of gradients, by number of differing decisions", "falls", _by_distance),
        ("cosine of gradients, by similarity of inputs", "rises", _by("inputs")),
        ("cosine of gradients, by similarity of output gradients", "rises", _by("output_gradients")),
        ("disturbance, by number of differing decisions", "rises", _disturbance),
    ):
        values = [value for value in map(make, rows) if value is not None]
        if values:
            found.append(Trend(what, expected, _mean(values, bounded=True), tuple(values)))
    return found


def levels(rows: Sequence[pd.DataFrame], method: str, by: str, value: str) -> list[Level]:
    """The mean of a value at each distance, cell or epoch, over super-nets.

    Args:
        method: the measure that gave the rows.
        by, value: columns.
    """
    means = [frame[frame["method"] == method].groupby(by)[value].mean() for frame in rows]
    places = sorted({place for each in means for place in each.dropna().index})
    found = []
    for place in places:
        values = [float(each[place]) for each in means if place in each.dropna().index]
        found.append(Level(float(place), _mean(values, bounded=False)))
    return found


def _by_distance(frame: pd.DataFrame) -> float | None:
    """Spearman's correlation over pairs of their distance with the mean cosine of their shared operations."""
    pairs = frame[frame["method"] == "interference"].groupby("pair")[["distance", "cosine"]].mean().dropna()
    return _correlation(pairs["distance"], pairs["cosine"])


def _by(column: str) -> Callable[[pd.DataFrame], float | None]:
    def correlation(frame: pd.DataFrame) -> float | None:
        """Spearman's correlation over all shared operations of all pairs."""
        there = frame[frame["method"] == "interference"][["cosine", column]].dropna()
        return _correlation(there[column], there["cosine"])

    return correlation


def _disturbance(frame: pd.DataFrame) -> float | None:
    pairs = frame[frame["method"] == "disturbance"]
    if not len(pairs):
        return None
    pairs = pairs[["distance", "change"]].dropna()
    return _correlation(pairs["distance"], pairs["change"])


def _correlation(a: pd.Series, b: pd.Series) -> float | None:
    if len(a) < LEAST_PAIRS or a.nunique() < 2 or b.nunique() < 2:
        return None
    return float(spearmanr(a, b).statistic)


def _mean(values: Sequence[float], *, bounded: bool) -> Mean:
    return seeds.mean_of(values, Spread.of(values), bounded=bounded)
