"""Builds the recipe that a call asks for: a recipe, a file or a shipped name, with changes of its keys."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed, quoted
from supernet.harness.study.shipped import shipped_recipe
from supernet.heuristics.recipe import Recipe, from_dict, key_names, load
from supernet.heuristics.spelling import unknown_key

Part = Recipe | Path | str | Mapping[str, Any]
"""A recipe, a file, a shipped name, a change of the form section.key=value, or nested values."""


def wanted(*parts: Part, **keys: Any) -> Recipe:
    """The recipe of these parts and keys.

    Args:
        parts: a recipe, its nested values, or its file or shipped name; by default, the default recipe. Texts of the
            form section.key=value change it.
        keys: further changes. A key that only one section has may be given by its own name (`epochs=3`). A section
            takes a mapping (`training={"epochs": 3}`) or, if it has a key `name`, that name (`task="digits"`).
            `methods` takes a name, a mapping (`methods={"name": "magic-t", "changes": 2}`), or a list of these.

    Raises:
        UserError: there is more than one recipe, or something cannot be read or is not known.
    """
    changes = [part for part in parts if isinstance(part, str) and "=" in part]
    bases = [part for part in parts if not (isinstance(part, str) and "=" in part)]
    if len(bases) > 1:
        raise UserError(f"Give one recipe, not {len(bases)}: {listed(quoted(str(base)) for base in bases)}.")
    base = bases[0] if bases else Recipe()
    if isinstance(base, Mapping):
        base = from_dict(base)
    elif isinstance(base, Path | str):
        base = load(shipped_recipe(Path(base)))
    elif not isinstance(base, Recipe):
        raise UserError(f"A recipe is an object, a file, a name or nested values, not {quoted(base)}.")
    if "methods" in keys:
        methods = keys.pop("methods")
        every = [methods] if isinstance(methods, str | Mapping) or not isinstance(methods, Iterable) else [*methods]
        base = from_dict({**base.as_dict(), "methods": every})
    return base.override([*changes, *(change for key, value in keys.items() for change in _changes(key, value))])


def _changes(key: str, value: Any) -> Iterator[str]:
    """Yield the changes section.key=value that an argument stands for."""
    names = key_names()
    section = [name for name in names if name.startswith(f"{key}.")]
    if section and isinstance(value, Mapping):
        for inner, content in value.items():
            yield _spelled(f"{key}.{inner}", content)
    elif section:
        if f"{key}.name" not in section:
            raise UserError(f"{key} is a section of the recipe: give it keys and values, not {quoted(value)}.")
        yield _spelled(f"{key}.name", value)
    elif key in names:
        yield _spelled(key, value)
    else:
        found = [name for name in names if name.rpartition(".")[2] == key]
        if not found:
            raise UserError(unknown_key(key, names))
        if len(found) > 1:
            raise UserError(
                f"{key} may be {' or '.join(found)}: say which, as in {found[0].partition('.')[0]}={{{key!r}: ...}}."
            )
        yield _spelled(found[0], value)


def _spelled(name: str, value: Any) -> str:
    """A change in the form section.key=value.

    Raises:
        UserError: a recipe cannot hold the value.
    """
    if isinstance(value, np.generic):
        value = value.item()
    try:
        return f"{name}={json.dumps(value)}"
    except (TypeError, ValueError, RecursionError):
        raise UserError(f"{name} is {quoted(value)}, which a recipe cannot hold.") from None
