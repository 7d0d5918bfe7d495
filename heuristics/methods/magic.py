"""MAGIC: architectures interfere less if consecutive ones are similar (Xu et al., ICML 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context, Method, Path
from supernet.heuristics.registry import method


@method("magic-t")
class MagicT(Method):
    """Trains a chain of architectures, each of which differs from the one before in `changes` decisions (MAGIC-T).

    The decisions and their new options are drawn uniformly, so that in the long run every architecture is equally
    likely. The paper changes one decision per step.
    """

    reads = frozenset({"with_none"})

    changes: int = 1
    """Number of decisions that change from step to step."""
    _last: list[int] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.changes < 1:
            raise ValueError("changes must be at least 1")

    def plan(self, ctx: Context) -> list[Path]:
        options = [list(range(len(decision))) for decision in ctx.space.decisions]
        if self.changes > len(options):
            raise UserError(
                f"methods.magic-t.changes is {self.changes:,}, but an architecture of {ctx.space.name} has only "
                f"{len(options)} decisions."
            )
        if not ctx.recipe.sampling.with_none:
            for number in ctx.space.operations:
                options[number].remove(ctx.space.idle_option)  # type: ignore[arg-type]
        rng, last = ctx.random(self), self._last
        if last is None:
            self._last = [int(rng.choice(choices)) for choices in options]
        else:
            for number in rng.choice(len(options), size=self.changes, replace=False).tolist():
                last[number] = int(rng.choice([o for o in options[number] if o != last[number]]))
        assert self._last is not None
        return [Path(tuple(self._last))]

    def state_dict(self) -> dict[str, Any]:
        return {"last": self._last}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        self._last = None if state["last"] is None else list(state["last"])
