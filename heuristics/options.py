"""What several parts of a training have to know of its recipe: the options that are trained, the scale of gradients."""

from __future__ import annotations

from supernet.heuristics.hooks import Context
from supernet.heuristics.registry import entry


def trained_options(ctx: Context) -> list[list[int]]:
    """Return the options of each decision that the recipe's sampling trains: all, or all but the idle one."""
    idle = None if ctx.recipe.sampling.with_none else ctx.space.idle_option
    operations = set(ctx.space.operations)
    return [
        [option for option in range(len(decision)) if number not in operations or option != idle]
        for number, decision in enumerate(ctx.space.decisions)
    ]


def divides_by_paths(ctx: Context) -> bool:
    """Tell whether an update is a mean over the paths of a step, rather than their sum.

    It is one with sampling.reduce=mean, and with every method that takes steps and does not follow this key.
    """
    taken = any("sampling.reduce" in entry(chosen.name).ignores for chosen in ctx.recipe.methods)
    return taken or ctx.recipe.sampling.reduce == "mean"
