"""Which candidate computes each operation: what `use` says, else the variable SUPERNET_KERNELS, else the default."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted

ENVIRONMENT = "SUPERNET_KERNELS"
"""The variable that chooses candidates for a whole process, in the grammar of `use`."""
CANDIDATES: dict[str, tuple[str, ...]] = {
    "cells": ("eager", "triton"),
    "batch_norm_add": ("eager", "triton"),
    "avg_pool3x3": ("eager", "triton"),
}
"""Operation -> names of its candidates; the first is the reference."""
BEST_ON_CUDA: Mapping[str, str] = {"cells": "triton"}
"""Operation -> the candidate that was measured to be the fastest on a GPU (see docs/gpu.md). The others are faster
where a graph is replayed, too; where each launch is made by Python, they were not measured."""

_chosen: dict[str, str] | None = None
"""What is chosen for each operation by name; None before the variable of the environment has been read."""


class use:
    """Choose candidates from now on, or for the length of a `with` statement.

    The choice holds for all threads of the process. An input that a candidate does not take, such as one in float64
    for kernels in Triton, is computed by the eager reference.

    Args:
        choice: one candidate for all operations that have it, such as "triton"; or some operations with a candidate
            each, such as "cells=eager,avg_pool3x3=triton"; or "" for the defaults.

    Raises:
        UserError: there is no such operation or candidate, or Triton is missing or too old.
    """

    def __init__(self, choice: str) -> None:
        global _chosen
        read = parsed(choice)
        self._before = _chosen
        _chosen = read

    def __enter__(self) -> use:
        return self

    def __exit__(self, *_: Any) -> None:
        global _chosen
        _chosen = self._before


def chosen(operation: str, kind: str = "cpu") -> str:
    """Name of the candidate that computes an operation on a kind of device, such as cuda.

    Raises:
        UserError: SUPERNET_KERNELS names no candidate.
    """
    global _chosen
    if _chosen is None:
        _chosen = parsed(os.environ.get(ENVIRONMENT, ""))
    name = _chosen.get(operation)
    if name is not None:
        return name
    if kind != "cuda" or without_triton():
        return "eager"
    return BEST_ON_CUDA.get(operation, "eager")


def choices(kind: str) -> dict[str, str]:
    """Operation -> candidate, for operations on a kind of device that the eager reference does not compute."""
    found = {operation: chosen(operation, kind) for operation in CANDIDATES}
    return {operation: name for operation, name in found.items() if name != "eager"}


def parsed(choice: str) -> dict[str, str]:
    """Operation -> candidate, as `use` reads it.

    Raises:
        UserError: there is no such operation or candidate, or Triton is missing or too old.
    """
    found: dict[str, str] = {}
    for word in filter(None, (part.strip() for part in choice.split(","))):
        operation, separator, candidate = word.partition("=")
        if separator:
            _check(operation in CANDIDATES, "operation", operation, list(CANDIDATES))
            _check(candidate in CANDIDATES[operation], f"candidate of {operation}", candidate, CANDIDATES[operation])
            found[operation] = candidate
        else:
            names = sorted({name for names in CANDIDATES.values() for name in names})
            _check(word in names, "candidate", word, names)
            found |= {operation: word for operation, names in CANDIDATES.items() if word in names}
    if "triton" in found.values() and (missing := without_triton()):
        raise UserError(missing)
    return found


@cache
def without_triton() -> str | None:
    """Why the kernels in Triton cannot run here; None where they can."""
    if importlib.util.find_spec("triton") is None:
        return (
            "The kernels `triton` need the package triton, which is not installed. CUDA builds of torch for Linux "
            "bring it along."
        )
    import triton

    # Older versions do not take tuples of tensors.
    if tuple(int(part) for part in triton.__version__.split(".")[:2]) < (3, 3):
        return f"The kernels `triton` need Triton 3.3 or later, as of torch 2.7; here is {triton.__version__}."
    return None


def _check(known: bool, what: str, name: str, names: list[str] | tuple[str, ...]) -> None:
    if not known:
        raise UserError(
            f"There is no {what} {quoted(name)}; choose from {', '.join(names)}. Kernels are chosen by {ENVIRONMENT} "
            "or `kernels.use`, as in `triton` or `cells=eager,avg_pool3x3=triton`."
        )
