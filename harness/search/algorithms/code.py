"""Digests of the code that defines a search algorithm, which keep results of different code of one name apart."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

_PROJECT = tuple(Path(__file__).resolve().parents[3] / name for name in ("benchmarks", "harness", "heuristics"))
_PLAIN = (str, int, float, bool, bytes, type(None))
_DEPTH = 4
"""Number of levels of nested values that a digest looks into, our choice; deeper values count by their type."""


class _NoSource(Exception):
    """Code that was not read from a file, such as code typed into an interactive session."""


def digest(definition: Any, files: Iterable[Path] = ()) -> str:
    """Return the SHA-256 of the code and values that define an algorithm, in hexadecimal.

    It covers the contents of the files of all modules that the definition uses, except those of this project, of
    Python and of installed packages, and the plain values that the definition holds: arguments of a
    `partial`, fields of a data class, variables of a closure. The digest does not depend on the location of files.

    Args:
        definition: a class, function, `partial` or object.
        files: further files that belong to the definition.

    Returns:
        The digest. Code without a file gets a new random digest each time, so that its results are never taken for
        those of other code.
    """
    modules: dict[str, ModuleType] = {}
    described = _described(definition, modules, _DEPTH)
    try:
        contents = {_digest(Path(file)) for file in files}
        contents |= {_digest(_file(module)) for module in _reachable(modules)}
    except _NoSource:
        return secrets.token_hex(32)
    return hashlib.sha256(json.dumps([described, sorted(contents)]).encode()).hexdigest()


def _described(value: Any, modules: dict[str, ModuleType], depth: int) -> Any:
    """Describe a value by plain values; modules that define it are added to `modules`."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if depth == 0:
        return type(value).__qualname__
    if isinstance(value, partial):
        return ["partial", *(_described(part, modules, depth - 1) for part in (value.func, value.args, value.keywords))]
    if isinstance(value, Mapping):
        return [[str(key), _described(item, modules, depth - 1)] for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return sorted(str(_described(item, modules, depth - 1)) for item in value)
    if isinstance(value, list | tuple):
        return [_described(item, modules, depth - 1) for item in value]
    if isinstance(value, type):
        for base in value.__mro__:
            _add(base.__module__, modules)
        return value.__qualname__
    held: Any
    if isinstance(value, FunctionType):
        _add(value.__module__, modules)
        held = [_content_of(cell) for cell in value.__closure__ or ()]
        return [value.__qualname__, _described([held, list(value.__defaults__ or ())], modules, depth - 1)]
    if isinstance(value, MethodType):
        return [_described(part, modules, depth - 1) for part in (value.__func__, value.__self__)]
    if dataclasses.is_dataclass(value):
        held = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    else:
        held = dict(getattr(value, "__dict__", {}))
    return [_described(part, modules, depth - 1) for part in (type(value), held)]


def _content_of(cell: Any) -> Any:
    """Return the value of a closure's variable; None if it has no value yet."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _add(name: str | None, modules: dict[str, ModuleType]) -> None:
    if name in sys.modules:
        modules[name] = sys.modules[name]


def _reachable(modules: Mapping[str, ModuleType]) -> list[ModuleType]:
    """Return these modules and all that they import, except those of this project, Python and installed packages."""
    waiting, seen = list(modules.values()), dict[str, ModuleType]()
    while waiting:
        module = waiting.pop()
        if module.__name__ in seen or _foreign(module):
            continue
        seen[module.__name__] = module
        for value in list(vars(module).values()):
            if isinstance(value, ModuleType):
                waiting.append(value)
            elif isinstance(value, type | FunctionType):
                waiting += [sys.modules[value.__module__]] if value.__module__ in sys.modules else []
            else:
                name = type(value).__module__
                waiting += [sys.modules[name]] if name in sys.modules else []
    return list(seen.values())


def _foreign(module: ModuleType) -> bool:
    """Whether the module belongs to Python, to an installed package or to this project."""
    if module.__name__.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return True
    file = getattr(module, "__file__", None)
    if file is None:  # a namespace package has no code; an interactive session has code without a file
        return module.__name__ != "__main__"
    path = Path(file).resolve()
    return {"site-packages", "dist-packages"} & set(path.parts) != set() or any(
        path.is_relative_to(folder) for folder in _PROJECT
    )


def _file(module: ModuleType) -> Path:
    file = getattr(module, "__file__", None)
    if file is None:
        raise _NoSource
    return Path(file)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        raise _NoSource from None
