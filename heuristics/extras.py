"""Loss terms and update transforms by name, which recipes list under training.extras.

None ships yet: what the catalogue toggles has keys of its own. A file of one's own registers what it adds.
"""

from __future__ import annotations

from collections.abc import Callable

from heuristics.hooks import LossTerm, UpdateTransform
from heuristics.recipe import Recipe, RecipeError

Extra = LossTerm | UpdateTransform
EXTRAS: dict[str, Callable[[Recipe], Extra]] = {}
"""Name -> how to make it for a recipe."""


def register(name: str, make: Callable[[Recipe], Extra]) -> None:
    """Add a loss term or update transform, so that recipes can name it."""
    EXTRAS[name] = make


def extras_for(recipe: Recipe) -> tuple[list[LossTerm], list[UpdateTransform]]:
    """The loss terms and the update transforms that a recipe names.

    Raises:
        RecipeError: one of the names is not registered.
    """
    terms: list[LossTerm] = []
    transforms: list[UpdateTransform] = []
    for name in filter(None, map(str.strip, recipe.training.extras.split(","))):
        if name not in EXTRAS:
            raise RecipeError(
                f"training.extras names {name!r}, but registered are: {', '.join(sorted(EXTRAS)) or 'none'}. Is the "
                "file that registers it listed under `plugins`?"
            )
        made = EXTRAS[name](recipe)
        if hasattr(made, "before_update"):
            transforms.append(made)  # type: ignore[arg-type]
        else:
            terms.append(made)
    return terms, transforms
