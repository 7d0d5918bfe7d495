"""What designs of a study can see and what they cost: its own, and those that smaller effects would take."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.harness.runs.store import Store
from supernet.harness.statistics.power import Design, design_for, detectable, upper_sd
from supernet.harness.study.analysis import analyse
from supernet.harness.study.estimate import Stopwatch
from supernet.harness.study.gathered import Gathered, gather
from supernet.harness.study.plan import Study

ASSUMED_SD = 0.05
"""Standard deviation of tau between seeds where no runs tell it: that of `quick`, whose runs take half a minute."""
EFFECTS = (0.1, 0.05)
"""Differences of tau for which designs are looked for."""
PER_ARCHITECTURE = 0.24**2
"""Variance of a difference of tau from the sampling of architectures, times their number, where no runs tell it:
measured on 400 architectures of the embedded task, where it was 0.012 squared."""
RESAMPLES = 200


@dataclass(frozen=True)
class Noise:
    """What is known of the noise between seeds."""

    sd: float
    """Standard deviation that plans go by."""
    sampling: float
    """Variance of a difference from the sampling of architectures."""
    source: str
    """Where both come from, as a sentence."""


@dataclass(frozen=True)
class Option:
    """A design, what it finds and what it takes."""

    what: str
    design: Design
    finds: float | None
    """Smallest difference found with 80 % power; None where nothing is tested."""
    missing: int
    """Runs that are not in the store."""
    seconds: float
    """One core's work for the missing runs."""
    runs: int
    """All of its runs."""


@dataclass(frozen=True)
class Power:
    """Designs for the question of a study."""

    noise: Noise
    options: list[Option]
    impossible: tuple[float, ...]
    """Differences that no number of seeds finds, because the architectures are too few."""


def power(
    study: Study, store: Store, *, sd: float | None = None, progress: Callable[[int, int | None], None] | None = None
) -> Power:
    """The study's design, and the smallest ones that find differences of 0.1 and 0.05.

    Args:
        sd: standard deviation of tau between seeds; from the store's runs of the study unless given.
        progress: told how many of the settings were timed, and of how many.

    Raises:
        UserError: the plan is staged or a screen, or the study has no change, so that there is no fixed number of
            comparisons with the base.
    """
    gathered = gather(study, store)
    comparisons = len(gathered.settings) - 1
    if study.design in ("staged", "screen") or comparisons < 1:
        raise UserError(
            "Power is that of a fixed number of comparisons with one base, which a staged plan, a screen and a study "
            "without changes do not have."
        )
    known = noise(gathered, sd)
    costs = _seconds(gathered, progress)
    options = [_own(gathered, known, costs)]
    impossible = []
    for effect in EFFECTS:
        found = design_for(effect, known.sd, comparisons, known.sampling)
        if found is None:
            impossible.append(effect)
            continue
        options.append(_option(f"to find {effect:g}", found, known, gathered, costs))
    alone = design_for(EFFECTS[-1], known.sd, 1, known.sampling)
    if alone is not None and comparisons > 1:
        options.append(_option(f"one change, {EFFECTS[-1]:g}", alone, known, gathered, costs))
    return Power(known, options, tuple(impossible))


def noise(gathered: Gathered, sd: float | None = None) -> Noise:
    """The noise between seeds: as given, from the study's finished runs, or assumed."""
    count = len(
        gathered.study.runs(gathered.settings[0])[0].architectures(gathered.study.truth.open(gathered.study.base.space))
    )
    sampling = PER_ARCHITECTURE / count
    if sd is not None:
        return Noise(sd, sampling, f"The standard deviation between seeds is {sd:g}, as given.")
    if sum(len(runs) for runs in gathered.done.values()) >= 3 and gathered.done[gathered.settings[0].label]:
        a = analyse(gathered, resamples=RESAMPLES)
        if a.seed_sd is not None and a.seed_df >= 2 and a.seed_sd > 0:
            upper = upper_sd(a.seed_sd, a.seed_df)
            runs = sum(len(row.taus) for row in a.rows)
            return Noise(
                upper,
                a.sampling or sampling,
                f"Between seeds of one setting, tau has a standard deviation of {a.seed_sd:.3f} over the {runs} runs "
                f"that are done ({a.seed_df:.0f} degrees of freedom); plans go by {upper:.3f}, its upper 80 % bound.",
            )
    return Noise(
        ASSUMED_SD,
        sampling,
        f"Too few repeated runs are done yet: a standard deviation of {ASSUMED_SD:g} between seeds is assumed (`--sd` "
        "sets another).",
    )


def _seconds(gathered: Gathered, progress: Callable[[int, int | None], None] | None) -> list[float]:
    """Seconds of one run of every setting, the base first: measured where a run is done, else estimated."""
    stopwatch, found = Stopwatch(), []
    for place, setting in enumerate(gathered.settings):
        if progress:
            progress(place, len(gathered.settings))
        ledgers = [run.result.ledger for run in gathered.done[setting.label].values()]
        if ledgers:
            found.append(float(np.mean([ledger["train_seconds"] + ledger["score_seconds"] for ledger in ledgers])))
        else:
            found.append(stopwatch.seconds(gathered.study.runs(setting)[0]))
    return found


def _own(gathered: Gathered, known: Noise, costs: Sequence[float]) -> Option:
    """The study as it is planned; settings can have different numbers of seeds, of which the median counts."""
    base, *others = (len(gathered.study.seeds_of(setting)) for setting in gathered.settings)
    design = Design(len(others), base, int(statistics.median_low(others)))
    lacking = [
        max(0, planned - len(gathered.done[setting.label]))
        for planned, setting in zip([base, *others], gathered.settings, strict=True)
    ]
    seconds = math.fsum(n * cost for n, cost in zip(lacking, costs, strict=True))
    finds = detectable(known.sd, design, known.sampling)
    return Option("this study", design, finds, sum(lacking), seconds, base + sum(others))


def _option(what: str, design: Design, known: Noise, gathered: Gathered, costs: Sequence[float]) -> Option:
    """A design with the runs and seconds that it takes beside what is done; one change is a typical one."""
    there = [len(gathered.done[setting.label]) for setting in gathered.settings]
    others = sorted(zip(costs[1:], there[1:], strict=True))
    if design.comparisons < len(others):
        others = [others[len(others) // 2]]
    lacking = [max(0, design.base_seeds - there[0]), *(max(0, design.seeds - done) for _, done in others)]
    seconds = math.fsum(n * cost for n, cost in zip(lacking, [costs[0], *(cost for cost, _ in others)], strict=True))
    return Option(what, design, detectable(known.sd, design, known.sampling), sum(lacking), seconds, design.runs)
