"""Search spaces by name."""

from __future__ import annotations

from functools import cache

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces.decisions import Arch, Archs, Decision, SearchSpace
from supernet.benchmarks.spaces.nb1shot1 import PARENTS, NB1Shot1
from supernet.benchmarks.spaces.nb201 import NB201
from supernet.benchmarks.wording import did_you_mean, quoted

SPACE_NAMES = ("nb201", *(f"nb1shot1-{number}" for number in PARENTS))

__all__ = ["NB201", "SPACE_NAMES", "Arch", "Archs", "Decision", "NB1Shot1", "SearchSpace", "space"]


@cache
def space(name: str) -> SearchSpace:
    """The search space of this name; one instance per process, since enumerations are kept on it."""
    if name == "nb201":
        return NB201()
    if name in SPACE_NAMES:
        return NB1Shot1(int(name[-1]))
    raise UserError(f"There is no search space {quoted(name)}; {did_you_mean(name, SPACE_NAMES)}")
