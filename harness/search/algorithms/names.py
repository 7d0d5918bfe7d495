"""The names by which comparisons call algorithms: those of the registry, also with a warm start."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed, quoted
from supernet.harness.search.algorithms.registry import ALGORITHMS, SHIPPED, Algorithm, QueryAlgorithm, perhaps
from supernet.harness.search.algorithms.warm import Warm

POOL = 1000
"""Size of a pool where none is given: our choice."""
_WARM = re.compile(r"(?P<base>[^\s,@]+)@(?P<score>[^\s,@:]+):(?P<pool>[0-9]{1,9})")
"""An algorithm with a warm start: its own name, the training-free score, and the size of the pool."""


def base_of(name: str) -> str:
    """Return the name of an algorithm without its warm start."""
    match = None if name in ALGORITHMS else _WARM.fullmatch(name)
    return match["base"] if match else name


def algorithm_of(name: str) -> Algorithm:
    """Return the algorithm of a name, which may say a warm start: rea@jacob-cov:1000 (see `Warm`).

    Raises:
        UserError: there is no such algorithm, or it cannot begin with given architectures.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    match = _WARM.fullmatch(name)
    base = ALGORITHMS.get(base_of(name))
    if match is None or base is None:
        raise UserError(
            f"There is no search algorithm {quoted(name)}{perhaps(base_of(name))} There are: {listed(ALGORITHMS, 40)}."
        )
    if not isinstance(base, QueryAlgorithm) or not base.starts:
        raise UserError(f"{quoted(match['base'])} does not begin with random architectures; {listed(_able())} do.")
    score, pool = match["score"], int(match["pool"])
    title = f"{base.title}, best of {pool:,} by {score}"
    warm = Warm(base.make, base.starts, score, pool)  # type: ignore[arg-type]  # what has `starts` takes `start`
    return replace(base, title=title, make=warm, starts=0)


def ships(name: str) -> bool:
    """Tell whether the algorithm is one of the project's, with or without a warm start."""
    base = base_of(name)
    return base in SHIPPED and ALGORITHMS.get(base) is SHIPPED[base]


def named(names: str) -> list[str]:
    """Return the algorithms of a comma-separated list, without repetitions.

    Raises:
        UserError: an algorithm is not known, or the list is empty.
    """
    chosen = [name for name in (part.strip() for part in names.split(",")) if name]
    for name in chosen:
        algorithm_of(name)
    if not chosen:
        raise UserError(
            f"Name at least one search algorithm, such as {listed(list(ALGORITHMS)[:3])}; "
            "`supernet search --list` shows all."
        )
    return list(dict.fromkeys(chosen))


def with_warm_starts(names: Sequence[str], score: str, pool: int = POOL) -> list[str]:
    """Return these algorithms and, after each one that can begin with given architectures, one with a warm start.

    Args:
        score: name of the training-free score.
        pool: number of architectures that are scored.

    Raises:
        UserError: none of the algorithms can begin with given architectures, or the name of the score or the size of
            the pool cannot be used.
    """
    found: list[str] = []
    for name in names:
        found.append(name)
        if getattr(algorithm_of(name), "starts", 0):
            found.append(f"{name}@{score}:{pool}")
            algorithm_of(found[-1])
    if len(found) == len(names):
        raise UserError(
            f"{listed(names)}: no warm start is possible; {listed(_able())} begin with random architectures."
        )
    return list(dict.fromkeys(found))


def _able() -> list[str]:
    """Return the algorithms that can begin with given architectures."""
    return [name for name, algorithm in ALGORITHMS.items() if getattr(algorithm, "starts", 0)]
