"""What an analysis found, in words: each sentence follows from the numbers by a fixed rule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from supernet.benchmarks.wording import counted
from supernet.harness.statistics.bootstrap import ROUGH
from supernet.harness.statistics.printed import bounds, number, p_relation, with_interval
from supernet.harness.statistics.seeds import Mean
from supernet.harness.study import structure_findings
from supernet.harness.study.on_average import on_average
from supernet.harness.study.results import Analysis, Row
from supernet.harness.study.verdict import reach

MOST_NAMED = 8
"""Runs or settings that a finding names; of more it gives the number."""
NOISY = 0.3
"""Agreement (tau-b) of single repeats below which differences are called mostly noise, our choice."""


def findings_of(analysis: Analysis) -> list[str]:
    """What the numbers say; a rule without the numbers that it needs says nothing."""
    rules = (
        _base, _beyond_ceiling, _few_architectures, _changes, _factors, _extended, _picks, _lost_runs,
        _at_chance, _collapsed, _staged, _proxy, _operations, *structure_findings.RULES, _between_seeds, _missing,
    )  # fmt: skip
    return [sentence for rule in rules if (sentence := rule(analysis))]


def _base(a: Analysis) -> str:
    base, d = a.base.tau, a.beside_params
    if base is None:
        return "The base has no mean tau: too many of its runs diverged."
    beside = f"; parameter count alone reaches {number(a.params_tau, '.2f')}"
    if d is not None and d.p is not None:
        verdict = "not clearly different from" if d.p >= 0.05 else "worse than" if d.value < 0 else "better than"
        beside = f", {verdict} parameter count alone ({number(a.params_tau, '.2f')})"
    ceiling = ""
    if a.ceiling:
        ceiling = (
            f" A perfect ranker would reach {a.ceiling.attainable:.2f} on this ground truth"
            + (f", the mean of {a.ceiling.repeats} repeats" if a.ceiling.repeats > 1 else "")
            + f"; two single repeats agree at {a.ceiling.tau:.2f}."
        )
    how = f"Over {base.seeds} seeds, the base ranks" if base.seeds > 1 else "The base, trained with one seed, ranks"
    return f"{how} {a.architectures:,} architectures with a Kendall tau of {_text(base)}{beside}.{ceiling}"


def _beyond_ceiling(a: Analysis) -> str | None:
    if a.ceiling is None:
        return None
    above = [f"parameter count ({number(a.params_tau, '.2f')})"] if a.params_tau > a.ceiling.attainable else []
    above += [
        f"{row.label} ({number(row.tau.value, '.2f')})"
        for row in a.rows
        if row.tau and row.tau.value > a.ceiling.attainable
    ]
    if not above:
        return None
    return (
        f"Above what a perfect ranker reaches ({a.ceiling.attainable:.2f}): {_listed(above)}. On these architectures "
        "the ground truth is too noisy for such differences to mean anything, or the scores follow its noise."
    )


def _few_architectures(a: Analysis) -> str | None:
    if a.architectures >= ROUGH:
        return None
    return f"Only {a.architectures} architectures are ranked: all intervals and tests are rough below {ROUGH}."


def _changes(a: Analysis) -> str | None:
    if not [row for row in a.rows[1:] if row.difference]:
        return None
    if not a.tested:
        return (
            "Settings cannot be tested against the base: a test needs two or more seeds of both. Differences in tau "
            "are between these trained networks, not between settings."
        )
    count = len(a.tested)
    found = f"{len(a.clear)} of {count} changes clearly {'changes' if len(a.clear) == 1 else 'change'} tau"
    parts = [f"{found} (p < 0.05 after Dunnett's correction for {count} comparisons with the base)."]
    if count == 1:
        verdict = "clearly changes" if a.clear else "does not clearly change"
        parts = [f"{a.tested[0].label} {verdict} tau (p {_p(a.tested[0])})."]
    up, down = _names(a.clear, 1), _names(a.clear, -1)
    parts += [f"Down: {down}."] if down else []
    parts += [f"Up: {up}."] if up else []
    parts += [_unclear(a)] if a.undecided or a.negligible else []
    if count > 2 and a.omnibus_p is not None:
        differ = "differ" if a.omnibus_p < 0.05 else "do not clearly differ"
        parts.append(f"Taken together, settings {differ} (F test, p {p_relation(a.omnibus_p)}).")
    return " ".join(parts)


def _unclear(a: Analysis) -> str:
    """What is shown to be negligible, and what is open."""
    parts = []
    if a.negligible:
        verb = "is" if len(a.negligible) == 1 else "are"
        names = _listed([row.label for row in a.negligible])
        parts.append(
            f"{len(a.negligible)} {verb} shown to change tau by less than the study's margin of {a.margin:g}: {names}."
        )
    if a.undecided:
        verb = "is" if len(a.undecided) == 1 else "are"
        subject = "It" if len(a.tested) == 1 else str(len(a.undecided))
        finds = f"{reach(a)}, with a probability of 80 %" if a.finds and reach(a) else reach(a)
        parts.append(f"{subject} {verb} undecided, not shown to have no effect{finds}.")
        held = [(row.difference.within, row) for row in a.undecided if row.difference and row.difference.within]
        if held:
            within, row = min(held, key=lambda pair: pair[0])
            shown = "by two one-sided tests at 5 %"
            parts.append(
                f"It is shown to change tau by less than {_above(within)}, {shown}."
                if len(a.undecided) == 1
                else f"The tightest bound on one of them is that of {row.label}, which is shown to change tau by less "
                f"than {_above(within)}, {shown}."
            )
    return " ".join(parts)


def _above(value: float) -> str:
    """A bound with two decimals, rounded up, so that it still holds."""
    return f"{math.ceil(round(100 * value, 9)) / 100:.2f}"


def _extended(a: Analysis) -> str | None:
    if not a.looked:
        return None
    return (
        f"The seeds of {counted(len(a.looked), 'setting', 'settings')} were chosen one by one, as after a look at "
        "earlier results: p-values and intervals do not account for that look."
    )


def _factors(a: Analysis) -> str | None:
    return on_average(a.factors) if a.factors else None


def _picks(a: Analysis) -> str | None:
    """Whether the settings that rank better also pick better: tau and regret can disagree."""
    base = a.base.means.get("regret@1")
    if base is None:
        return None
    parts = [f"The architecture that the base scores best falls {base:.2f} points of true accuracy short of the best."]
    for row in a.tested:
        regret = row.means.get("regret@1")
        if row.difference and row.difference.clear and row.difference.value > 0 and regret is not None:
            verb = "picks equally well" if f"{regret:.2f}" == f"{base:.2f}" else "also picks better"
            verb = "picks worse" if float(f"{regret:.2f}") > float(f"{base:.2f}") else verb
            parts.append(f"{row.label} ranks better and {verb}: {regret:.2f} points.")
    top = a.ceiling.top10 if a.ceiling else None
    if a.ceiling and top is not None and a.ceiling.attainable_top10 is not None and top < NOISY:
        parts.append(
            f"Within the truly best 10 %, a perfect ranker reaches a tau of {a.ceiling.attainable_top10:.2f} on this "
            "ground truth: differences there are mostly noise."
        )
    parts.append("Regrets vary much between seeds.")
    return " ".join(parts)


def _lost_runs(a: Analysis) -> str | None:
    lost = [
        f"{row.label} ({len(row.diverged)} of {len(row.states)} runs{'' if row.tau else '; it has no mean'})"
        for row in a.rows
        if row.diverged
    ]
    return f"Training diverged: {_listed(lost)}." if lost else None


def _at_chance(a: Analysis) -> str | None:
    found = [
        f"{row.label} ({len(row.at_chance)} of {len(row.taus)} runs)" for row in a.rows if row.at_chance
    ]  # fmt: skip
    if not found:
        return None
    return f"Super-nets that classify no better than chance: {_listed(found)}."


def _collapsed(a: Analysis) -> str | None:
    fallen = [f"{row.label}, seed {seed} ({number(row.taus[seed], '.2f')})" for row in a.rows for seed in row.collapsed]
    if not fallen:
        return None
    runs = sum(len(row.taus) for row in a.rows)
    return (
        f"{len(fallen)} of {runs} runs collapsed to a tau far below that of the other seeds of the same setting. The "
        f"means include {'it' if len(fallen) == 1 else 'them'}: {_listed(fallen)}."
    )


def _staged(a: Analysis) -> str | None:
    if a.design != "staged":
        return None
    return (
        "The plan is staged: each stage keeps the value with the highest mean tau, so that the taus of what was kept "
        "are too high; confirm the last setting with new seeds. Differences are from the base; the step column is from "
        "the setting that a stage changes."
    )


def _proxy(a: Analysis) -> str | None:
    if a.proxy is None:
        return None
    p = a.proxy
    sentence = (
        f"Over {p.settings} settings, mean super-net accuracy and tau correlate at {number(p.over_settings, '.2f')} "
        "(Kendall; the settings were chosen by hand, so this has no interval)."
    )
    if p.within is None or p.within_low is None or p.within_high is None:
        return sentence
    if p.within_high < 0:
        told = "the more accurate super-nets rank worse"
    elif p.within_low > 0 and p.within_high >= 0.5:
        told = "accuracy tells something of which trained super-net ranks better"
    elif p.within_low > -0.5 and p.within_high < 0.5:
        told = "accuracy hardly tells which trained super-net ranks better"
    else:
        told = "these runs do not show whether accuracy tells which trained super-net ranks better"
    among = f"{number(p.within, '.2f')}{bounds(p.within_low, p.within_high, '.2f')}"
    return sentence + (f" Among seeds of one setting they correlate at {among} (Pearson): {told}.")


def _operations(a: Analysis) -> str | None:
    known = {name: m for name, m in a.base.excess.items() if m.low is not None and m.high is not None}
    clear = [(name, m) for name, m in known.items() if m.low is not None and m.high is not None and m.low * m.high > 0]
    if not known:
        return None
    if not clear:
        return "No operation is clearly over- or under-ranked by the base beyond regression to the mean."
    ordered = sorted(clear, key=lambda item: -item[1].value)
    texts = [f"{name} {with_interval(m, '+.1f')}" for name, m in ordered]
    return (
        "Beyond regression to the mean, the base ranks architectures too high (+) or too low (−) by these percentile "
        f"points, averages over the uses of each operation: {_listed(texts)}."
    )


def _between_seeds(a: Analysis) -> str | None:
    if a.base.seed_tau is None:
        return None
    return f"The scores of two seeds of the base rank architectures alike with a tau of {a.base.seed_tau:.2f}."


def _missing(a: Analysis) -> str | None:
    lost = [
        (row.label, seed, state)
        for row in a.rows
        for seed, state in row.states.items()
        if state not in ("done", "diverged")
    ]
    if not lost:
        return None
    if len(lost) <= MOST_NAMED:
        names = ", ".join(f"{label} (seed {seed}: {state})" for label, seed, state in lost)
        return f"Not among the results: {names}."
    counts = Counter(state for _, _, state in lost)
    listed = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    runs = sum(len(row.states) for row in a.rows)
    return f"{len(lost)} of {runs} runs are not among the results: {listed}. `supernet study status` names them."


def _names(rows: Sequence[Row], sign: int) -> str:
    """Settings whose difference has this sign, the largest first."""
    chosen = [(row, row.difference) for row in rows if row.difference and row.difference.value * sign > 0]
    chosen.sort(key=lambda pair: -abs(pair[1].value))
    return ", ".join(f"{row.label} ({with_interval(d, '+.2f')})" for row, d in chosen)


def _p(row: Row) -> str:
    p = row.difference.p if row.difference else None
    return "unknown" if p is None else p_relation(p, 0.001)


def _listed(texts: Sequence[str]) -> str:
    rest = len(texts) - MOST_NAMED
    return ", ".join(texts[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _text(mean: Mean) -> str:
    if mean.low is None or mean.high is None:
        value = number(mean.value, ".2f")
        return f"{value} (two seeds have no interval)" if mean.seeds == 2 else value
    return with_interval(mean, ".2f").replace("−0.00", "0.00") + (
        " (interval over architectures, for these weights alone)" if mean.seeds == 1 else ""
    )
