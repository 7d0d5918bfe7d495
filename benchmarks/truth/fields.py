"""Numbers in objects of JSON files from elsewhere, checked as they are read; errors say what stands there instead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from supernet.benchmarks.wording import quoted


def number_in(part: Mapping[str, Any], name: str, least: float, most: float) -> float:
    """Return a number.

    Raises:
        ValueError: the field is missing, is not a number, or lies outside the bounds.
    """
    value: Any = part.get(name)
    if type(value) not in (int, float) or not least <= value <= most:
        raise ValueError(f"{name} is {quoted(value)}, not a number from {least:,g} to {most:,g}")
    return float(value)


def whole_in(part: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """Return a whole number, which may be written with a decimal point.

    Raises:
        ValueError: the field is missing, is not a whole number, or lies outside the bounds.
    """
    value: Any = part.get(name)
    if type(value) not in (int, float) or not least <= value <= most or value != math.floor(value):
        raise ValueError(f"{name} is {quoted(value)}, not a whole number from {least:,} to {most:,}")
    return int(value)
