"""Loss terms and update transforms by name, which recipes list under training.extras.

None ships yet: what the catalogue toggles has keys of its own. A plug-in registers what it adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import listed, nearest, quoted
from supernet.heuristics import registry
from supernet.heuristics.hooks import UPDATE_HOOKS, LossTerm, UpdateTransform
from supernet.heuristics.recipe import Recipe, RecipeError

Extra = LossTerm | UpdateTransform
EXTRAS: dict[str, Callable[[Recipe], Extra]] = {}
"""Name -> how to make it for a recipe."""


def register(name: str, make: Callable[[Recipe], Extra]) -> None:
    """Add a loss term or update transform, so that recipes can name it.

    Raises:
        UserError: the name contains a comma, or another extra has it.
    """
    if "," in name or name != name.strip():
        raise UserError(f"The name {quoted(name)} cannot be listed in training.extras: it has a comma or outer spaces.")
    registry.add(EXTRAS, name, make, "loss term or update transform")


def extras_for(recipe: Recipe) -> tuple[list[LossTerm], list[UpdateTransform]]:
    """The loss terms and the update transforms that a recipe names; what is both is in both lists.

    A loss term is what can be called, an update transform what has at least one of the methods `after_path`,
    `before_update` and `after_update`.

    Raises:
        RecipeError: one of the names is not registered, or what it makes is neither of the two.
    """
    terms: list[LossTerm] = []
    transforms: list[UpdateTransform] = []
    for name in filter(None, map(str.strip, recipe.training.extras.split(","))):
        if name not in EXTRAS:
            near = nearest(name, EXTRAS)
            raise RecipeError(
                f"training.extras names {quoted(name)}, but registered are: {listed(sorted(EXTRAS)) or 'none'}. "
                + (f"Did you mean {near}? " if near else "")
                + "Is the file that registers it listed under `plugins`?"
            )
        made: Any = EXTRAS[name](recipe)
        transforming = any(callable(getattr(made, hook, None)) for hook in UPDATE_HOOKS)
        if callable(made):
            terms.append(made)
        if transforming:
            transforms.append(made)
        if not (callable(made) or transforming):
            raise RecipeError(
                f"The extra {quoted(name)} is neither a loss term nor an update transform: a {type(made).__name__} "
                f"cannot be called, and has none of the methods {', '.join(UPDATE_HOOKS)}."
            )
    return terms, transforms
