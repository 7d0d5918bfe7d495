"""Budgets of searches, and ledgers of what searches spend."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted

KINDS = {
    "queries": "benchmark queries",
    "seconds": "simulated seconds of training, as the benchmark recorded them",
    "passes": "path passes: one path, forward and backward, for one batch",
    "wall": "seconds by the clock",
}
"""Kind of cost -> what it counts."""
NAMES = {"queries": "queries", "seconds": "simulated seconds", "passes": "path passes", "wall": "seconds by the clock"}
"""Kind of cost -> its short name for messages and reports."""
TIMED = ("seconds", "wall")
"""Kinds of cost that a query of a table has only if the table has the training time of the architecture."""
_UNITS = {"q": "queries", "s": "seconds", "p": "passes", "w": "wall"}
"""Unit of a budget, as users write it -> kind of cost."""
_FORM = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:e\+?[0-9]+)?)\s*([a-z]*)")


@dataclass(frozen=True)
class Budget:
    """The amount that each search may spend of one kind of cost."""

    kind: str
    """One of KINDS."""
    amount: float

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget such as `200q`, `20000s`, `5000p`, `600w` or `20000 seconds`.

        Raises:
            UserError: the text has another form, or its number is not above 0 and finite.
        """
        match = _FORM.fullmatch(text.strip().lower())
        kind = _UNITS.get(match[2], match[2]) if match else ""
        amount = float(match[1]) if match else 0.0
        if kind not in KINDS or not 0 < amount < math.inf:
            raise UserError(
                f"Invalid budget {quoted(text)}. Write a number above 0 and a unit: "
                + ", ".join(f"{unit} ({KINDS[kind]})" for unit, kind in _UNITS.items())
                + "; such as 200q or 20000s."
            )
        return cls(kind, amount)

    @property
    def short(self) -> str:
        """The budget as `parse` reads it, such as 12000s."""
        unit = next(unit for unit, kind in _UNITS.items() if kind == self.kind)
        return f"{self.amount:.15g}".replace("+", "") + unit

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {NAMES[self.kind]}"


@dataclass
class Ledger:
    """The amounts that one search has spent of all kinds of cost, one of which its budget limits."""

    budget: Budget
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))

    @property
    def used(self) -> float:
        """The amount spent of the kind that the budget limits."""
        return self.spent[self.budget.kind]

    def affords(self, **costs: float) -> bool:
        """Tell whether a step of these costs (kind -> amount) stays within the budget; if not, it must not be taken.

        Raises:
            UserError: the cost is not a number, so that nobody knows whether the budget affords it.
        """
        cost = costs.get(self.budget.kind, 0.0)
        if math.isnan(cost):
            raise UserError(
                f"A query costs an unknown number of {NAMES[self.budget.kind]}, so that a budget of {self.budget} "
                "cannot be kept. Give a budget in queries (q)."
            )
        return self.used + cost <= self.budget.amount

    def charge(self, **costs: float) -> None:
        """Add the costs of a step: kind -> amount."""
        for kind, amount in costs.items():
            self.spent[kind] += amount


def added(*costs: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of costs, each of them kind -> amount."""
    total: dict[str, float] = {}
    for each in costs:
        for kind, amount in each.items():
            total[kind] = total.get(kind, 0.0) + amount
    return total
