"""Numbers, intervals and p-values as they are printed."""

from __future__ import annotations

import math
from typing import Protocol

ABSENT = "–"
"""Printed in place of a missing value."""


class Interval(Protocol):
    """A value between two ends."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def number(value: float | None, form: str = ".3f") -> str:
    """A number with a typographic minus sign; a dash for None and for numbers that are not finite."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return format(value, form).replace("-", "−")


def bounds(low: float | None, high: float | None, form: str = ".3f") -> str:
    """An interval such as " [0.694, 0.706]", with a space before it; empty if an end is not known."""
    known = all(end is not None and math.isfinite(end) for end in (low, high))
    return f" [{number(low, form)}, {number(high, form)}]" if known else ""


def with_interval(estimate: Interval | None, form: str = ".3f") -> str:
    """0.700 [0.694, 0.706]; without an interval the value alone; a dash for None."""
    if estimate is None:
        return ABSENT
    return number(estimate.value, form) + bounds(estimate.low, estimate.high, form)


def plain_interval(estimate: Interval, form: str = ".3f") -> str:
    """0.700 [0.694, 0.706] with hyphens as minus signs, for files and figures; without ends the value alone."""
    if estimate.low is None or estimate.high is None:
        return format(estimate.value, form)
    return f"{estimate.value:{form}} [{estimate.low:{form}}, {estimate.high:{form}}]"


def plus_minus(mean: float | None, deviation: float | None) -> str:
    """Mean ± standard deviation, in percent, with two decimals; a dash for None."""
    if mean is None:
        return ABSENT
    return f"{mean:.2f}" + (f" ± {deviation:.2f}" if deviation is not None else "")


def p_text(p: float) -> str:
    """A p-value with two significant digits, such as 0.034, or that it is below 0.0001."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def p_relation(p: float, least: float = 1e-4) -> str:
    """What follows the p in a sentence: "= 0.034", or "< 0.0001" below the least that is told apart."""
    return f"< {least:g}" if p < least else f"= {p:.2g}"


def p_decimals(p: float) -> str:
    """A p-value with three decimals, such as 0.034, or <0.001: the form of tables in papers."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"
