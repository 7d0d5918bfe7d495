"""What an analysis found, in words: each sentence follows from the numbers by a fixed rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.stats import Difference, Estimate

if TYPE_CHECKING:
    from harness.study.analysis import Analysis, Row

MOST_NAMED = 8
"""Runs without results that a finding names; of more it gives the number."""


def findings_of(analysis: Analysis) -> list[str]:
    """What the numbers say; a rule without the numbers that it needs says nothing."""
    rules = (_beside_params, _changes, _extremes, _proxy, _operations, _between_seeds, _missing)
    return [sentence for rule in rules if (sentence := rule(analysis))]


def _beside_params(a: Analysis) -> str:
    base = a.base.tau
    assert base is not None
    d = a.beside_params
    against = "not clearly better or worse than"
    if d is not None and d.p < 0.05:
        against = "worse than" if d.value < 0 else "better than"
    ceiling = f"; two repeats of the ground truth agree at {a.ceiling.tau:.2f}" if a.ceiling else ""
    return (
        f"The base ranks {a.architectures:,} architectures with a Kendall tau of {_text(base)}, {against} parameter "
        f"count alone ({a.params_tau:.2f}){ceiling}."
    )


def _tested(a: Analysis) -> list[tuple[Row, Difference, float]]:
    """Settings with their difference from the base and its corrected p-value."""
    return [(row, row.difference, row.p_holm) for row in a.rows[1:] if row.difference and row.p_holm is not None]


def _changes(a: Analysis) -> str | None:
    tested = _tested(a)
    clear = [(row, d) for row, d, p in tested if p < 0.05]
    if not tested:
        return None
    up, down = _names([c for c in clear if c[1].value > 0]), _names([c for c in clear if c[1].value < 0])
    return f"Of {len(tested)} changes, {len(clear)} alter tau at the 5 % level after Holm's correction." + (
        f" Up: {up}. Down: {down}." if clear else ""
    )


def _extremes(a: Analysis) -> str | None:
    ordered = sorted(((row, d) for row, d, _ in _tested(a)), key=lambda pair: pair[1].value)
    if not ordered:
        return None
    worst, best = ordered[0], ordered[-1]
    gain = f"The largest gain is {_names([best])}; " if best[1].value > 0 else "No change gains; "
    return gain + (f"the largest loss is {_names([worst])}." if worst[1].value < 0 else "none loses.")


def _proxy(a: Analysis) -> str | None:
    if not a.proxy:
        return None
    low, high = a.proxy["low"], a.proxy["high"]
    verdict = "a usable" if low > 0.3 else "a misleading" if high < 0 else "an unreliable"
    return (
        f"Over {a.proxy['settings']:.0f} settings, mean super-net accuracy and tau correlate at "
        f"{a.proxy['value']:.2f} [{low:.2f}, {high:.2f}] (Kendall): {verdict} sign of a good ranking."
    )


def _operations(a: Analysis) -> str | None:
    if not a.base.over_ranked:
        return None
    ordered = sorted(a.base.over_ranked.items(), key=lambda item: item[1])
    (under, least), (over, most) = ordered[0], ordered[-1]
    return (
        f"The base over-ranks {over} most ({most:+.1f} percentile points per use) and under-ranks {under} most "
        f"({least:+.1f})."
    )


def _between_seeds(a: Analysis) -> str | None:
    return None if a.base.seed_tau is None else f"Rankings of two seeds of the base agree at {a.base.seed_tau:.2f}."


def _missing(a: Analysis) -> str | None:
    lost = [(row.label, seed, state) for row in a.rows for seed, state in row.states.items() if state != "done"]
    if not lost:
        return None
    if len(lost) <= MOST_NAMED:
        names = ", ".join(f"{label} (seed {seed}: {state})" for label, seed, state in lost)
        return f"Not among the results: {names}."
    counts = Counter(state for _, _, state in lost)
    listed = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    runs = sum(len(row.states) for row in a.rows)
    return f"{len(lost)} of {runs} runs are not among the results: {listed}. `supernet study status` names them."


def _names(pairs: Sequence[tuple[Row, Difference]]) -> str:
    """Settings with their differences, the largest first."""
    ordered = sorted(pairs, key=lambda pair: -abs(pair[1].value))
    return ", ".join(f"{row.label} ({d.value:+.2f} [{d.low:+.2f}, {d.high:+.2f}])" for row, d in ordered) or "none"


def _text(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
