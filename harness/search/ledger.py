"""What a search may spend, and what it has spent."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from benchmarks.errors import UserError

KINDS = {
    "queries": "benchmark queries",
    "seconds": "simulated seconds of training, as the benchmark recorded them",
    "passes": "path passes: one path, forward and backward, for one batch",
    "wall": "seconds by the clock",
}
"""What budgets are counted in."""
NAMES = {"queries": "queries", "seconds": "simulated seconds", "passes": "path passes", "wall": "seconds by the clock"}
_UNITS = {"q": "queries", "s": "seconds", "p": "passes", "w": "wall"}
_FORM = re.compile(r"(\d[\d_]*(?:\.\d+)?(?:e\d+)?)\s*([a-z]*)")


@dataclass(frozen=True)
class Budget:
    """So much of one kind."""

    kind: str
    amount: float

    @classmethod
    def parse(cls, text: str) -> Budget:
        """From `200q`, `20000s`, `5000p`, `600w`, or `20000 seconds`.

        Raises:
            UserError: the text is neither.
        """
        match = _FORM.fullmatch(text.strip().lower())
        kind = _UNITS.get(match[2], match[2]) if match else ""
        if not match or kind not in KINDS:
            raise UserError(
                f"{text!r} is no budget. Write a number and a unit: "
                + ", ".join(f"{unit} ({KINDS[kind]})" for unit, kind in _UNITS.items())
                + "; such as 200q or 20000s."
            )
        return cls(kind, float(match[1]))

    def __str__(self) -> str:
        return f"{self.amount:,.10g} {NAMES[self.kind]}"


@dataclass
class Ledger:
    """Everything that one search spent, in all kinds; the budget limits one of them."""

    budget: Budget
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))

    @property
    def used(self) -> float:
        """Spent of what the budget counts."""
        return self.spent[self.budget.kind]

    def affords(self, **costs: float) -> bool:
        """Whether a step of these costs stays within the budget; the step that would exceed it is not to be taken."""
        return self.used + costs.get(self.budget.kind, 0.0) <= self.budget.amount

    def charge(self, **costs: float) -> None:
        """Write down what a step cost."""
        for kind, amount in costs.items():
            self.spent[kind] += amount
