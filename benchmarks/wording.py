"""Parts of messages: values cut to a readable length, lists cut to a few names, nearest spellings, counts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN = 80
"""Largest number of characters of a value that a message quotes: our choice."""
NAMED = 12
"""Largest number of names that a message lists: our choice."""


def quoted(value: Any, most: int = SHOWN) -> str:
    """`repr` of a value, cut to at most `most` characters, in time and memory of that order.

    Nested containers are shown with a few items at most, so that small files that describe huge structures cannot make
    a huge message. Line breaks and control characters are escaped.
    """
    if isinstance(value, str):
        text = repr(value[:most])
        return text if len(value) <= most else f"{text[:most]}… ({len(value):,} characters)"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 400:
        return f"a whole number of {value.bit_length():,} bits"
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _container(value, most)
    text = repr(value)
    return text if len(text) <= most else text[: most - 1] + "…"


def _container(value: Any, most: int) -> str:
    kind = "keys" if isinstance(value, Mapping) else "items"
    items = list(value.items() if isinstance(value, Mapping) else value) if len(value) <= 6 else []
    flat = all(not isinstance(part, Mapping | list | tuple | set) for item in items for part in _parts(item))
    if items or not value:
        text = repr(value) if flat and all(len(str(p)) <= most for i in items for p in _parts(i)) else ""
        if (text and len(text) <= most) or not value:
            return text or repr(value)
    return f"a {'mapping' if kind == 'keys' else 'list'} of {len(value):,} {kind}"


def _parts(item: Any) -> Sequence[Any]:
    return item if isinstance(item, tuple) else (item,)


def listed(names: Iterable[Any], most: int = NAMED) -> str:
    """The first few names, separated by commas, and the number of further ones."""
    every = [str(name) if len(str(name)) <= SHOWN else str(name)[:SHOWN] + "…" for name in names]
    rest = len(every) - most
    return ", ".join(every) if rest <= 0 else f"{', '.join(every[:most])} and {rest:,} more"


def series(texts: Sequence[str], most: int | None = None) -> str:
    """Texts in a sentence: "a, b and c"; of more than `most` only the first, such as "a, b and 4 more"."""
    if most is not None and len(texts) > most:
        texts = [*texts[:most], f"{len(texts) - most} more"]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def nearest(name: Any, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str | None:
    """The known name that was probably meant: an alias's, else the most similar, else None."""
    text = str(name)[:SHOWN]
    if aliases and text.lower() in aliases:
        return aliases[text.lower()]
    folded = {str(k).lower(): str(k) for k in reversed(list(known))}
    near = difflib.get_close_matches(text.lower(), folded, 1, cutoff=0.5)
    return folded[near[0]] if near else None


def did_you_mean(name: Any, known: Sequence[str]) -> str:
    """The hint "did you mean X?", or a list of the known names."""
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"there is {listed(known)}."


def shown(name: Any, most: int = SHOWN) -> str:
    """A name from a file as one printable line of at most `most` characters; other characters appear as escapes."""
    text = str(name)
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def encodable(text: str) -> str:
    """A text as files can hold it: lone surrogates, which names of files and JSON may contain, appear as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def counted(n: int, one: str, many: str) -> str:
    """Return a number and what it counts: 1 search, 1,200 searches."""
    return f"{n:,} {one if n == 1 else many}"
