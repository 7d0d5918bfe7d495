"""The two kinds of search algorithms: those that query a benchmark, and those that train a super-net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supernet.harness.search.algorithms.ask import Maker
from supernet.harness.search.picks import Picker
from supernet.harness.search.probing import Probing


@dataclass(frozen=True)
class QueryAlgorithm:
    """An algorithm that looks architectures up in a benchmark."""

    spends: ClassVar[str] = "queries"

    title: str
    source: str
    make: Maker | Probing
    fidelities: bool = False
    """Whether it also queries the cheaper fidelities."""
    code: str = ""
    """The version of its code, which is part of the names of its runs, so that results of other code are not reused."""
    starts: int = 0
    """Number of random architectures that it queries first, which a warm start replaces; `make` takes others as
    `start`. 0 if it cannot begin with given architectures."""
    distils: bool = False
    """Whether cheaper fidelities are trainings with a teacher, instead of results of the table."""


@dataclass(frozen=True)
class SharingAlgorithm:
    """An algorithm that trains a super-net and picks an architecture with its weights; its methods may query, too."""

    title: str
    source: str
    changes: tuple[str, ...]
    """Changes of the base recipe as `section.key=value`."""
    pick: Picker
    code: str = ""
    """The version of its code (see `QueryAlgorithm`)."""
    spends: str = "shares weights"
    """What it spends, for lists."""


Algorithm = QueryAlgorithm | SharingAlgorithm
