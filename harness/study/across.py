"""Several studies beside each other: every change that two or more of them have, and its summary over studies."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed, quoted
from supernet.harness.statistics.bootstrap import holm
from supernet.harness.statistics.printed import p_relation, with_interval
from supernet.harness.statistics.random_effects import FEWEST, FEWEST_PREDICTED, Summary, summarised
from supernet.harness.statistics.seeds import LEVEL
from supernet.harness.study.kept import Effect, Kept

MOST_STUDIES = 50
"""Studies that are compared at once."""
NOT_RECORDED = "not recorded"
"""Stands for the value of a recipe's key in a report that is too old to have the recipe."""
ABSENT_KEY = "–"
"""Stands for the value of a key that a recipe does not have."""


@dataclass(frozen=True)
class Change:
    """A change that two or more studies have."""

    label: str
    effects: list[Effect | None]
    """In the order of the studies; None where a study has no such change."""
    summary: Summary | None
    p_holm: float | None
    """p of the summary, Holm-corrected for all changes that are summarised."""
    problem: str
    """Why there is no summary; empty where there is one."""
    shared: bool = False
    """Whether that is because studies share runs."""

    @property
    def clear(self) -> bool:
        """Whether the mean effect over studies is not 0, at the 5 % level after Holm's correction."""
        return self.p_holm is not None and self.p_holm < 1 - LEVEL

    @property
    def verdict(self) -> str:
        """What the summary says, in a few words."""
        if self.summary is None:
            return "no summary"
        if not self.clear:
            return "undecided"
        return "raises tau on average" if self.summary.value > 0 else "lowers tau on average"


@dataclass(frozen=True)
class Across:
    """Several studies beside each other."""

    studies: list[Kept]
    """Their names differ."""
    changes: list[Change]
    """The largest effect first, by the summary or, without one, by the mean of the studies' effects."""
    protocols: dict[str, list[str]]
    """What differs between the studies, such as the space or a key of the base recipe -> a value for each study."""
    notes: list[str]
    """What was left out or limits the comparison, in sentences."""

    @property
    def findings(self) -> list[str]:
        """What the numbers say, by rule."""
        return [text for text in (_summaries(self), _predictions(self), _spread(self)) if text]

    def as_json(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        studies = [{k: v for k, v in asdict(study).items() if k not in ("effects", "recipe")} for study in self.studies]
        changes = []
        for change in self.changes:
            effects = [
                None if e is None else {k: v for k, v in asdict(e).items() if k != "runs"} for e in change.effects
            ]
            summary = asdict(change.summary) if change.summary else None
            changes.append(
                {
                    "label": change.label, "effects": effects, "summary": summary, "p_holm": change.p_holm,
                    "verdict": change.verdict, "problem": change.problem,
                }
            )  # fmt: skip
        return {
            "studies": studies, "changes": changes, "protocols": self.protocols, "findings": self.findings,
            "notes": self.notes,
        }  # fmt: skip


def compared(studies: Sequence[Kept]) -> Across:
    """Put studies beside each other.

    Raises:
        UserError: fewer than two studies, more than `MOST_STUDIES`, or no change that two of them have.
    """
    if not FEWEST <= len(studies) <= MOST_STUDIES:
        raise UserError(f"A comparison takes {FEWEST} to {MOST_STUDIES} studies, not {len(studies):,}.")
    named = _named(studies)
    labels = dict.fromkeys(label for study in named for label in study.effects)
    shared = [label for label in labels if sum(label in study.effects for study in named) >= FEWEST]
    if not shared:
        have = "; ".join(f"{quoted(s.name)} has {listed(s.effects, 6) or 'none'}" for s in named[:4])
        raise UserError(
            "No change is in two of these studies, so that there is nothing to compare. Changes are the same if their "
            f"heuristic and value are: {have}."
        )
    changes = _corrected([_change(label, named) for label in shared])
    return Across(named, sorted(changes, key=lambda change: -_place(change)), _protocols(named), _notes(named, changes))


def _named(studies: Sequence[Kept]) -> list[Kept]:
    """The studies, each with a name of its own."""
    taken: set[str] = set()
    found = []
    for study in studies:
        names = itertools.chain([study.name], (f"{study.name} ({number})" for number in itertools.count(2)))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        found.append(dataclasses.replace(study, name=name))
    return found


def _change(label: str, studies: Sequence[Kept]) -> Change:
    effects = [study.effects.get(label) for study in studies]
    known = {study.name: e for study, e in zip(studies, effects, strict=True) if e is not None and e.se is not None}
    if problem := _shared(known):
        return Change(label, effects, None, None, problem, shared=True)
    if len(known) < FEWEST:
        lacking = listed(quoted(s.name) for s, e in zip(studies, effects, strict=True) if e and e.se is None)
        problem = f"Fewer than two of its effects have a standard error; none is known in {lacking}."
        return Change(label, effects, None, None, problem)
    summary = summarised([e.value for e in known.values()], [e.se or 0.0 for e in known.values()])
    return Change(label, effects, summary, None, "")


def _shared(known: Mapping[str, Effect]) -> str:
    """Which studies share runs, so that their effects are not independent; empty if none do."""
    for (first, a), (second, b) in itertools.combinations(known.items(), 2):
        if both := len(a.runs & b.runs):
            count = "1 run" if both == 1 else f"{both} runs"
            return f"{quoted(first)} and {quoted(second)} share {count} of it or of the base: they are not independent."
    return ""


def _corrected(changes: Sequence[Change]) -> list[Change]:
    known = [change for change in changes if change.summary]
    corrected = dict(
        zip((c.label for c in known), holm([c.summary.p for c in known if c.summary]), strict=True)
    )  # fmt: skip
    return [dataclasses.replace(change, p_holm=corrected.get(change.label)) for change in changes]


def _place(change: Change) -> float:
    values = [effect.value for effect in change.effects if effect]
    return change.summary.value if change.summary else sum(values) / len(values)


# ---- protocols -------------------------------------------------------------------------------------------------------


def _protocols(studies: Sequence[Kept]) -> dict[str, list[str]]:
    """What differs between the studies."""
    table = {
        "plan": [study.design for study in studies],
        "space": [study.space for study in studies],
        "ground truth": [study.truth for study in studies],
        "measure of the truth": [study.measure for study in studies],
        "architectures": [f"{study.architectures:,}" for study in studies],
        "validation images": [f"{study.images:,}" for study in studies],
        "seeds of the base": [str(study.base_seeds) for study in studies],
        "seeds of the others": [
            f"{s.seeds}" if s.most_seeds == s.seeds else f"{s.seeds} to {s.most_seeds}" for s in studies
        ],
    }
    keys = dict.fromkeys(key for study in studies for key in study.recipe or {})
    for key in keys:
        table[key] = [NOT_RECORDED if s.recipe is None else s.recipe.get(key, ABSENT_KEY) for s in studies]
    return {key: values for key, values in table.items() if len(set(values) - {NOT_RECORDED}) > 1}


# ---- in words --------------------------------------------------------------------------------------------------------


def _notes(studies: Sequence[Kept], changes: Sequence[Change]) -> list[str]:
    found = []
    old = [s.name for s in studies if any(e.tested and e.se is None for e in s.effects.values())]
    if old:
        found.append(
            f"An earlier version, which kept no standard errors, wrote the report of {listed(map(quoted, old))}: these "
            "effects are shown and enter no summary. `supernet study report NAME` makes a report anew from its runs."
        )
    if any(e and not e.tested for change in changes for e in change.effects):
        found.append("Effects that are not tested, for want of seeds, are shown and enter no summary.")
    screens = [s.name for s in studies if s.design == "screen"]
    if screens:
        found.append(
            f"{listed(map(quoted, screens))}: a screen compares no change with the base alone. Its effects are on "
            "average over the other changes, which is another question, and are left out."
        )
    refused = [change for change in changes if change.shared]
    if refused:
        found.append(
            f"{listed(change.label for change in refused)}: not summarised. {refused[0].problem} Runs are told by "
            "their hashes; compare studies that have runs of their own."
        )
    if any(study.looked for study in studies):
        names = listed(quoted(study.name) for study in studies if study.looked)
        found.append(f"Seeds of some changes were chosen after a look at earlier results: {names}.")
    places = [(study.space, study.truth, study.measure) for study in studies]
    if len(set(places)) < len(places):
        found.append(
            "Some studies have the same space and ground truth. They can differ in seeds and training, but have "
            "architectures in common, so that their effects are not entirely independent."
        )
    found.append(
        "A summary speaks of studies like these ones. With two or three of them its interval is wide: Student's t has "
        "one degree of freedom less than there are studies. Standard errors count as known, though they come from a "
        "few seeds."
    )
    return found


def _summaries(a: Across) -> str:
    known = [change for change in a.changes if change.summary]
    if not known:
        return "No change can be summarised over the studies."
    clear = [change for change in known if change.clear]
    on_average = "tau on average over studies (p < 0.05 after Holm's correction"
    if len(known) == 1:
        verb = "clearly changes" if clear else "does not clearly change"
        parts = [f"{known[0].label} {verb} tau on average over studies."]
    else:
        verb = "changes" if len(clear) == 1 else "change"
        parts = [f"{len(clear)} of {len(known)} changes clearly {verb} {on_average} for {len(known)} summaries)."]
    for word, sign in (("Up", 1), ("Down", -1)):
        names = [_said(change) for change in clear if change.summary and change.summary.value * sign > 0]
        parts += [f"{word}: {listed(names)}."] if names else []
    if len(clear) < len(known):
        subject = "It is" if len(known) == 1 else f"{'The others' if clear else 'All'} are"
        parts.append(f"{subject} undecided, not shown to have no effect.")
    return " ".join(parts)


def _said(change: Change) -> str:
    assert change.summary is not None
    s = change.summary
    return f"{change.label} ({with_interval(s, '+.2f')} over {s.studies} studies)"


def _predictions(a: Across) -> str:
    """Whether the sign would be the same in a further study."""
    known = [change for change in a.changes if change.summary and change.summary.predicted_low is not None]
    if not known:
        return f"No prediction for a further study: that takes {FEWEST_PREDICTED} studies of one change."
    sure = []
    for change in known:
        s = change.summary
        if (
            s
            and s.predicted_low is not None
            and s.predicted_high is not None
            and s.predicted_low * s.predicted_high > 0
        ):
            sure.append(change.label)
    if not sure:
        return (
            "For no change does the prediction interval of a further study leave out 0: there, each may go either way."
        )
    return f"The prediction interval of a further study leaves out 0 for {listed(sure)}."


def _spread(a: Across) -> str:
    """Which changes act differently in different studies."""
    found = [
        f"{change.label} (Q test, p {p_relation(s.q_p)}; I² {100 * s.i_squared:.0f} %)"
        for change in a.changes
        if (s := change.summary) and s.q_p < 0.05
    ]
    return f"Studies differ in the effect by more than noise, before any correction: {listed(found)}." if found else ""
