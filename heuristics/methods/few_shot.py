"""Few-shot NAS: a super-net is split into several, each of which has only some options of one decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import quoted
from supernet.heuristics.hooks import Context, Method, Supernet
from supernet.heuristics.methods.apart import require_single_architectures
from supernet.heuristics.methods.partition import Partition
from supernet.heuristics.methods.schedules import first_epoch
from supernet.heuristics.options import trained_options
from supernet.heuristics.registry import method


@method("few-shot")
class FewShot(Method):
    """Splits the super-net by the options of one decision; the parts inherit its weights (Zhao et al., ICML 2021).

    From the paper: there is one part for each option of a decision, each part starts from the weights of the super-net
    and is trained further, and each architecture is scored by the part that has it. In the released code
    (aoiang/few-shot-NAS, for NAS-Bench-201) the decision is the first edge. There, each part is then trained by itself,
    for half as long as the super-net before. Our choice: all parts are trained in the steps that the recipe has left,
    each step by the part that its paths belong to, so that the method costs no more than the recipe without it. The
    optimiser starts anew at the split. With training.unsampled=zero, momentum and weight decay also move parts without
    a path.
    """

    decision: int = 0
    """Number of the decision that is split, from 0."""
    groups: str = "each"
    """Options of the parts, such as 0,1/2,3,4; with each, every option is a part of its own."""
    begin: float = 0.5
    """Share of the epochs after which the super-net is split; with 1 it is never split."""
    restart: bool = True
    """Whether the learning-rate schedule starts again at the split, over the remaining steps."""
    _split: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if not (self.decision >= 0 and 0 <= self.begin <= 1):
            raise ValueError("decision must be at least 0, and begin lie in [0, 1]")
        listed_groups(self.groups)

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        require_single_architectures("few-shot", ctx)
        parts_of(self, ctx)
        return network

    def start_epoch(self, ctx: Context) -> None:
        if not self._split and ctx.epoch >= first_epoch(self.begin, ctx.recipe.training.epochs):
            self._divide(ctx, self.restart)

    def _divide(self, ctx: Context, restart: bool) -> None:
        self._split = True
        ctx.network = Partition([ctx.network], [{}]).split(0, self.decision, parts_of(self, ctx))
        ctx.rebuild(restart)

    def state_dict(self) -> dict[str, Any]:
        return {"split": self._split}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        if state["split"] is True:
            self._divide(ctx, restart=False)


def listed_groups(text: str) -> list[list[int]]:
    """Return the groups of options that a text such as 0,1/2,3,4 lists; none for `each`.

    Raises:
        ValueError: the text is not of this form.
    """
    parts = [part.split(",") for part in text.split("/")] if text != "each" else []
    if not all(len(option) < 4 and option.isdecimal() for part in parts for option in part):
        raise ValueError(
            f"groups is {quoted(text)}, but lists option numbers with commas, and parts with slashes between"
        )
    return [[int(option) for option in part] for part in parts]


def parts_of(few_shot: FewShot, ctx: Context) -> list[list[int]]:
    """Return the options of each part.

    Raises:
        UserError: the space has no such decision, or the groups are not a partition of options that are trained.
    """
    number, decisions = few_shot.decision, ctx.space.decisions
    if number >= len(decisions):
        raise UserError(
            f"methods.few-shot.decision is {number:,}, but {ctx.space.name} has the decisions 0 to "
            f"{len(decisions) - 1}."
        )
    count = len(decisions[number])
    parts = listed_groups(few_shot.groups) or [[option] for option in range(count)]
    if sorted(option for part in parts for option in part) != list(range(count)) or len(parts) < 2:
        raise UserError(
            f"methods.few-shot.groups is {quoted(few_shot.groups)}, but must list each option of decision {number}, 0 "
            f"to {count - 1}, once, in two or more parts."
        )
    if not all({*part} & {*trained_options(ctx)[number]} for part in parts):
        raise UserError(
            "A part of few-shot has only the operation none, which sampling.with_none=false never trains: set "
            "sampling.with_none=true, or give none a part with another option (methods.few-shot.groups)."
        )
    return parts
