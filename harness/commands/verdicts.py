"""What a terminal shows of a study: every change with its verdict, the base beside its baselines, what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from supernet.benchmarks.wording import shown

if TYPE_CHECKING:
    from supernet.harness.study.results import Analysis

MOST_ROWS = 40
"""Settings that a terminal shows; the report has all."""
WIDEST = 44
"""Characters of a setting's name."""


def verdicts(a: Analysis) -> Iterator[str]:
    """Lines of text, the largest gain first."""
    from supernet.harness.statistics.printed import with_interval
    from supernet.harness.study import verdict

    compared = [row for row in a.rows[1:] if row.difference is not None]
    compared.sort(key=lambda row: -row.difference.value if row.difference else 0)
    names = [shown(row.label)[:WIDEST] for row in compared]
    width = max([len(name) for name in names[:MOST_ROWS]], default=0)
    for name, row in list(zip(names, compared, strict=True))[:MOST_ROWS]:
        d = row.difference
        if d is not None:
            difference = with_interval(d, "+.2f")
            yield f"{name:{width}}  {difference:22}  {verdict.word(row, a.margin)}"
    if len(compared) > MOST_ROWS:
        yield f"… and {len(compared) - MOST_ROWS} more in the report"
    if compared:
        yield ""
    marks = [f"{shown(m.name)} {with_interval(m, '.2f')}" for m in verdict.marks(a)]
    yield f"Kendall's tau: {' · '.join(marks)}"
    yield " ".join(text for text in (verdict.headline(a), verdict.certainty(a)) if text)
    for step in verdict.steps(a):
        yield f"Next: {shown(step.why, 600)}"
        if step.command:
            yield f"  {shown(step.command, 600)}"
