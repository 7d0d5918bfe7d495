"""Studies: YAML files that say which heuristics are varied around which base recipe, and the runs that follow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.job import Truth
from supernet.harness.runs.store import Damaged, Result, Store
from supernet.harness.study.screen import FEWEST, MOST, two_level_design
from supernet.harness.study.spec import RunSpec
from supernet.heuristics.catalogue import Heuristic
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.recipe import Recipe, RecipeError

BASE = "base"
"""Heuristic under which the base setting itself is listed."""
Tau = Callable[[RunSpec], float | None]
"""Mean over runs of what a staged plan goes by; None while a result is missing."""


MOST_SETTINGS = 100_000
"""Combinations of a grid."""
ROW_SEEDS = 1_000
"""What the seeds of each row of a screen are moved on by, so that no seed belongs to two of the usual few."""


class StudyError(UserError):
    """A study file that cannot be used; the text says which key and why."""


def tau_of(result: Result | None) -> float | None:
    """What a staged plan goes by: the tau of a run, -1 where it diverged, None while it is missing."""
    if result is None:
        return None
    return -1.0 if result.state == "diverged" else float(result.metrics["kendall_tau"])


def mean_tau(store: Store) -> Tau:
    """What a staged plan goes by, of runs in a store."""

    def tau(spec: RunSpec) -> float | None:
        try:
            return tau_of(store.read(spec.hash))
        except (KeyError, Damaged):
            return None

    return tau


@dataclass(frozen=True)
class Setting:
    """A recipe of the study with what distinguishes it; its runs differ in the seed alone."""

    changes: tuple[tuple[str, str], ...]
    """(heuristic, value) pairs, empty for the base."""
    recipe: Recipe
    row: int = 0
    """Number in a two-level design, in which every row has seeds of its own; 0 elsewhere."""

    @property
    def heuristic(self) -> str:
        """Names of the heuristics that differ from the base."""
        return " + ".join(name for name, _ in self.changes) or BASE

    @property
    def value(self) -> str:
        """Their values."""
        return " + ".join(value for _, value in self.changes) or "as given"

    @property
    def label(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.changes) or BASE


@dataclass(frozen=True)
class Study:
    """A study as its file has it."""

    name: str
    title: str
    base: Recipe
    seeds: tuple[int, ...]
    """Seeds of every setting but the base."""
    base_seeds: tuple[int, ...]
    """Seeds of the base, which every other setting is compared with: more of them sharpen all comparisons at once."""
    design: str
    """one-factor, listed, grid, staged or screen."""
    factors: tuple[tuple[Heuristic, tuple[str, ...]], ...]
    truth: Truth
    sample: str = "all"
    last_epochs: int = 1
    plugins: tuple[Plugin, ...] = ()
    margin: float = 0.05
    """Differences of tau below this are negligible to whoever made the study."""
    command: str = ""
    """What follows `supernet study run` on a command line, as far as it tells the study."""
    seeds_by: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """Seeds of settings, by label, that have others than `seeds`."""
    listed: tuple[tuple[tuple[Heuristic, str], ...], ...] = ()
    """The settings of a plan that lists them, the base left out: heuristics with their values, applied in order."""
    free: tuple[str, ...] = ()
    """What its runs score again in other ways (`harness.study.beside.ASKED`)."""

    def seeds_of(self, setting: Setting) -> tuple[int, ...]:
        """The seeds that a setting is trained with.

        The rows of a screen have different seeds: with one seed each, what that seed does would otherwise be in
        all rows alike, and none of it would show in how much they differ.
        """
        seeds = dict(self.seeds_by).get(setting.label, self.seeds) if setting.changes else self.base_seeds
        return tuple(seed + ROW_SEEDS * setting.row for seed in seeds)

    def runs(self, setting: Setting) -> list[RunSpec]:
        """One run per seed."""
        return [
            RunSpec(replace(setting.recipe, seed=seed), self.truth, self.sample, self.last_epochs, free=self.free)
            for seed in self.seeds_of(setting)
        ]

    def settings(self, tau: Tau) -> list[Setting]:
        """The settings known so far, the base first; a staged plan grows as results come in."""
        return list(DESIGNS[self.design](self, tau))

    def plan(self, tau: Tau = lambda _: None) -> list[tuple[Setting, RunSpec]]:
        """All runs known so far, ordered so that an early stop leaves all settings with about the same share of
        theirs."""
        planned = []
        for setting in self.settings(tau):
            runs = self.runs(setting)
            planned += [((k + 1) / len(runs), setting, run) for k, run in enumerate(runs)]
        return [(setting, run) for _, setting, run in sorted(planned, key=lambda item: item[0])]


def _one_factor(study: Study, tau: Tau) -> Iterator[Setting]:
    """The base, and each value of each heuristic alone."""
    yield Setting((), study.base)
    for heuristic, values in study.factors:
        for setting in _varied(Setting((), study.base), heuristic, values):
            yield _telling(setting, [(heuristic, value) for _, value in setting.changes])


def _listed(study: Study, tau: Tau) -> Iterator[Setting]:
    """The base, and the settings that the study lists, each of which changes several things together."""
    yield Setting((), study.base)
    seen = {study.base}
    for changes in study.listed:
        setting = Setting((), study.base)
        for heuristic, value in changes:
            setting = _changed(setting, heuristic, value)
        if setting.recipe not in seen:
            seen.add(setting.recipe)
            yield _telling(_effective(setting, changes), changes)


def _grid(study: Study, tau: Tau) -> Iterator[Setting]:
    """The base, and every combination of values."""
    combinations = math.prod(len(values) for _, values in study.factors)
    if combinations > MOST_SETTINGS:
        raise StudyError(
            f"The grid of {study.name} has {combinations:,} combinations; at most {MOST_SETTINGS:,} are supported."
        )
    found = [Setting((), study.base)]
    seen = {study.base}
    for combination in itertools.product(*(values for _, values in study.factors)):
        setting = Setting((), study.base)
        changes = [(heuristic, value) for (heuristic, _), value in zip(study.factors, combination, strict=True)]
        for heuristic, value in changes:
            setting = _changed(setting, heuristic, value)
        if setting.recipe not in seen:
            seen.add(setting.recipe)
            found.append(_effective(setting, changes))
    _check_effects(study, found)
    yield from found


def _check_effects(study: Study, settings: Sequence[Setting]) -> None:
    """Find a change that makes no difference in any of the settings that combine it with others.

    Raises:
        StudyError: there is one: its effect of exactly 0 would tell nothing.
    """
    for heuristic, values in study.factors:
        for value in values:
            having = [setting for setting in settings if (heuristic.name, value) in setting.changes]
            reasons = [heuristic.inert(setting.recipe, value) for setting in having]
            if reasons and all(reasons):
                raise StudyError(f"{heuristic.name}={value} makes no difference in any setting: {reasons[0]}.")


def _staged(study: Study, tau: Tau) -> Iterator[Setting]:
    """One heuristic after the other; the value with the highest mean tau stays, as Yu et al. (2021) went about it.

    Values that cannot be had with what stays are left out: they are not known before.
    """
    best = Setting((), study.base)
    yield best
    for heuristic, values in study.factors:
        possible = [value for value in values if fits(heuristic, best.recipe, value)]
        possible = [value for value in possible if not heuristic.inert(heuristic.apply(best.recipe, value), value)]
        stage = [best, *_varied(best, heuristic, possible)]
        yield from stage[1:]
        means = []
        for setting in stage:
            taus = [tau(run) for run in study.runs(setting)]
            if any(value is None for value in taus):
                return
            means.append(sum(value for value in taus if value is not None) / len(taus))
        best = stage[means.index(max(means))]


def _screen(study: Study, tau: Tau) -> Iterator[Setting]:
    """The rows of a two-level design of the factors, the base first: each has about half of the changes."""
    _check_screen(study)
    found = []
    for number, levels in enumerate(two_level_design(len(study.factors)).tolist()):
        setting = Setting((), study.base, number)
        for (heuristic, (value,)), level in zip(study.factors, levels, strict=True):
            if level > 0:
                before, setting = setting, _changed(setting, heuristic, value)
                if setting is before:
                    raise StudyError(f"{heuristic.name}={value} changes nothing together with {before.label}.")
        found.append(_effective(setting, [(heuristic, value) for heuristic, (value,) in study.factors]))
    _check_effects(study, found)
    yield from found


def _check_screen(study: Study) -> None:
    """Find what keeps the heuristics of a screen from being combined.

    Raises:
        StudyError: their number does not fit, one has several values or the base's, or two cannot be had together.
    """
    factors = study.factors
    if not FEWEST <= len(factors) <= MOST:
        raise StudyError(
            f"plan: screen varies {FEWEST} to {MOST} heuristics at once, but {len(factors)} are listed; "
            + ("plan: grid combines fewer." if len(factors) < FEWEST else "leave some out, or make two screens.")
        )
    alone = []
    for heuristic, values in factors:
        if len(values) != 1:
            raise StudyError(
                f"plan: screen compares one value of each heuristic with the base, but heuristics.{heuristic.name} "
                f"has {len(values)}; list one."
            )
        alone.append((heuristic, values[0], heuristic.apply(study.base, values[0])))
        if alone[-1][2] == study.base:
            raise StudyError(f"{heuristic.name}={values[0]} is what the base has; a screen needs a value that differs.")
    advice = "A screen combines all of its heuristics: leave one of these two out, or use plan: one-factor."
    for (first, one, with_one), (second, other, with_other) in itertools.combinations(alone, 2):
        names = f"{first.name}={one}", f"{second.name}={other}"
        try:
            both = second.apply(with_one, other)
        except RecipeError as error:
            raise StudyError(f"{names[1]} cannot be had with {names[0]}: {error} {advice}") from None
        # An edit that undoes the other, or whose order matters, is no factor of its own.
        if both in (study.base, with_one, with_other) or (
            fits(first, with_other, one) and first.apply(with_other, one) != both
        ):
            raise StudyError(f"{names[0]} and {names[1]} set the same part of the recipe. {advice}")


DESIGNS: dict[str, Callable[[Study, Tau], Iterator[Setting]]] = {
    "one-factor": _one_factor,
    "listed": _listed,
    "grid": _grid,
    "staged": _staged,
    "screen": _screen,
}
"""Name -> how the settings of a study follow from its factors."""


def _changed(setting: Setting, heuristic: Heuristic, value: str) -> Setting:
    try:
        recipe = heuristic.apply(setting.recipe, value)
    except RecipeError as error:
        before = ", ".join(f"{name}={earlier}" for name, earlier in setting.changes)
        raise StudyError(f"{heuristic.name}={value} cannot be had with {before or 'the base'}: {error}") from None
    if recipe == setting.recipe:
        return setting
    return replace(setting, changes=(*setting.changes, (heuristic.name, value)), recipe=recipe)


def _effective(setting: Setting, changes: Sequence[tuple[Heuristic, str]]) -> Setting:
    """The setting.

    Raises:
        StudyError: one of its changes has no effect together with the others, or is undone by them.
    """
    for heuristic, value in changes:
        if (heuristic.name, value) not in setting.changes:
            continue
        if problem := heuristic.ignored(setting.recipe, value):
            raise StudyError(f"{setting.label} cannot be had: {problem}")
        if not fits(heuristic, setting.recipe, value) or heuristic.apply(setting.recipe, value) != setting.recipe:
            raise StudyError(
                f"{setting.label} cannot be had: another of these changes sets what {heuristic.name}={value} sets, so "
                "that the label would name a change that the recipe does not have."
            )
    return setting


def _telling(setting: Setting, changes: Sequence[tuple[Heuristic, str]]) -> Setting:
    """The setting.

    Raises:
        StudyError: one of its changes makes no difference, so that its effect of exactly 0 would tell nothing.
    """
    for heuristic, value in changes:
        if (heuristic.name, value) in setting.changes and (reason := heuristic.inert(setting.recipe, value)):
            raise StudyError(f"{setting.label} would train the same weights without {heuristic.name}: {reason}.")
    return setting


def _varied(setting: Setting, heuristic: Heuristic, values: Sequence[str]) -> Iterator[Setting]:
    """The setting with each value that changes it."""
    for value in values:
        changed = _changed(setting, heuristic, value)
        if changed is not setting:
            yield changed


def fits(heuristic: Heuristic, base: Recipe, value: str) -> bool:
    """Whether a recipe can have this value of a heuristic."""
    try:
        heuristic.apply(base, value)
    except RecipeError:
        return False
    return True
