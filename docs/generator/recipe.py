"""The reference of the keys of a recipe, from the docstrings of its sections."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docs.generator.markdown import code, page, table, text
from supernet.heuristics import registry
from supernet.heuristics.catalogue import CATALOGUE
from supernet.heuristics.ranges import RANGES, Range
from supernet.heuristics.recipe import Recipe

UNBOUNDED = 1e30
"""Bound of numbers that have no natural one; the page leaves it out."""

INTRODUCTION = """
Every key has a default, and a recipe names only the keys that it changes. The command line sets a key as
`training.epochs=50`, a file as `training: {epochs: 50}`. A value outside its range is refused before training begins.
`null` stands for no value. Methods are listed under [`methods`](methods/index.md).
"""


@dataclass(frozen=True)
class Key:
    """A key of a recipe."""

    name: str
    kind: Any
    default: Any
    what: str


def keys() -> dict[str, list[Key]]:
    """Section -> its keys; the keys outside of sections are under the empty name."""
    outside = [key for key in _keys(Recipe, Recipe(), "") if not dataclasses.is_dataclass(key.kind)]
    found = {"": [key for key in outside if key.name != "methods"]}
    for section, kind in typing.get_type_hints(Recipe).items():
        if dataclasses.is_dataclass(kind):
            found[section] = list(_keys(kind, getattr(Recipe(), section), f"{section}."))
    return found


def _keys(section: Any, defaults: Any, prefix: str) -> Iterator[Key]:
    meanings = registry.texts(section)
    for name, kind in typing.get_type_hints(section).items():
        yield Key(prefix + name, kind, getattr(defaults, name), meanings.get(name, ""))


def recipe_page() -> str:
    """Return the page with a table for each section."""
    blocks = ["# Keys of a recipe", INTRODUCTION.strip()]
    for section, found in keys().items():
        kind = typing.get_type_hints(Recipe).get(section)
        blocks.append(f"## {section}" if section else "## Outside of sections")
        blocks.append(text(kind.__doc__ or "") if kind else "")
        blocks.append(table(("key", "default, type and range", "meaning"), [_row(key) for key in found]))
    return page(*blocks)


def _row(key: Key) -> tuple[str, ...]:
    setters = [entry.name for entry in CATALOGUE.values() if key.name in keys_of(entry.values)]
    links = ", ".join(f"[{name}](heuristics/{name}.md)" for name in setters)
    heuristics = f" Set by {links}." if links else ""
    label = f"[{code(key.name)}](#{key.name}){{#{key.name}}}"
    allowed = kind_in_words(key.kind) + in_words(RANGES.get(key.name), key.kind)
    return label, f"{code(written(key.default))}<br>{allowed}", text(key.what.replace("None", "`null`")) + heuristics


def keys_of(values: typing.Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the keys that the values of a heuristic set, each once."""
    return list(dict.fromkeys(change.partition("=")[0] for changes in values.values() for change in changes))


def written(value: Any) -> str:
    """Return a value as recipes write it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def kind_in_words(kind: Any) -> str:
    """Return a type in words, or the texts that a key can have."""
    if typing.get_origin(kind) is typing.Literal:
        return ", ".join(code(option) for option in typing.get_args(kind))
    parts = typing.get_args(kind) or (kind,)
    return " or ".join(code("null") if part is type(None) else part.__name__ for part in parts)


def in_words(limits: Range | None, kind: Any) -> str:
    """Return a range such as `, 0 < x ≤ 1`; empty where there is none."""
    if limits is None:
        return ""
    low = "" if limits.low <= -UNBOUNDED else f"{limits.low:,} {'<' if limits.above else '≤'} "
    high = "" if limits.high >= UNBOUNDED else f" {'<' if limits.below else '≤'} {limits.high:,}"
    return f", {low}x{high}".replace("<", "&lt;") if low or high else ""
