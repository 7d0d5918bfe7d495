"""A comparison with ground truth at a glance: what ranks best, how sure that is, what to mind, and what to do next."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from supernet.benchmarks.wording import listed, shown
from supernet.harness.correlation.added import Added
from supernet.harness.correlation.report import PARAMS, Ranking, Report
from supernet.harness.report.correlation.command import Command
from supernet.harness.report.correlation.text import LONGEST
from supernet.harness.report.html.axis import Mark, Step
from supernet.harness.statistics.bootstrap import ROUGH, Estimate
from supernet.harness.statistics.metrics import Vector
from supernet.harness.statistics.printed import number, p_text, with_interval

CLEAR = 0.05
"""Corrected p-value under which a difference is called clear."""
MANY_TIES = 0.05
"""Share of pairs of architectures with equal scores from which the reader is told; our choice."""
MARKS = 6
"""Most score columns on the axis of the first screen; our choice."""
COUNT = "the parameter count"


@dataclass(frozen=True)
class Origin:
    """Where scores come from, as far as that is known."""

    command: Command | None = None
    """The command that compares them, for commands that go further; None for scores from memory."""
    weights: bool = False
    """Whether one super-net, which is one set of weights, gave all scores; the first column ranks architectures."""
    at_chance: bool = False
    """Whether that super-net is not better than guessing."""
    more: str | None = None
    """The command that scores more architectures."""
    longer: str | None = None
    """The command that trains the super-net for longer."""
    another_seed: str | None = None
    """The command that trains the super-net from another seed."""


def called(name: str) -> str:
    """What sentences and tables call a score column."""
    return "parameter count" if name == PARAMS else shown(name, LONGEST)


def leading(report: Report, origin: Origin) -> Ranking:
    """The ranking that the headline is about: that of a super-net, else the score column with the highest tau.

    Constant scores, which rank nothing, lead where there are no others.
    """
    scores = [ranking for ranking in report.ranked if ranking.name != PARAMS]
    if not scores or origin.weights:
        return (scores or report.ranked)[0]
    scores = [ranking for ranking in scores if not _constant(ranking)] or scores
    return max(scores, key=lambda ranking: ranking.estimates["kendall_tau"].value)


def _constant(ranking: Ranking) -> bool:
    """Whether all scores are equal: no other scores have a tau of zero in every resample."""
    tau = ranking.estimates["kendall_tau"]
    return tau.value == tau.low == tau.high == 0


def difference(report: Report, a: str, b: str) -> tuple[Estimate, float, float]:
    """tau of a less tau of b with its interval, its p-value, and the p-value after Holm's correction."""
    if (a, b) in report.differences:
        d = report.differences[a, b]
        return Estimate(d.value, d.low, d.high), d.p, report.adjusted[a, b]
    d = report.differences[b, a]
    return Estimate(-d.value, -d.high, -d.low), d.p, report.adjusted[b, a]


# ---- in sentences ----------------------------------------------------------------------------------------------------


def headline(report: Report, origin: Origin) -> str:
    """The answer in one sentence, no stronger than the corrected p-values."""
    if origin.at_chance:
        return "This super-net classifies no better than chance: train it longer before you read its ranking."
    lead = leading(report, origin)
    tau, n = lead.estimates["kendall_tau"], f"{report.architectures:,} architectures"
    value = with_interval(tau, ".2f")
    if lead.name == PARAMS:
        return f"The parameter count ranks {n} with a Kendall tau of {value}."
    if _constant(lead):
        return f"The scores of {called(lead.name)} are constant: they rank nothing."
    others = [r.name for r in report.ranked if r.name not in (lead.name, PARAMS) and not _constant(r)]
    who = f"This super-net, one set of weights, ranks {n} by {called(lead.name)}"
    if not origin.weights:
        who = f"{called(lead.name)} ranks {n}"
    if others and not origin.weights:
        some = " that are not constant" if len(others) + 2 < len(report.ranked) else ""
        first = (
            f"Of {len(others) + 1} score columns{some}, {called(lead.name)} has the highest Kendall tau on {n}, {value}"
        )
    elif tau.high < 0:
        first = f"{who} backwards, with a Kendall tau of {value}"
    elif tau.low <= 0:
        first = f"{who} with a Kendall tau of {value}, not clearly above zero"
    else:
        first = f"{who} with a Kendall tau of {value}"
    return f"{first}, {_against(report, lead.name, [] if origin.weights else others)}."


def _against(report: Report, name: str, others: list[str]) -> str:
    """What a ranking is clearly better than, worse than, or not told apart from."""
    words = {other: called(other) for other in others}
    params = next(r for r in report.ranked if r.name == PARAMS).estimates["kendall_tau"]
    words[PARAMS] = f"{COUNT} ({number(params.value, '.2f')})"
    found: dict[str, list[str]] = {"better": [], "worse": [], "open": []}
    for other in words:
        d, _, p = difference(report, name, other)
        found["open" if p >= CLEAR else "better" if d.value > 0 else "worse"].append(other)
    parts = []
    if found["better"]:
        parts.append(f"clearly better than {_named(found['better'], words, others)}")
    if found["worse"]:
        parts.append(f"clearly worse than {_named(found['worse'], words, others)}")
    if found["open"]:
        parts.append(f"not clearly different from {_named(found['open'], words, others)}")
    return ", but ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _named(names: list[str], words: Mapping[str, str], others: list[str]) -> str:
    """Names in a sentence; all other score columns at once are not named one by one."""
    if len(others) > 1 and set(others) <= set(names):
        found = ["every other column", *(words[name] for name in names if name == PARAMS)]
    else:
        found = [words[name] for name in names]
    return listed(found, 4) if len(found) > 3 else " and ".join(found)


def certainty(report: Report, origin: Origin, scores: Mapping[str, Vector]) -> str:
    """What the headline's ranking is worth among the best architectures, and what its interval does not cover.

    Args:
        scores: score column -> its values, higher is better: (n,).
    """
    lead = leading(report, origin)
    parts = []
    if origin.at_chance:
        tau = lead.estimates["kendall_tau"]
        parts.append(f"By {called(lead.name)}, tau is {with_interval(tau, '.2f')}.")
    if _constant(lead):
        return " ".join([*parts, "All architectures have the same score: none is ranked first."])
    top = lead.estimates.get("tau_true_top_10%")
    if top:
        params = next(r for r in report.ranked if r.name == PARAMS).estimates.get("tau_true_top_10%")
        beside = []
        if params and lead.name != PARAMS:
            beside.append(f"parameter count {number(params.value, '.2f')}")
        if report.ceiling and report.ceiling.attainable_top10 is not None:
            beside.append(f"attainable {number(report.ceiling.attainable_top10, '.2f')}")
        said = f" ({', '.join(beside)})" if beside else ""
        parts.append(f"Within the truly best 10 %, tau is {with_interval(top, '.2f')}{said}.")
    if report.added and lead.name in report.added.gains:
        parts.append(adds(report.added, lead.name))
    parts.append(_first(lead, scores.get(lead.name)))
    parts.append(
        f"The {report.level:.0%} intervals are over the choice of architectures"
        + (
            ": another seed of the same training may rank differently."
            if origin.weights
            else ", and do not cover other seeds of what gave the scores."
            if lead.name != PARAMS
            else "."
        )
    )
    return " ".join(parts)


def _first(lead: Ranking, scores: Vector | None) -> str:
    """How far what is ranked first falls short of the best architecture; of several, as a mean.

    Args:
        scores: the values behind the ranking, (n,), if they are known.
    """
    regret = f"{number(lead.values['regret@1'], '.2f')} points below the best one"
    shared = 1 if scores is None else int((scores == np.max(scores)).sum())
    if shared == 1:
        return f"The architecture that it ranks first is {regret}."
    return f"The {shared:,} architectures that share the first place are {regret} on average."


def adds(added: Added, name: str) -> str:
    """What one score adds to the training-free ranking, no stronger than its corrected p-value."""
    gain = added.gains[name]
    value = with_interval(gain.tau, "+.3f")
    free = f"the training-free ranking {added.rule} ({number(added.tau.value, '.2f')})"
    clear = gain.p_holm < CLEAR
    apart = ""
    if clear == (gain.tau.low <= 0 <= gain.tau.high):  # the p-value is of Student's t, the interval of the resamples
        reaches = "reaches zero" if clear else "leaves zero out"
        apart = f" (judged by the corrected p-value, {p_text(gain.p_holm)}; the interval by itself {reaches})"
    if not clear:
        return f"Fused with {free}, {called(name)} does not clearly change tau: {value}{apart}."
    verb = "raises" if gain.tau.value > 0 else "lowers"
    return f"Fused with {free}, {called(name)} {verb} tau by {value}{apart}."


def warnings(report: Report, scores: Mapping[str, Vector]) -> list[str]:
    """What a reader has to mind: the notes of the report as sentences, and ties."""
    names = {shown(ranking.name) for ranking in report.ranked}
    found = [sentence(note, names) for note in report.notes]
    for name, x in scores.items():
        if name == PARAMS:
            continue
        _, counts = np.unique(x, return_counts=True)
        n, top = len(x), int(counts[-1])
        share = float((counts * (counts - 1.0)).sum() / (n * (n - 1.0)))
        if len(counts) > 1 and share >= MANY_TIES:
            found.append(
                f"{100 * share:.0f} % of the pairs of architectures have the same score in {called(name)}, which has "
                f"{len(counts):,} distinct values: these are tied."
            )
        if 1 < top < n:
            found.append(
                f"{top:,} architectures share the highest score of {called(name)}: figures of its picks are "
                "expected values with ties broken at random."
            )
    return found


def sentence(note: str, names: Collection[str] = ()) -> str:
    """A note that begins with a capital, unless one of these names begins it, and ends with a full stop."""
    kept = any(note.startswith(name) for name in names)
    begun = note if kept else note[:1].upper() + note[1:]
    return begun if begun.endswith((".", "…")) else f"{begun}."


# ---- marks and steps -------------------------------------------------------------------------------------------------


def marks(report: Report, origin: Origin) -> list[Mark]:
    """The score columns, the best ones of many, the parameter count, and what is attainable."""
    lead = leading(report, origin)
    rest = [r for r in report.ranked if r.name not in (lead.name, PARAMS)]
    rest.sort(key=lambda r: -r.estimates["kendall_tau"].value)
    found = []
    for ranking in [] if lead.name == PARAMS else [lead, *rest[: MARKS - 1]]:
        tau = ranking.estimates["kendall_tau"]
        found.append(Mark(called(ranking.name), tau.value, tau.low, tau.high, "disc" if ranking is lead else "hollow"))
    params = next(r for r in report.ranked if r.name == PARAMS).estimates["kendall_tau"]
    found.append(Mark("parameter count", params.value, params.low, params.high, "diamond"))
    if report.added:
        free = report.added.tau
        found.append(Mark(f"{report.added.rule}, no training", free.value, free.low, free.high, "diamond"))
    if report.ceiling:
        found.append(Mark("attainable", report.ceiling.attainable, shape="bar"))
    return found


def steps(report: Report, origin: Origin) -> list[Step]:
    """What to do next, the most useful first."""
    found, lead = [], leading(report, origin)
    if origin.at_chance:
        found.append(
            Step("The super-net has not learned its task: train it for longer, or look at its log.", origin.longer)
        )
        return found
    if lead.name != PARAMS and _constant(lead):
        return [Step("Look at what gave the scores: all of them are equal.")]
    if report.architectures < ROUGH:
        found.append(Step(f"Score more architectures: {report.architectures} give rough intervals.", origin.more))
    tau = lead.estimates["kendall_tau"]
    if tau.high < 0 and lead.name != PARAMS and not origin.weights:
        found.append(_other_direction(lead.name, [r.name for r in report.ranked if r.name != PARAMS], origin.command))
    if _undecided(report, lead) and report.architectures >= ROUGH:
        found.append(
            Step(
                "What is not told apart needs more architectures: intervals shrink with their square root.",
                origin.more,
            )
        )
    if origin.weights:
        found.append(
            Step(
                "Train another set of weights from another seed, to see how far this ranking repeats:",
                origin.another_seed,
            )
        )
    elif lead.name != PARAMS:
        command = origin.command and origin.command.with_values("--by", "method").with_values("--repeat", "seed")
        if command and len(report.ranked) > 2:  # groups are compared by one column, and parameter count is no column
            command = command.with_values("--score-column", lead.name)
            if lowered := command.options.get("--lower-is-better"):  # a bare option stays as it is
                command = command.with_values("--lower-is-better", *(name for name in lowered if name == lead.name))
        found.append(
            Step(
                "Put the scores of several seeds into one file, with columns that name the method and the seed. The "
                "intervals then cover seeds, too:",
                command.printed() if command else None,
            )
        )
    if lead.name != PARAMS and tau.low > 0 and lead.values.get("partial_tau_given_params", 1.0) < tau.value / 2:
        found.append(
            Step(
                f"Much of this order is size: given the parameter count, tau is "
                f"{number(lead.values['partial_tau_given_params'], '.2f')}. Compare architectures of similar size."
            )
        )
    if lead.name != PARAMS:
        found.append(
            Step("Look at what it ranks too high: the scatter below can be coloured by the uses of an operation.")
        )
    return found


def _other_direction(column: str, columns: Sequence[str], command: Command | None) -> Step:
    """What to do if a score that ranks backwards is read in the wrong direction."""
    option = "--lower-is-better"
    if command is None or not command.has(option, column):
        lower = command and command.with_values(option, *command.options.get(option, ()), column)
        return Step(f"If lower values of {called(column)} are better, say so:", lower.printed() if lower else None)
    others = [name for name in columns if name != column and command.has(option, name)]
    return Step(
        f"Lower values of {called(column)} count as better here. If higher ones are, leave it out of {option}:",
        command.with_values(option, *others).printed(),
    )


def _undecided(report: Report, lead: Ranking) -> bool:
    return any(difference(report, lead.name, r.name)[2] >= CLEAR for r in report.ranked if r is not lead)
