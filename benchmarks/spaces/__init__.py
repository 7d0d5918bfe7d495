"""Search spaces and official benchmarks by name.

A space consists of a module here, which defines `SPACES`, and a super-net in `harness/supernet`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import darts, nb1shot1, nb101, nb201, nb201_part
from supernet.benchmarks.spaces.choices import Arch, Archs, Decision
from supernet.benchmarks.spaces.darts import DARTS
from supernet.benchmarks.spaces.decisions import SearchSpace
from supernet.benchmarks.spaces.graph import Edge, Graph
from supernet.benchmarks.spaces.nb1shot1 import NB1Shot1
from supernet.benchmarks.spaces.nb201 import NB201
from supernet.benchmarks.spaces.official import Complete, Official
from supernet.benchmarks.wording import did_you_mean, quoted

REGISTRY: Mapping[str, Callable[[], SearchSpace]] = {
    **nb201.SPACES,
    **nb201_part.SPACES,
    **nb1shot1.SPACES,
    **darts.SPACES,
}
"""Name -> function that makes the space."""
SPACE_NAMES = tuple(REGISTRY)
DEFAULT_SPACE = NB201.name
"""The space that is used if none is named."""
OFFICIAL: Mapping[str, Official] = {
    official.name: official for official in (nb201.OFFICIAL, nb101.OFFICIAL, darts.OFFICIAL)
}
"""Space in the tables' metadata -> benchmark whose official files can be imported. The cells of NAS-Bench-101 are not a
product of decisions, so NAS-Bench-101 has ground truth but no search space."""

__all__ = [
    "DARTS", "DEFAULT_SPACE", "NB201", "OFFICIAL", "REGISTRY", "SPACE_NAMES", "Arch", "Archs", "Complete", "Decision",
    "Edge", "Graph", "NB1Shot1", "Official", "SearchSpace", "space",
]  # fmt: skip


@cache
def space(name: str) -> SearchSpace:
    """Return the search space of this name: the same instance at every call, since it keeps its enumerations.

    Raises:
        UserError: there is no space of this name.
    """
    if name not in REGISTRY:
        raise UserError(f"There is no search space {quoted(name)}; {did_you_mean(name, SPACE_NAMES)}")
    return REGISTRY[name]()
