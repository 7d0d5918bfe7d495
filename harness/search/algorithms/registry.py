"""The search algorithms by name: those that query a benchmark, and those that share weights.

`register` adds an algorithm that queries, `register_sharing` one that trains a super-net: in a script, or in a file
that `supernet search --plugin FILE` imports.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace
from supernet.benchmarks.wording import nearest, quoted
from supernet.harness.search.algorithms.ask import Maker
from supernet.harness.search.algorithms.code import digest
from supernet.harness.search.algorithms.kinds import Algorithm, QueryAlgorithm, SharingAlgorithm
from supernet.harness.search.algorithms.shipped import SHIPPED, WITHOUT_NONE
from supernet.harness.search.picks import Picker
from supernet.heuristics.plugins import importing
from supernet.heuristics.recipe import Recipe, RecipeError

ALGORITHMS: dict[str, Algorithm] = dict(SHIPPED)
"""Name -> algorithm: those of the project, and those that were registered."""
_NAME = re.compile(r"[^\s,\x00-\x1f\x7f]{1,60}")


@dataclass(frozen=True)
class _Registration:
    """An algorithm that was added, and the code that added it."""

    algorithm: Algorithm
    file: str
    """File of the caller; empty if the caller is not a file."""
    plugin: str | None
    """Digest of the plug-in that was being imported; None if there was none."""


_added: dict[str, _Registration] = {}
"""Name -> its present registration."""
_of_plugins: dict[str, dict[str, _Registration]] = {}
"""Digest of a plug-in -> its registrations, which are restored when it is used again in this process."""
_written: dict[str, tuple[Algorithm, str]] = {}
"""Name -> an algorithm that was assigned to ALGORITHMS without `register`, and its code."""


def register(
    name: str,
    make: Maker,
    *,
    title: str | None = None,
    source: str = "",
    fidelities: bool = False,
    starts: int = 0,
) -> None:
    """Add an algorithm that looks architectures up in a benchmark, so that comparisons can name it.

    Its results are stored under a digest of the code that defines it (see `harness.search.algorithms.code`): changed
    code never gets the results of other code.

    Args:
        name: 1 to 60 characters without spaces and commas.
        make: maps moves, the number of the most expensive fidelity and random numbers to an object with `ask` and
            `tell`.
        title: the title in reports; the name by default.
        source: where it was published.
        fidelities: whether it also queries the cheaper fidelities.
        starts: number of random architectures that it queries first, if `make` takes others as `start`.

    Raises:
        UserError: the name belongs to another algorithm or has characters that a name cannot have, or `make` cannot be
            called.
    """
    if not callable(make):
        raise UserError(
            f"The search algorithm {quoted(name)} has to be made by a class or function, not {quoted(make)}."
        )
    frame = sys._getframe(1)
    code = digest(make, _files(frame))
    _add(name, QueryAlgorithm(title or name, source, make, fidelities, code, starts), frame)


def register_sharing(
    name: str, changes: Sequence[str], pick: Picker, *, title: str | None = None, source: str = ""
) -> None:
    """Add an algorithm that trains a super-net and picks an architecture, so that comparisons can name it.

    Args:
        name: 1 to 60 characters without spaces and commas.
        changes: changes of the base recipe, such as `sampling.law=fair`.
        pick: maps a trained super-net and random numbers to a `harness.search.picks.Pick`.
        title: the title in reports; the name by default.
        source: where it was published.

    Raises:
        UserError: see `register`; `pick` must be callable.
    """
    if not callable(pick):
        raise UserError(f"The picker of the search algorithm {quoted(name)} cannot be called: {quoted(pick)}.")
    frame = sys._getframe(1)
    code = digest([tuple(changes), pick], _files(frame))
    _add(name, SharingAlgorithm(title or name, source, tuple(changes), pick, code), frame)


def forget(name: str) -> None:
    """Remove an algorithm that was registered; shipped ones stay."""
    if _added.pop(name, None):
        ALGORITHMS.pop(name, None)


def code_of(name: str) -> str:
    """Return the version of an algorithm's present code: empty for most shipped algorithms, a digest for added ones.

    Raises:
        UserError: there is no algorithm of this name.
    """
    algorithm = ALGORITHMS.get(name)
    if algorithm is None:
        raise UserError(f"There is no search algorithm {quoted(name)}{perhaps(name)}")
    if name in SHIPPED and algorithm == SHIPPED[name]:
        return algorithm.code
    if name in _added and algorithm is _added[name].algorithm:
        return algorithm.code
    if name not in _written or _written[name][0] is not algorithm:
        definition = algorithm.make if isinstance(algorithm, QueryAlgorithm) else [algorithm.changes, algorithm.pick]
        _written[name] = algorithm, digest(definition)
    return _written[name][1]


class Importable(Protocol):
    """A user's file that registers algorithms when it is imported."""

    @property
    def sha256(self) -> str: ...

    def load(self) -> None: ...


def use(plugins: Sequence[Importable]) -> None:
    """Import plug-ins; afterwards no algorithm of any other plug-in is registered.

    Raises:
        UserError: a plug-in cannot be imported, or registers a name that is taken.
    """
    wanted = {plugin.sha256 for plugin in plugins}
    for name in [name for name, known in _added.items() if known.plugin is not None and known.plugin not in wanted]:
        forget(name)
    for plugin in plugins:
        with _import_of(plugin.sha256):
            plugin.load()
        for name, registration in _of_plugins.get(plugin.sha256, {}).items():
            _check_free(name, registration.file)
            _added[name] = registration
            ALGORITHMS[name] = registration.algorithm


@contextmanager
def _import_of(plugin: str) -> Iterator[None]:
    """Undo the registrations of this plug-in if its import fails."""
    try:
        yield
    except BaseException:
        for name in _of_plugins.pop(plugin, {}):
            forget(name)
        raise


def known_elsewhere(name: str) -> bool:
    """Tell whether other processes can load this algorithm, because it ships or a plug-in registered it."""
    return name in SHIPPED or (name in _added and _added[name].plugin is not None)


def perhaps(name: str) -> str:
    """Return the end of a sentence about an unknown name: the name that it may stand for, if there is one."""
    near = nearest(name, ALGORITHMS)
    return f"; did you mean {near}?" if near else "."


def _files(frame: FrameType) -> list[Path]:
    file = frame.f_globals.get("__file__")
    return [Path(file)] if file else []


def _add(name: str, algorithm: Algorithm, frame: FrameType) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"{quoted(name)} cannot name a search algorithm: a name has 1 to 60 characters without spaces and commas."
        )
    file = str(frame.f_globals.get("__file__") or "")
    _check_free(name, file)
    plugin = importing()
    registration = _Registration(algorithm, file, None if plugin is None else plugin.sha256)
    _added[name] = registration
    ALGORITHMS[name] = algorithm
    if registration.plugin is not None:
        _of_plugins.setdefault(registration.plugin, {})[name] = registration


def _check_free(name: str, file: str) -> None:
    """Refuse a name that ships or that another file registered; a file may register its own algorithm again."""
    known = _added.get(name)
    if name in ALGORITHMS and (name in SHIPPED or known is None or known.file != file):
        where = "the project" if name in SHIPPED else (known and known.file) or "this session"
        raise UserError(f"The search algorithm {quoted(name)} is registered already, by {where}. Choose another name.")


def recipe_for(algorithm: str, base: Recipe, within: SearchSpace) -> Recipe:
    """Return the base recipe with the changes of an algorithm.

    Raises:
        RecipeError: the changes do not apply to the space or cannot be combined with this base.
    """
    sharing = ALGORITHMS[algorithm]
    assert isinstance(sharing, SharingAlgorithm)
    changes = [change for change in sharing.changes if within.idle_option is not None or change not in WITHOUT_NONE]
    try:
        return base.override(changes)
    except RecipeError as problem:
        raise RecipeError(f"{algorithm} on {within.name}: {problem}") from None
