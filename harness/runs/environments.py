"""The environments in which one result was made; there are several if another machine or version continued it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

NOT_RECORDED: Mapping[str, Any] = {"device": "not recorded"}
"""Environment of what earlier versions trained without recording it."""
SEPARATOR = " + "
"""Stands between the values in which environments differ."""


def joined(environments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One environment that stands for several: a value in which they differ is a text that lists all of them.

    Args:
        environments: what `folder.environment` returned, perhaps with further keys; repetitions do not matter.
    """
    every = list(environments)
    return {
        key: _one([known[key] for known in every if key in known])
        for key in dict.fromkeys(key for known in every for key in known)
    }


def parts(value: Any) -> list[str]:
    """The values that one of a joined environment stands for, as texts; a missing value is "not recorded"."""
    return ["not recorded"] if value is None else str(value).split(SEPARATOR)


def is_environment(value: Any) -> bool:
    """Whether a value from a file has the form of an environment."""
    return isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(part, str | int | float | None) for key, part in value.items()
    )


def _one(values: list[Any]) -> Any:
    """The value that all have in common, or all of them as a text, in the order in which they first occurred."""
    distinct = list(dict.fromkeys(values))
    return distinct[0] if len(distinct) == 1 else SEPARATOR.join(map(str, distinct))
