"""The two kinds of search algorithms: those that query a benchmark, and those that train a super-net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from supernet.benchmarks.errors import UserError
from supernet.harness.search.algorithms.ask import Maker
from supernet.harness.search.picks import Picker
from supernet.harness.search.probing import Probing

ALONE = "shares weights"
"""What an algorithm with shared weights spends that queries nothing."""


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

    def check_limit(self, name: str, kind: str) -> None:
        """Check that a budget of this kind of cost limits the algorithm, which a comparison calls `name`.

        Raises:
            UserError: it does not.
        """
        if kind == "passes":
            raise UserError(
                f"{name} trains no super-net: give a budget in queries (q), seconds (s) or seconds by the clock (w)."
            )


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
    spends: str = ALONE
    """What it spends, for lists and messages."""

    def check_limit(self, name: str, kind: str) -> None:
        """Check that a budget of this kind of cost limits the algorithm, which a comparison calls `name`.

        Raises:
            UserError: it does not.
        """
        if kind == "queries":
            what = f"{ALONE} and queries nothing"
            if self.spends != ALONE:
                what = f"{self.spends}, and a budget of queries does not limit its training"
            raise UserError(f"{name} {what}: give a budget in seconds (s), passes (p) or seconds by the clock (w).")


Algorithm = QueryAlgorithm | SharingAlgorithm
