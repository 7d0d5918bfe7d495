"""What methods need to know of paths: the architecture of one, and the method that plans them."""

from __future__ import annotations

from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context
from supernet.heuristics.registry import entry
from supernet.heuristics.routes import Path


def planner_of(ctx: Context) -> str | None:
    """Return the name of the recipe's method that plans the paths of steps; None if sampling.law does."""
    return next((chosen.name for chosen in ctx.recipe.methods if entry(chosen.name).has("plan")), None)


def arch_of(path: Path, asker: str) -> Arch:
    """Return the architecture of a path that has one for all cells.

    Args:
        asker: name of the method, for the message.

    Raises:
        UserError: the path is a mixture, or has an architecture for every cell.
    """
    routing: Any = path.routing
    if not all(isinstance(choice, int) for choice in routing):
        raise UserError(
            f"The method {asker} compares single architectures: choose a sampling.law that draws them, such as "
            "uniform, and set sampling.per_cell=false."
        )
    return tuple(routing)
