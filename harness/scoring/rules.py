"""Rules that fuse training-free scores, and those of super-nets with them. They are fixed by name and never change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from numpy.typing import ArrayLike

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import did_you_mean, listed, quoted
from supernet.harness.statistics.fusion import Floats, fuse

TRAINED = "trained"
"""What the score of a trained super-net is called in a fusion."""


@dataclass(frozen=True)
class Rule:
    """A fusion that is fixed by name: it is never changed, so that results under it stay comparable."""

    name: str
    free: tuple[tuple[str, float], ...]
    """Training-free scores and their weights."""
    trained: float | None = None
    """The weight of a score by a trained super-net, if the rule has one."""
    how: str = "log"
    card: str = ""
    """What the choice of the rule has seen."""

    def of(self, free: Mapping[str, ArrayLike], trained: ArrayLike | None = None) -> Floats:
        """The fused score of n architectures: (n,).

        Args:
            free: the scores that the rule names, and possibly others: (n,) or (draws, n).
            trained: the score by a trained super-net, (n,), or by several, (super-nets, n).

        Raises:
            UserError: a score is missing.
        """
        missing = [name for name, _ in self.free if name not in free]
        if missing or (trained is None) != (self.trained is None):
            lacking = [*missing, *(["the score of a super-net"] if trained is None and self.trained else [])]
            raise UserError(
                f"The rule {self.name} needs {listed(lacking)}."
                if lacking
                else f"The rule {self.name} fuses training-free scores alone."
            )
        scores = {name: free[name] for name, _ in self.free}
        weights = dict(self.free)
        if trained is not None and self.trained is not None:
            scores[TRAINED], weights[TRAINED] = trained, self.trained
        return fuse(scores, weights, self.how)


_SEEN = (
    "Parameters on live edges and jacob_cov are the best of the 78 pairs of 13 training-free quantities, and the "
    "fusion by logarithms one of 7 that were looked at, all judged by the accuracies of NAS-Bench-201 on CIFAR-10. "
    "Other ground truth of that benchmark is not untouched either, because accuracies on its data sets agree; on other "
    "spaces the rule was chosen without a look."
)
_SIZE = (
    "Parameter count is the usual baseline and was not chosen by any ground truth. It stands for spaces on which "
    "free-1 was tried once and ranked worse: in the first space of NAS-Bench-1Shot1, free-1 (four draws) has a tau of "
    "0.45 on 2,685 cells (CIFAR-10, 108 epochs) and of 0.31 on the embedded truth; parameters have 0.58 and 0.68."
)
RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in [
        Rule("free-1", (("live-params", 1.0), ("jacob-cov", 1.0)), card=_SEEN),
        Rule(
            "free-1+supernet",
            (("live-params", 1.0), ("jacob-cov", 1.0)),
            trained=0.25,
            card=_SEEN + " The weight 0.25 of a super-net was the best of 0.25, 0.5, 0.75 and 1 for three super-nets "
            "on 2,000 architectures of NAS-Bench-201.",
        ),
        Rule("live-params", (("live-params", 1.0),), card=_SIZE),
        Rule("live-params+supernet", (("live-params", 1.0),), trained=0.25, card=_SIZE),
        Rule(
            "az-nas",
            (("az-expressivity", 1.0), ("az-progressivity", 1.0), ("az-trainability", 1.0), ("flops", 1.0)),
            card="The published aggregate of AZ-NAS (Lee and Ham, CVPR 2024); its authors judged it by NAS-Bench-201.",
        ),
    ]
}
"""Name -> rule."""


def rule(name: str) -> Rule:
    """The rule of this name.

    Raises:
        UserError: there is none.
    """
    if name not in RULES:
        raise UserError(f"There is no rule {quoted(name)}; {did_you_mean(name, list(RULES))}")
    return RULES[name]


def parts(text: str) -> dict[str, float]:
    """The columns and weights that a text such as `a,b:0.25` names.

    Raises:
        UserError: it has another form, or a column twice.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        try:
            found[name] = float(weight) if weight else 1.0
        except ValueError:
            raise UserError(f"{quoted(part)} is not COLUMN or COLUMN:WEIGHT, such as jacob_cov:0.5.") from None
    if "" in found or len(found) < len(text.split(",")):
        raise UserError(f"{quoted(text)} has to name columns, each once, as in live-params,jacob-cov:0.5.")
    return found
