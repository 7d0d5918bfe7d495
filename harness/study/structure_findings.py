"""What the structure of errors and the free factors say, in words: each sentence follows from numbers by a rule."""

from __future__ import annotations

from collections.abc import Sequence

from supernet.harness.statistics.blocks import Blocked
from supernet.harness.statistics.printed import number, p_relation, with_interval
from supernet.harness.statistics.seeds import Mean
from supernet.harness.study.beside import MOST_RESCORED, STATISTICS
from supernet.harness.study.displaced import Effect
from supernet.harness.study.plan import BASE
from supernet.harness.study.results import Analysis, Row

MOST_EFFECTS = 3
"""Choices named on either side."""


def explained(a: Analysis) -> str | None:
    """How much of the base's error is the same in all seeds, and what explains a run's."""
    base = a.structure.displaced[0] if a.structure else None
    if base is None or base.label != BASE or base.sd == 0:
        return None
    sentence = f"The base displaces architectures by {base.sd:.0f} percentile points (standard deviation) beyond "
    sentence += "regression to the mean"
    if base.common is not None:
        sentence += f"; {_percent(base.common)} of this variance is common to its {base.seeds} seeds"
    if base.shares:
        ordered = sorted(base.shares, key=lambda share: -share.run)
        texts = [f"{share.group} {_share(share.run)} % ({_share(share.chance)} % by chance)" for share in ordered]
        sentence += f"; of a single run's variance, these shares are explained: {', '.join(texts)}"
    return sentence + "."


def choices(a: Analysis) -> str | None:
    """Which operations, and where, the base ranks too high or too low."""
    effects = [e for e in a.structure.effects if e.mean.low is not None] if a.structure else []
    if not effects:
        return None
    clear = sorted((e for e in effects if e.clear), key=lambda e: -e.mean.value)
    if not clear:
        return "At equal true rank, the base ranks architectures with no single choice clearly too high or too low."
    high = [e for e in clear if e.mean.value > 0][:MOST_EFFECTS]
    low = [e for e in reversed(clear) if e.mean.value < 0][:MOST_EFFECTS]
    parts = [f"too {side} {_effects(of)}" for side, of in (("high", high), ("low", low)) if of]
    return (
        f"At equal true rank, the base clearly ranks architectures with {len(clear)} of {len(effects)} choices too "
        f"high or too low (percentile points; simultaneous 95 % intervals): most {' and '.join(parts)}."
    )


def by_size(a: Analysis) -> str | None:
    """tau within and between parameter counts."""
    sizes = a.structure.sizes[0] if a.structure else None
    if a.structure is None or sizes is None or sizes.label != BASE or sizes.within is None or sizes.between is None:
        return None
    strata = a.structure.strata
    pairs = "of equal parameter count" if strata.equal else "in the same tenth of the ranking by parameter count"
    beside = (
        ""
        if strata.params_between is None
        else f", where parameter count itself reaches {number(strata.params_between, '.2f')}"
    )
    within, between = with_interval(sizes.within, ".2f"), with_interval(sizes.between, ".2f")
    return (
        f"Among pairs of architectures {pairs} ({100 * strata.pairs:.0f} % of all pairs) the base's tau is "
        f"{within}; among the other pairs it is {between}{beside}."
    )


def given_size(a: Analysis) -> str | None:
    """The second outcome: partial tau given parameter count."""
    tested = [row for row in a.tested if row.partial_difference and row.partial_difference.p is not None]
    if not tested:
        return None
    clear = [row for row in tested if row.partial_difference and row.partial_difference.clear]
    changes = "changes" if len(tested) > 1 else "change"
    sentence = (
        f"{len(clear)} of {len(tested)} {changes} clearly change{'s' if len(clear) == 1 else ''} the partial tau given "
        "parameter count (a second outcome with a Dunnett correction of its own)"
    )
    alone = [row for row in clear if row.difference and not row.difference.clear]
    lost = [row for row in tested if row.difference and row.difference.clear and row not in clear]
    if alone:
        sentence += f"; clear in partial tau alone: {', '.join(map(_partial, alone))}"
    if lost:
        sentence += f"; clear in tau alone: {', '.join(map(_partial, lost))}"
    return sentence + "."


def metric(a: Analysis) -> str | None:
    """Loss against accuracy as the score."""
    return _free("Ranking by loss instead of accuracy", a.free.metric if a.free else None)


def images(a: Analysis) -> str | None:
    """All images against a quarter of them."""
    return _free("Scoring on all images instead of the first quarter of them", a.free.images if a.free else None)


def batch_norm(a: Analysis) -> str | None:
    """Other statistics of batch norm in scoring."""
    found = [
        _free(
            f"Scoring with {STATISTICS[one.other]} of batch norm instead of {STATISTICS[one.own]}",
            one.difference,
            f"on {min(a.architectures, MOST_RESCORED)} of the architectures",
        )
        for one in (a.free.statistics if a.free else ())
    ]
    return " ".join(sentence for sentence in found if sentence) or None


def epochs(a: Analysis) -> str | None:
    """Averaged epochs against the last."""
    if a.free is None:
        return None
    return _free(f"Averaging the ranks of the last {a.free.last_epochs} epochs instead of the last", a.free.epochs)


def ensembles(a: Analysis) -> str | None:
    """The base's seeds as one ranking."""
    base = a.free.ensembles[0] if a.free and a.free.ensembles else None
    if base is None or base.label != BASE:
        return None
    gain = base.gain
    averaged = number(base.single + gain.value, ".2f")
    return (
        f"The averaged ranks of the base's {base.seeds} seeds reach a tau of {averaged}, against "
        f"{number(base.single, '.2f')} of a single seed on average ({with_interval(gain, '+.2f')})."
    )


RULES = (explained, choices, by_size, given_size, metric, images, batch_norm, epochs, ensembles)


def _free(what: str, found: Blocked | None, on: str = "on these architectures") -> str | None:
    if found is None or found.p is None:
        return None
    verb = "does not clearly change" if found.p >= 0.05 else "clearly raises" if found.value > 0 else "clearly lowers"
    return (
        f"{what} {verb} tau: {with_interval(found, '+.3f')} (p {p_relation(found.p, 0.001)}; "
        f"{found.runs} runs of {found.blocks} settings, paired by run, {on}). It costs no training."
    )


def _effects(effects: Sequence[Effect]) -> str:
    return ", ".join(f"{e.option} at {e.decision} ({with_interval(e.mean, '+.0f')})" for e in effects)


def _partial(row: Row) -> str:
    d = row.partial_difference
    if d is None or d.low is None or d.high is None:
        return row.label
    return f"{row.label} ({with_interval(d, '+.2f')})"


def _share(value: float) -> str:
    return f"{100 * max(0.0, value):.0f}"


def _percent(mean: Mean) -> str:
    ends = f" [{_share(mean.low)}, {_share(mean.high)}]" if mean.low is not None and mean.high is not None else ""
    return f"{_share(mean.value)} %{ends}"
