"""The options that a recipe trains."""

from __future__ import annotations

from supernet.heuristics.hooks import Context


def trained_options(ctx: Context) -> list[list[int]]:
    """Return the options of each decision that the recipe's sampling trains: all, or all but the idle one."""
    idle = None if ctx.recipe.sampling.with_none else ctx.space.idle_option
    operations = set(ctx.space.operations)
    return [
        [option for option in range(len(decision)) if number not in operations or option != idle]
        for number, decision in enumerate(ctx.space.decisions)
    ]
