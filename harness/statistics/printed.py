"""Numbers and intervals as they are printed."""

from __future__ import annotations

import math

ABSENT = "–"
"""Printed in place of a missing value."""


def number(value: float | None, form: str = ".3f") -> str:
    """A number with a typographic minus sign; a dash for None and for numbers that are not finite."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return format(value, form).replace("-", "−")


def bounds(low: float | None, high: float | None, form: str = ".3f") -> str:
    """An interval such as " [0.694, 0.706]", with a space before it; empty if an end is not known."""
    known = all(end is not None and math.isfinite(end) for end in (low, high))
    return f" [{number(low, form)}, {number(high, form)}]" if known else ""
