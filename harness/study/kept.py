"""A study as its report.json has it: what a comparison of studies needs, read back and checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted
from supernet.harness.runs.integrity import is_number, read_json
from supernet.harness.statistics.seeds import Difference, Mean
from supernet.harness.study.results import Row
from supernet.harness.study.verdict import word

REPORT = "report.json"
MARGIN = 0.05
"""Margin of reports that do not say theirs."""


class _Unusable(ValueError):
    """A value that no report has."""


@dataclass(frozen=True)
class Effect:
    """A change of a study against its base."""

    value: float
    """Mean tau less that of the base."""
    low: float | None
    """Ends of the interval, which holds together with the others of its study."""
    high: float | None
    se: float | None
    """Standard error; None where the change is not tested or the report is too old to say."""
    tested: bool
    clear: bool
    verdict: str
    """In a few words."""
    runs: frozenset[str] = frozenset()
    """Hashes of the runs that it comes from, those of the base included."""


@dataclass(frozen=True)
class Kept:
    """A study as its report has it."""

    name: str
    title: str
    design: str
    space: str
    truth: str
    measure: str
    """Data set, split, epochs and seed of the ground truth."""
    architectures: int
    images: int
    base_seeds: int
    seeds: int
    """The smallest number of seeds of a setting beside the base that have a tau."""
    most_seeds: int
    """The largest such number."""
    base: Mean | None
    params_tau: float
    attainable: float | None
    looked: bool
    """Whether seeds were chosen one by one."""
    effects: dict[str, Effect]
    """Label of a change -> its effect; empty of a screen, which compares no change with the base."""
    recipe: dict[str, str] | None = field(default=None, repr=False)
    """Keys of the base recipe, such as training.epochs, with their values as text; None where a report is too old."""


def read_kept(path: Path) -> Kept:
    """Read a study's report.json.

    Raises:
        UserError: the file cannot be read, or is not the report of a study.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise UserError(f"The report {quoted(str(path), 300)} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(f"The report {quoted(str(path), 300)} cannot be read: {error}.") from None
    if "rows" not in content or "base_seeds" not in content:
        raise UserError(
            f"{quoted(str(path), 300)} is not the report of a study. Reports of studies are compared; `supernet study "
            "report` writes them."
        )
    try:
        return _kept(content)
    except (_Unusable, KeyError, IndexError, TypeError, AttributeError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(
            f"The report {quoted(str(path), 300)} is damaged ({what}); `supernet study report` writes it again."
        ) from None


def _kept(content: Mapping[str, Any]) -> Kept:
    m, rows, ceiling = content["measure"], content["rows"], content.get("ceiling")
    margin = _number(content.get("margin", MARGIN))
    base = _hashes(rows[0])
    others = [len(row["taus"]) for row in rows[1:]] or [0]
    screen = content["design"] == "screen"
    recipe = content.get("recipe")
    return Kept(
        name=_text(content["name"]),
        title=_text(content["title"]),
        design=_text(content["design"]),
        space=_text(content["space"]),
        truth=_text(content["truth"]),
        measure=f"{_text(m['dataset'])} {_text(m['split'])}, epochs {_text(m['epochs'])}, seed {_text(m['seed'])}",
        architectures=_count(content["architectures"]),
        images=_count(content["images"]),
        base_seeds=len(rows[0]["taus"]),
        seeds=min(others),
        most_seeds=max(others),
        base=_mean(rows[0]["tau"]),
        params_tau=_number(content["params_tau"]),
        attainable=_number(ceiling["attainable"]) if ceiling else None,
        looked=bool(content.get("looked")),
        effects={} if screen else {_text(row["label"]): e for row in rows[1:] if (e := _effect(row, base, margin))},
        recipe=None if recipe is None else dict(_flat(recipe)),
    )


def _effect(row: Mapping[str, Any], base: frozenset[str], margin: float) -> Effect | None:
    if row["difference"] is None:
        return None
    d = _difference(row["difference"])
    typed = Row(
        _text(row["heuristic"]), _text(row["value"]), _text(row["label"]), "", {}, tau=_mean(row["tau"]), difference=d
    )
    tested = d.p is not None
    return Effect(d.value, d.low, d.high, d.se, tested, d.clear, word(typed, margin), base | _hashes(row))


def _difference(content: Mapping[str, Any]) -> Difference:
    error = _optional(content.get("se"))
    if error is not None and error <= 0:
        raise _Unusable(f"a standard error is {error:g}")
    return Difference(
        _number(content["value"]),
        _optional(content["low"]),
        _optional(content["high"]),
        _optional(content["p"]),
        _optional(content["p_corrected"]),
        _optional(content["q"]),
        within=_optional(content.get("within")),
        se=error,
    )


def _mean(content: Mapping[str, Any] | None) -> Mean | None:
    if content is None:
        return None
    low, high = _optional(content["low"]), _optional(content["high"])
    return Mean(_number(content["value"]), low, high, _count(content["seeds"]))


def _hashes(row: Mapping[str, Any]) -> frozenset[str]:
    """Names of a setting's runs that have a result."""
    states = row["states"]
    return frozenset(_text(run) for seed, run in row.get("hashes", {}).items() if states[seed] == "done")


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Keys of nested mappings with dots between them, and their values as text."""
    found = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", _spelled(value)))
    return found


def _spelled(value: Any) -> str:
    """A value as a recipe file has it."""
    if isinstance(value, list):
        return ", ".join(_spelled(item) for item in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_spelled(item)}" for key, item in value.items()) or "none"
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value)


def _number(value: Any) -> float:
    if not is_number(value) or not math.isfinite(value):
        raise _Unusable(f"{quoted(value)} is not a number")
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _Unusable(f"{quoted(value)} is not a count")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Unusable(f"{quoted(value)} is not a text")
    return value
