"""Types of the values of recipes: conversion, checks, and the messages about values of a wrong type."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any, Literal

from supernet.benchmarks.wording import listed, nearest, quoted

MOST_TEXT = 1_000
"""Largest number of characters of a text in a recipe, our choice."""


def typed(kind: Any, value: Any, name: str) -> Any:
    """Return the value as this type. A float may be given as a whole number or as text, since YAML reads 1e-3 as text.

    Args:
        name: the key, for messages.

    Raises:
        ValueError: the value is of another type.
    """
    if float in (kind, *typing.get_args(kind)) and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif is_of(kind, value):
        return value
    raise ValueError(wrong_kind(name, kind, value))


def is_of(kind: Any, value: Any) -> bool:
    """Tell whether the value is of a field's type; a whole number also counts as a float."""
    if is_union(kind):
        return any(is_of(option, value) for option in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is str and len(value) > MOST_TEXT)


def is_union(kind: Any) -> bool:
    """Tell whether a type is one of several; one with a Literal in it is of another class than `int | None`."""
    return typing.get_origin(kind) in (types.UnionType, typing.Union)


def wrong_kind(name: str, kind: Any, value: Any) -> str:
    """Return the message about a value that is not of the type of its key."""
    options = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        near = nearest(value, options)
        hint = f" (did you mean {near}?)" if near else ""
        return f"{name} is {quoted(value)}, but must be one of {listed(options)}{hint}."
    if dataclasses.is_dataclass(kind):
        return f"{name} is {quoted(value)}, but must be a {getattr(kind, '__name__', kind)}."
    if isinstance(value, str) and len(value) > MOST_TEXT:
        return f"{name} is a text of {len(value):,} characters; at most {MOST_TEXT:,} are supported."
    return f"{name} is {quoted(value)}, but must be {in_words(kind)}."


def in_words(kind: Any) -> str:
    """Return a type of a value in words: `float`, `valid or train`, `int or null`."""
    if typing.get_origin(kind) is Literal:
        return " or ".join(map(str, typing.get_args(kind)))
    if is_union(kind):
        return " or ".join(map(in_words, sorted(typing.get_args(kind), key=lambda part: part is type(None))))
    return "null" if kind is type(None) else getattr(kind, "__name__", str(kind))
