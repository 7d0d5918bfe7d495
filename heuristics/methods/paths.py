"""What methods that compare single architectures need to know of a path."""

from __future__ import annotations

from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.heuristics.hooks import Context
from supernet.heuristics.registry import entry
from supernet.heuristics.routes import Path


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


def needs_plain_steps(ctx: Context, asker: str) -> None:
    """Refuse recipes in which another method turns paths into an update.

    Raises:
        UserError: there is such a method.
    """
    for chosen in ctx.recipe.methods:
        if entry(chosen.name).has("take_step"):
            raise UserError(
                f"The method {asker} cannot be combined with {chosen.name}, which takes several steps for one update: "
                "leave one of them out."
            )
