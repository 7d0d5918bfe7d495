"""What each heuristic does on average over the others, from studies that vary several at once.

A screen is fitted by main effects, a grid by main effects and the interactions of two factors. Every setting counts
once, by its mean over seeds. An effect on average over the other heuristics is not the effect at the base: where
heuristics interact, the two differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats as distributions

from supernet.harness.statistics import linear
from supernet.harness.statistics.bootstrap import holm
from supernet.harness.statistics.power import POWER
from supernet.harness.statistics.seeds import LEVEL
from supernet.harness.statistics.spreads import Floats
from supernet.harness.study.plan import Setting, Study
from supernet.harness.study.screen import aliases

MOST_NAMED = 3
"""Interactions that the words on an effect name; of more they give the number."""
MIXED = 0.1
"""Correlation with a main effect from which on an interaction is named."""


@dataclass(frozen=True)
class Effect:
    """What a value of a heuristic does to tau on average over the others, or two values beyond what each does."""

    heuristics: tuple[str, ...]
    """One; of an interaction, two."""
    label: str
    """Name, such as schedule=constant, or schedule=constant × layers=2."""
    against: str
    """What it is compared with: `the base's`, or another value of the study."""
    value: float
    """Difference of tau; of an interaction, how much larger the effect of the one is with the other than without."""
    low: float | None
    """Ends of the 95 % interval, which holds for this effect alone; None where the error is unknown."""
    high: float | None
    p: float | None
    """Two-sided, of this effect alone."""
    p_corrected: float | None
    """Holm-corrected for all main effects, or for all interactions."""
    aliased: str
    """In words: which interactions of two heuristics are mixed with it."""

    @property
    def clear(self) -> bool:
        """Whether the effect is not 0, at the 5 % level after Holm's correction."""
        return self.p_corrected is not None and self.p_corrected < 1 - LEVEL


@dataclass(frozen=True)
class Factors:
    """The effects of a study's heuristics, each on average over the others."""

    settings: int
    """Settings with a mean tau, of those that the design has."""
    planned: int
    diverged: int
    """Runs of the design without a tau because they diverged."""
    main: list[Effect]
    """In the order of the study's file."""
    interactions: list[Effect]
    """Interactions of every two heuristics; empty for a screen, which does not tell them apart."""
    untold: tuple[str, ...]
    """Values whose effect cannot be told from the settings that are there."""
    error: str | None
    """Where standard errors come from: `residual`, `seeds` or `lenth`; None where nothing tells them."""
    df: float | None
    """Degrees of freedom of that."""
    detectable: float | None
    """Smallest true main effect that is found with 80 % power after a Bonferroni correction; None if no possible effect
    is, or if nothing tells the errors."""
    lack_of_fit_p: float | None
    """That settings lie about the sum of the effects no further than seeds make them."""
    aliases: list[list[str]]
    """Groups of interactions of two heuristics that a screen does not tell from each other at all."""
    partial: bool
    """Whether a screen mixes interactions of two heuristics with each other in part."""


@dataclass(frozen=True)
class _Factor:
    """A heuristic with the values that a design has of it."""

    name: str
    values: tuple[str, ...]
    """The first is what the effects of the others are taken from."""
    level: Callable[[Setting], int | None]
    """Number of a setting's value; None of a setting outside the design."""

    @property
    def contrasts(self) -> Floats:
        """Effects of all values but the first, as sums of coefficients: (values - 1, values - 1)."""
        count = len(self.values) - 1
        effects: Floats = np.ones((count, count)) + np.eye(count)
        return effects

    def columns(self, levels: Sequence[int]) -> Floats:
        """Columns that sum to 0 over the values: (n, values - 1)."""
        count = len(self.values) - 1
        coded: Floats = np.concatenate([np.full((1, count), -1.0), np.eye(count)])[list(levels)]
        return coded

    def labels(self) -> list[str]:
        """Labels of all values but the first."""
        return [f"{self.name}={value}" for value in self.values[1:]]


BASES = "the base's"


def _of_screen(study: Study) -> list[_Factor]:
    def factor(name: str, value: str) -> _Factor:
        return _Factor(name, (BASES, value), lambda setting: int(name in dict(setting.changes)))

    return [factor(heuristic.name, values[0]) for heuristic, values in study.factors]


def _of_grid(study: Study) -> list[_Factor]:
    """The heuristics that vary within the grid, to which the base belongs only if all its values are listed."""

    def factor(name: str, values: Sequence[str], own: str | None) -> _Factor:
        ordered = (own, *(v for v in values if v != own)) if own is not None else tuple(values)

        def level(setting: Setting) -> int | None:
            value = dict(setting.changes).get(name, own)
            return ordered.index(value) if value is not None else None

        return _Factor(name, ordered, level)

    found = []
    for heuristic, values in study.factors:
        own = next((value for value in values if heuristic.apply(study.base, value) == study.base), None)
        found.append(factor(heuristic.name, values, own))
    return found


FACTORS: dict[str, Callable[[Study], list[_Factor]]] = {"screen": _of_screen, "grid": _of_grid}
"""Design -> its factors. Other designs do not vary several heuristics at once."""


def factors_of(
    study: Study,
    settings: Sequence[Setting],
    taus: Mapping[str, Floats],
    draws: Mapping[str, Floats],
    diverged: Mapping[str, int],
) -> Factors | None:
    """The effects of a study's heuristics, each on average over the others; None of other designs.

    Args:
        settings: of the study.
        taus: label of a setting -> tau of every seed (seeds,), of the settings whose mean stands for them.
        draws: label -> its mean tau on common resamples of the architectures (resamples,).
        diverged: label -> runs that diverged.
    """
    if study.design not in FACTORS:
        return None
    factors = FACTORS[study.design](study)
    places = {s.label: [factor.level(s) for factor in factors] for s in settings}
    inside = {label: [k for k in levels if k is not None] for label, levels in places.items() if None not in levels}
    varied = [k for k in range(len(factors)) if len({levels[k] for levels in inside.values()}) > 1]
    done = [label for label in inside if label in taus]
    if len(varied) < 2 or len(done) < 2:
        return None
    levels = {label: [inside[label][k] for k in varied] for label in inside}
    kept = [factors[k] for k in varied]
    model = _Model.of(kept, [levels[label] for label in done], study.design == "grid")
    groups = [taus[label] for label in done]
    fit = linear.Fit.of(model.columns, linear.means_of(groups))
    error = linear.error_of(fit, groups)
    told = _Told(model, fit, error, np.stack([draws[label] for label in done]), len(done) < len(inside))
    main, untold = told.main()
    names = [factor.name for factor in kept]
    mixed, partial = _groups(names, list(levels.values())) if study.design == "screen" else ([], False)
    constant = [factors[k].name for k in range(len(factors)) if k not in varied]
    return Factors(
        settings=len(done),
        planned=len(inside),
        diverged=sum(diverged[label] for label in inside),
        main=main,
        interactions=told.interactions(),
        untold=(*untold, *constant),
        error=error.source if error else None,
        df=error.df if error else None,
        detectable=told.detectable(),
        lack_of_fit_p=linear.lack_of_fit(fit, groups),
        aliases=mixed,
        partial=partial,
    )


@dataclass(frozen=True)
class _Model:
    """The columns of a fit, and the effects as sums of its coefficients."""

    factors: list[_Factor]
    columns: Floats
    """The constant, the main effects, and the interactions if they are in it: (n, p)."""
    main: list[tuple[int, str, Floats]]
    """Number of the factor, label, and contrast (p,)."""
    pairs: list[tuple[int, int, str, Floats]]
    products: dict[tuple[int, int], Floats]
    """Two factors -> products of their columns, for interactions that are not in the fit: (n, columns)."""

    @classmethod
    def of(cls, factors: list[_Factor], levels: Sequence[Sequence[int]], interactions: bool) -> _Model:
        blocks = [factor.columns([row[k] for row in levels]) for k, factor in enumerate(factors)]
        products = {
            (i, j): (blocks[i][:, :, None] * blocks[j][:, None, :]).reshape(len(levels), -1)
            for i, j in itertools.combinations(range(len(factors)), 2)
        }
        parts = [np.ones((len(levels), 1)), *blocks, *(products.values() if interactions else ())]
        ends = np.cumsum([part.shape[1] for part in parts])

        def contrast(part: int, sums: Floats) -> Floats:
            whole = np.zeros(ends[-1])
            whole[ends[part - 1] : ends[part]] = sums
            return whole

        main = [
            (k, label, contrast(1 + k, sums))
            for k, factor in enumerate(factors)
            for label, sums in zip(factor.labels(), factor.contrasts, strict=True)
        ]
        pairs = [
            (i, j, f"{one} × {other}", contrast(1 + len(factors) + place, np.outer(a, b).ravel()))
            for place, (i, j) in enumerate(products if interactions else ())
            for one, a in zip(factors[i].labels(), factors[i].contrasts, strict=True)
            for other, b in zip(factors[j].labels(), factors[j].contrasts, strict=True)
        ]
        return cls(factors, np.concatenate(parts, axis=1), main, pairs, {} if interactions else products)


@dataclass(frozen=True)
class _Told:
    """What a fit tells of the effects."""

    model: _Model
    fit: linear.Fit
    error: linear.Error | None
    draws: Floats
    """Mean tau on resamples of the architectures: (settings, resamples)."""
    incomplete: bool

    def main(self) -> tuple[list[Effect], list[str]]:
        """The main effects, and the labels of those that cannot be told."""
        told, untold = [], []
        for k, label, contrast in self.model.main:
            weights = self.fit.weights(contrast)
            if weights is None:
                untold.append(label)
            else:
                factor = self.model.factors[k]
                told.append(self._effect((factor.name,), label, factor.values[0], weights, self._mixed(weights)))
        return _corrected(told), untold

    def interactions(self) -> list[Effect]:
        """Those of every two values that can be told."""
        told = []
        for i, j, label, contrast in self.model.pairs:
            weights = self.fit.weights(contrast)
            if weights is not None:
                both = self.model.factors[i], self.model.factors[j]
                against = " and ".join(factor.values[0] for factor in both)
                told.append(self._effect((both[0].name, both[1].name), label, against, weights, ""))
        return _corrected(told)

    def _effect(self, names: tuple[str, ...], label: str, against: str, weights: Floats, aliased: str) -> Effect:
        sampling = float(np.var(weights @ self.draws, ddof=1))
        found = linear.estimate(weights, self.fit.values, self.error, LEVEL, sampling)
        return Effect(names, label, against, found.value, found.low, found.high, found.p, None, aliased)

    def _mixed(self, weights: Floats) -> str:
        """Which interactions of two heuristics an effect with these weights holds a part of, in words."""
        if not self.model.products:
            return "interactions of two heuristics are fitted apart"
        shares = {
            pair: float(np.abs(weights @ columns).max() / np.abs(weights).sum())
            for pair, columns in self.model.products.items()
        }
        mixed = sorted((pair for pair, share in shares.items() if share >= MIXED), key=lambda pair: -shares[pair])
        if not mixed:
            few = "hardly mixed with" if self.incomplete else "clear of"
            return f"{few} interactions of two heuristics"
        named = [f"{self._pair(pair)} ({shares[pair]:.2f})" for pair in mixed[:MOST_NAMED]]
        rest = f" and {len(mixed) - MOST_NAMED} more" if len(mixed) > MOST_NAMED else ""
        return f"mixed with {', '.join(named)}{rest}, as settings are missing"

    def _pair(self, pair: tuple[int, int]) -> str:
        return " × ".join(self.model.factors[k].name for k in pair)

    def detectable(self) -> float | None:
        """Smallest main effect that a typical test finds with 80 % power; None if no possible difference of tau is."""
        weights = [w for _, _, contrast in self.model.main if (w := self.fit.weights(contrast)) is not None]
        if self.error is None or not weights:
            return None
        t = distributions.t(self.error.df)
        reach = t.ppf(1 - (1 - LEVEL) / 2 / len(weights)) + t.ppf(POWER)
        squares = [float(np.square(w) @ self.error.variances + np.var(w @ self.draws, ddof=1)) for w in weights]
        found = float(reach * np.median(np.sqrt(squares)))
        return found if found <= 1 + float(np.abs(self.fit.values).max()) else None


def _corrected(effects: list[Effect]) -> list[Effect]:
    """With Holm-corrected p-values."""
    known = [effect.p for effect in effects if effect.p is not None]
    if len(known) < len(effects):
        return effects
    return [replace(effect, p_corrected=p) for effect, p in zip(effects, holm(known), strict=True)]


def _groups(names: Sequence[str], levels: Sequence[Sequence[int]]) -> tuple[list[list[str]], bool]:
    """Interactions of two that the whole design does not tell from each other, and whether others are mixed in part."""
    found = aliases(2 * np.array(levels, dtype=np.int64) - 1)
    return [[f"{names[i]} × {names[j]}" for i, j in group] for group in found.groups if len(group) > 1], found.partial
