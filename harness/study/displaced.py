"""Which architectures a super-net displaces, how much of that its seeds share, and what explains it.

The displacement of an architecture is its rank by score less the rank that is expected at its true rank, by isotonic
regression, so that regression to the mean is out: a ranking that is noisy but treats all architectures alike displaces
nothing on average. It is explained by least squares on features that have their own expectation at the same true rank
taken off (the partially linear model of Robinson, Econometrica 1988).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata

from supernet.harness.statistics import components, seeds
from supernet.harness.statistics.seeds import Mean
from supernet.harness.statistics.spreads import squeezed
from supernet.harness.study.features import DEGREE, Choice, beside_truth

Floats = NDArray[np.float64]

PER_FEATURE = 2
"""Architectures per independent feature below which nothing is explained: chance alone would explain half."""


@dataclass(frozen=True)
class Share:
    """What one group of features explains of the variance of displacements, averaged over orders (LMG)."""

    group: str
    run: float
    """Share of a single run's variance, from 0 to 1; the mean over runs."""
    common: float | None
    """Share of the variance that all seeds have in common; None with one seed, or where they have none in common."""
    chance: float
    """Share that the group explains on average where displacements have nothing to do with it."""


@dataclass(frozen=True)
class Displaced:
    """The displacements of one setting."""

    label: str
    seeds: int
    sd: float
    """Standard deviation of a run's displacements over architectures, percentile points."""
    common: Mean | None
    """Share of their variance that is common to all seeds; None with one seed."""
    shares: list[Share]
    """Empty where there are too few architectures for the features."""


@dataclass(frozen=True)
class Effect:
    """By how much one choice displaces."""

    decision: str
    option: str
    mean: Mean
    """Percentile points above the mean architecture, other choices and true rank being equal; mean over seeds. All
    intervals of a setting hold together with 95 % (Bonferroni)."""

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.mean.low is not None and self.mean.high is not None and self.mean.low * self.mean.high > 0


def displacements(scores: ArrayLike, truth: ArrayLike) -> Floats:
    """Percentile points by which each architecture is ranked above what is expected at its true rank: (n,).

    The expectation is the isotonic regression of ranks by score on the truth, one value for equal truths; the
    displacements have mean 0.
    """
    ranks = 100 * (rankdata(np.asarray(scores)) - 0.5) / np.size(scores)
    _, group, sizes = np.unique(np.asarray(truth), return_inverse=True, return_counts=True)
    means = np.bincount(group, ranks) / sizes
    out: Floats = ranks - isotonic_regression(means, weights=sizes).x[group]
    return out


def displaced(runs: Mapping[str, Floats], groups: Mapping[str, Floats], truth: Floats) -> list[Displaced]:
    """What is displaced in every setting and what explains it.

    Args:
        runs: label of a setting -> displacements, one column per seed: (n, seeds).
        groups: name of a group -> its features (n, k), as many groups as `components.lmg` takes.
        truth: (n,).
    """
    beside = {name: beside_truth(columns, truth) for name, columns in groups.items()}
    labels, n = list(runs), len(truth)
    every = np.hstack([runs[label] for label in labels])
    ends = np.cumsum([runs[label].shape[1] for label in labels])
    parts = [slice(end - runs[label].shape[1], end) for label, end in zip(labels, ends.tolist(), strict=True)]

    def value(subset: tuple[str, ...]) -> Floats:
        """Rows: explained of each setting's runs, explained of what its seeds share, columns of the basis."""
        columns = components.basis(np.hstack([np.zeros((n, 0)), *(beside[name] for name in subset)]))
        within = columns.T @ every
        sums = [components.squares_and_products(within[:, part]) for part in parts]
        return np.array([*zip(*sums, strict=True), [columns.shape[1]] * len(parts)], dtype=np.float64)

    whole = [components.squares_and_products(every[:, part]) for part in parts]
    enough = value(tuple(beside))[2, 0] * PER_FEATURE <= n - 1 - DEGREE
    found = components.lmg(list(beside), value) if beside and enough else {}
    out = []
    for k, label in enumerate(labels):
        each, (squares, products) = runs[label], whole[k]
        shares = [
            Share(
                name,
                float(of[0, k] / squares) if squares > 0 else 0.0,
                float(of[1, k] / products) if products > _LITTLE * squares else None,
                float(of[2, k] / (n - 1)),
            )
            for name, of in found.items()
        ]
        sd = float(np.sqrt(each.var(axis=0, ddof=1).mean()))
        out.append(Displaced(label, each.shape[1], sd, components.common_share(each), shares))
    return out


_LITTLE = 0.02
"""Share common to seeds below which what explains it cannot be told."""


def effects(taken: Sequence[Choice], runs: Floats, truth: Floats) -> list[Effect]:
    """By how much each choice displaces, all choices together; nothing where architectures cannot tell them apart.

    An effect is relative to the mean over the architectures, within each decision. Its interval holds the spread
    between seeds, and the error from the choice of architectures in what all seeds have in common.

    Args:
        taken: the options of decisions, those of one decision after each other (`features.choices`).
        runs: displacements, one column per seed: (n, seeds).
        truth: (n,).
    """
    if not taken:
        return []
    raw = np.stack([choice.column for choice in taken], axis=1)
    columns = beside_truth(raw, truth)
    free = len(taken) - len({choice.decision for choice in taken})
    rank = components.basis(columns).shape[1]
    if rank < free or rank * PER_FEATURE > len(truth) - 1 - DEGREE:
        return []
    solve = _centred(taken, raw) @ np.linalg.pinv(columns, rcond=1e-9)
    values = solve @ runs
    rest = runs - columns @ (np.linalg.pinv(columns, rcond=1e-9) @ runs)
    left = max(components.squares_and_products(rest)[1], 0.0) / (len(truth) - 1 - DEGREE - rank)
    sampling = left * np.square(solve).sum(axis=1)
    # The spreads of effects tell each other's; no effect is the base of the others.
    spreads = squeezed([values[0], *values])[1:]
    level = 1 - (1 - seeds.LEVEL) / len(taken)
    return [
        Effect(c.decision, c.option, seeds.mean_of(v, s, float(a), bounded=False, level=level))
        for c, v, s, a in zip(taken, values, spreads, sampling.tolist(), strict=True)
    ]


def _centred(taken: Sequence[Choice], raw: Floats) -> Floats:
    """The matrix that takes from each effect the mean of its decision's, weighted by use: (k, k)."""
    out = np.eye(len(taken))
    for _, members in itertools.groupby(range(len(taken)), key=lambda k: taken[k].decision):
        places = list(members)
        use = raw[:, places].mean(axis=0)
        out[np.ix_(places, places)] -= use / use.sum()
    return out
