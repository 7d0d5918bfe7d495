"""Registries by name, in which an entry that ships or that another file registered is never replaced.

Results are stored under the names in their recipes. If a name could come to mean other code, results of the old code
would be taken for those of the new.
"""

from __future__ import annotations

import functools
import types
from collections.abc import MutableMapping
from typing import Any, TypeVar

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted

MOST_NAME = 200
"""Largest number of characters of a registered name, our choice."""
_Made = TypeVar("_Made")
_NOT_CODE = {
    "__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__",
    "__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__parameters__",
}  # fmt: skip
"""Attributes of a class that do not change what it computes."""


def add(registry: MutableMapping[str, _Made], name: str, made: _Made, what: str) -> None:
    """Add an entry to a registry; the same code may be registered again under the same name.

    Args:
        what: the kind of entry, for messages, such as "heuristic".

    Raises:
        UserError: the name is not a text of 1 to MOST_NAME characters, or belongs to other code already.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > MOST_NAME:
        raise UserError(f"The name of a {what} must be a text of 1 to {MOST_NAME} characters, not {quoted(name)}.")
    if name in registry and not same(registry[name], made):
        raise UserError(
            f"There is a {what} {quoted(name)} already, and its code differs: register yours under another name, so "
            "that results of the two can be told apart. (If you changed the code in a notebook, restart it.)"
        )
    registry[name] = made


def same(one: Any, other: Any) -> bool:
    """Tell whether two definitions have the same code, even if it comes from different files."""
    if one is other:
        return True
    return bool(one == other) or _Described(one).code == _Described(other).code


class _Described:
    """A description of a function, class or value by its code, equal for equal code in different files.

    Names that the code uses are followed within its own module; things of other modules are described by their names.
    """

    def __init__(self, thing: Any) -> None:
        owner = thing.func if isinstance(thing, functools.partial) else thing
        self._module = getattr(owner, "__module__", None)
        self._seen: set[int] = set()
        self.code = self._of(thing)

    def _of(self, thing: Any) -> Any:
        if thing is None or isinstance(thing, int | float | complex | str | bytes):
            return repr(thing)
        if isinstance(thing, set | frozenset):
            return sorted(repr(self._of(part)) for part in thing)
        if isinstance(thing, list | tuple):
            return [self._of(part) for part in thing]
        if isinstance(thing, types.CodeType):
            return thing.co_code, thing.co_names, thing.co_varnames, self._of(thing.co_consts)
        if id(thing) in self._seen:
            return "described before"
        self._seen.add(id(thing))
        if isinstance(thing, dict):
            return [(repr(key), self._of(value)) for key, value in thing.items()]
        if isinstance(thing, functools.partial):
            return self._of([thing.func, thing.args, thing.keywords])
        if isinstance(thing, staticmethod | classmethod | types.MethodType):
            return self._of([thing.__func__, getattr(thing, "__self__", None)])
        if isinstance(thing, property):
            return self._of([thing.fget, thing.fset, thing.fdel])
        if getattr(thing, "__module__", None) != self._module:
            return getattr(thing, "__qualname__", None) or type(thing).__qualname__
        if isinstance(thing, types.FunctionType):
            cells = [cell.cell_contents for cell in thing.__closure__ or ()]
            used = [thing.__globals__[name] for name in _names(thing.__code__) if name in thing.__globals__]
            return self._of([thing.__code__, thing.__defaults__, thing.__kwdefaults__, cells, used])
        if isinstance(thing, type):
            content = {key: value for key, value in sorted(vars(thing).items()) if key not in _NOT_CODE}
            return [base.__qualname__ for base in thing.__mro__], self._of(content)
        return self._of([type(thing), getattr(thing, "__dict__", None)])


def _names(code: types.CodeType) -> list[str]:
    """Return the global names that a function refers to, also within functions that it defines."""
    inner = [name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part)]
    return sorted({*code.co_names, *inner})
